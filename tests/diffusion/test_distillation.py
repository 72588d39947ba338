"""The score that teaches one step: fair, proper, blind to missing cells, and enough to learn a known law from noise."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
import torch
from scoringrules import crps_ensemble
from torch import Tensor, nn

from climdiff.diffusion import schedules
from climdiff.diffusion.denoiser import Denoiser
from climdiff.diffusion.distillation import FUNCTIONALS, OneStep, fair_crps, level

CHAIN = schedules.cosine(1000)


class Batch(NamedTuple):
    target: Tensor
    condition: Tensor


def fields(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_the_score_of_cells_is_that_of_an_independent_implementation():
    one, other, truth = (fields(seed, 3, 1, 8, 8) for seed in (1, 2, 3))
    expected = 0.0
    for _, functional in FUNCTIONALS:
        a, b, y = (functional(each).numpy() for each in (one, other, truth))
        found = crps_ensemble(y, np.stack([a, b], axis=-1), estimator="fair")
        expected = expected + found.reshape(3, -1).mean(1)
    np.testing.assert_allclose(fair_crps(one, other, truth).numpy(), expected, rtol=1e-5)


def test_draws_from_the_true_law_have_the_best_score():
    """Neither a narrower law, a wider one, one of another mean, nor cells without their correlation score better."""
    smooth = nn.functional.avg_pool2d(fields(0, 4000, 1, 10, 10), 3, stride=1)
    other = nn.functional.avg_pool2d(fields(1, 4000, 1, 10, 10), 3, stride=1)
    truth = nn.functional.avg_pool2d(fields(2, 4000, 1, 10, 10), 3, stride=1)
    rough = [fields(seed, 4000, 1, 8, 8) / 3 for seed in (3, 4)]
    best = fair_crps(smooth, other, truth).mean()
    for one, two in [(0.5 * smooth, 0.5 * other), (2 * smooth, 2 * other), (smooth + 0.2, other + 0.2), rough]:
        assert float(fair_crps(one, two, truth).mean()) > 1.02 * float(best)


def test_missing_cells_do_not_count():
    one, other, truth = (fields(seed, 2, 1, 8, 8) for seed in (1, 2, 3))
    gaps = truth.clone()
    gaps[0, :, 4:] = float("nan")
    whole = fair_crps(one[:1, :, :4], other[:1, :, :4], truth[:1, :, :4])
    torch.testing.assert_close(fair_crps(one, other, gaps)[:1], whole)
    torch.testing.assert_close(fair_crps(one, other, gaps)[1:], fair_crps(one[1:], other[1:], truth[1:]))
    assert fair_crps(one, other, torch.full_like(truth, torch.nan)).tolist() == [0.0, 0.0]


def test_a_small_field_is_compared_in_what_it_is_large_enough_for():
    """Three cells a side have cells, differences and one whole square of 2 x 2, and none of 4 x 4."""
    one, other, truth = (fields(seed, 2, 1, 3, 3) for seed in (1, 2, 3))
    terms = 0.5 * ((one - truth).abs() + (other - truth).abs() - (one - other).abs())
    assert (fair_crps(one, other, truth) > terms.mean((1, 2, 3))).any()
    line = [each[..., :1] for each in (one, other, truth)]
    down = [each[..., 1:, :] - each[..., :-1, :] for each in line]
    both = [0.5 * ((a - y).abs() + (b - y).abs() - (a - b).abs()).mean((1, 2, 3)) for a, b, y in (line, down)]
    torch.testing.assert_close(fair_crps(*line), both[0])


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
