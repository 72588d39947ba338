"""The optimum of the squared error is the conditional mean: in a linear world, the least squares."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from climdiff.networks.noise_fed import NoiseFed
from climdiff.objectives.regression import Regression


class Batch(NamedTuple):
    target: Tensor
    condition: Tensor


class Linear(nn.Module):
    def __init__(self, weights):
        super().__init__()
        self.weights = nn.Parameter(torch.tensor(weights, dtype=torch.float32))

    def forward(self, z, t, condition):
        assert z.shape[1] == 0
        return torch.einsum("bcyx,c->byx", condition, self.weights)[:, None]


def world():
    """x = 2 y1 - y2 + 0.5 eps, a tenth of the cells missing."""
    generator = torch.Generator().manual_seed(0)
    condition = torch.randn(8, 2, 16, 16, generator=generator)
    target = 2 * condition[:, :1] - condition[:, 1:] + 0.5 * torch.randn(8, 1, 16, 16, generator=generator)
    target[:, :, :2, :10] = torch.nan  # as many in each sample, so that all cells weigh the same
    return Batch(target, condition)


def least_squares(batch):
    known = ~batch.target[:, 0].isnan().numpy()
    columns = batch.condition.numpy().transpose(0, 2, 3, 1)[known]
    found, squares, *_ = np.linalg.lstsq(columns, batch.target[:, 0].numpy()[known], rcond=None)
    return found, float(squares[0]) / known.sum()


def loss_of(weights, batch):
    objective = Regression(NoiseFed(Linear(weights), 0), torch.float32)
    ((name, losses, group),) = objective.losses(batch, torch.Generator(), 1)
    assert name in objective.networks and group.tolist() == [0] * 8
    return losses.mean(), objective.network.network.weights


def test_the_optimum_is_the_least_squares_solution_and_its_loss_what_is_left_over():
    batch = world()
    weights, left = least_squares(batch)
    assert weights == pytest.approx([2.0, -1.0], abs=0.05)
    loss, parameter = loss_of(weights, batch)
    assert float(loss.detach()) == pytest.approx(left, rel=1e-5)
    (gradient,) = torch.autograd.grad(loss, parameter)
    assert float(gradient.abs().max()) < 1e-5


@pytest.mark.parametrize("off", [(0.1, 0.0), (0.0, -0.1)])
def test_any_other_has_a_higher_loss(off):
    batch = world()
    weights, left = least_squares(batch)
    assert float(loss_of(weights + np.array(off), batch)[0].detach()) > left + 0.005
