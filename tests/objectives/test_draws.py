"""What the objectives share: missing cells are 0 and do not count, noise comes from the generator."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from climdiff.networks.noise_fed import NoiseFed
from climdiff.objectives.draws import mean_of_known, sample, two_made, ungrouped


class Batch(NamedTuple):
    target: Tensor
    condition: Tensor


class Sum(nn.Module):
    """The condition plus the noise."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, z, t, condition):
        return self.weight * (z + condition[:, :1])


def test_missing_cells_are_told_apart():
    target = torch.tensor([[[[1.0, torch.nan], [3.0, 4.0]]]])
    found = sample(Sum(), Batch(target, torch.zeros(1, 2, 2, 2)))
    assert found.truth.tolist() == [[[[1.0, 0.0], [3.0, 4.0]]]]
    assert found.known.tolist() == [[[[True, False], [True, True]]]]


def test_the_mean_is_over_known_cells():
    values = torch.tensor([[[[1.0, 2.0], [3.0, 6.0]]], [[[1.0, 1.0], [1.0, 1.0]]]])
    known = torch.tensor([[[[True, False], [True, True]]], [[[False, False], [False, False]]]])
    torch.testing.assert_close(mean_of_known(values, known), torch.tensor([10 / 3, 0.0]))
    assert ungrouped(torch.zeros(3)).tolist() == [0, 0, 0]


def test_two_fields_of_a_condition_have_noise_of_their_own_from_the_generator():
    condition = torch.arange(3.0)[:, None, None, None].expand(3, 1, 4, 4).contiguous()
    made = two_made(NoiseFed(Sum(), 1), condition, torch.Generator().manual_seed(1), torch.float32)
    z = torch.randn(6, 1, 4, 4, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(made, z + torch.cat([condition, condition]))
