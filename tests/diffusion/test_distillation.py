"""The score that teaches one step: fair, proper, blind to missing cells, and enough to learn a known law from noise."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from climdiff.diffusion import schedules
from climdiff.diffusion.denoiser import Denoiser
from climdiff.diffusion.distillation import OneStep, level

CHAIN = schedules.cosine(1000)


class Batch(NamedTuple):
    target: Tensor
    condition: Tensor


def fields(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_the_level_is_80_or_where_a_chain_ends_before():
    assert level(CHAIN) == 80.0 < float(CHAIN.sigma[-1])
    assert level(schedules.log_linear(100, largest=20.0)) == pytest.approx(20.0)


class Affine(nn.Module):
    """A network whose answer, by the x0 parameterisation, is a mean and a multiple of the noise."""

    def __init__(self):
        super().__init__()
        self.mean, self.std = nn.Parameter(torch.zeros(())), nn.Parameter(torch.tensor(0.1))

    def forward(self, z, t, condition):
        return self.mean * condition[:, :1] + self.std * z


def test_one_step_learns_mean_and_spread_of_a_known_law():
    """x = 2 y + 0.7 eps: the score alone, with one truth for each condition, finds both numbers."""
    network = Affine()
    objective = OneStep(Denoiser(network, CHAIN, "x0"), torch.float32)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    for step in range(400):
        condition = fields(10_000 + step, 16, 1, 8, 8)
        batch = Batch(2 * condition + 0.7 * fields(20_000 + step, 16, 1, 8, 8), condition)
        ((_, losses, group),) = objective.losses(batch, torch.Generator().manual_seed(step), step + 1)
        assert losses.shape == group.shape == (16,)
        optimizer.zero_grad()
        losses.mean().backward()
        optimizer.step()
    assert float(network.mean.detach()) == pytest.approx(2.0, abs=0.03)
    assert float(network.std.detach()) == pytest.approx(0.7, abs=0.03)


def test_the_loss_depends_on_batch_and_generator_only():
    objective = OneStep(Denoiser(Affine(), CHAIN, "x0"), torch.float32)
    batch = Batch(fields(1, 4, 1, 8, 8), fields(2, 4, 1, 8, 8))
    first, again, other = (next(objective.losses(batch, torch.Generator().manual_seed(s), 1))[1] for s in (5, 5, 6))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
