"""A network taught by the score alone finds mean and spread of a known law."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from climdiff.diffusion.two_draws import fair_crps
from climdiff.networks.noise_fed import NoiseFed
from climdiff.objectives.scored import Scored


class Batch(NamedTuple):
    target: Tensor
    condition: Tensor


class Affine(nn.Module):
    def __init__(self):
        super().__init__()
        self.mean, self.std = nn.Parameter(torch.zeros(())), nn.Parameter(torch.tensor(0.1))

    def forward(self, z, t, condition):
        return self.mean * condition[:, :1] + self.std * z


def fields(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_mean_and_spread_of_a_known_law_are_found():
    """x = 2 y + 0.7 eps, one truth for each condition."""
    objective = Scored(NoiseFed(Affine(), 1), torch.float32)
    network = objective.network.network
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    for step in range(400):
        condition = fields(10_000 + step, 16, 1, 8, 8)
        batch = Batch(2 * condition + 0.7 * fields(20_000 + step, 16, 1, 8, 8), condition)
        ((_, losses, _),) = objective.losses(batch, torch.Generator().manual_seed(step), step + 1)
        optimizer.zero_grad()
        losses.mean().backward()
        optimizer.step()
    assert float(network.mean.detach()) == pytest.approx(2.0, abs=0.03)
    assert float(network.std.detach()) == pytest.approx(0.7, abs=0.03)


def test_the_loss_is_the_score_of_two_draws_and_missing_cells_do_not_count():
    objective = Scored(NoiseFed(Affine(), 1), torch.float32)
    truth = fields(1, 2, 1, 8, 8)
    truth[0, :, :4] = torch.nan
    ((_, losses, _),) = objective.losses(Batch(truth, fields(2, 2, 1, 8, 8)), torch.Generator().manual_seed(3), 1)
    one, other = (0.1 * torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(3))).chunk(2)
    torch.testing.assert_close(losses.detach(), fair_crps(one, other, truth))
