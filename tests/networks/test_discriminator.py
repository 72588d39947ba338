"""The critic: a score for each patch, told the condition, blind to what is far away."""

from __future__ import annotations

import torch

from climdiff.networks.discriminator import Discriminator


def test_a_score_is_of_a_patch():
    critic = Discriminator(1 + 2, (16, 32, 64))
    x, condition = torch.randn(2, 1, 64, 64), torch.randn(2, 2, 64, 64)
    before = critic(x, condition)
    assert before.shape == (2, 8 * 8)
    x[0, 0, 0, 0] += 10.0
    changed = (critic(x, condition) != before).reshape(2, 8, 8)
    assert changed[0, 0, 0] and not changed[0, 3:].any() and not changed[0, :, 3:].any() and not changed[1].any()


def test_the_condition_counts():
    critic = Discriminator(1 + 2, (16, 32))
    x = torch.randn(1, 1, 16, 16)
    assert not torch.equal(critic(x, torch.zeros(1, 2, 16, 16)), critic(x, torch.ones(1, 2, 16, 16)))
