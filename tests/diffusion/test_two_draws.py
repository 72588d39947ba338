"""The fair CRPS of two draws: against another implementation, proper, blind to missing cells."""

from __future__ import annotations

import numpy as np
import torch
from scoringrules import crps_ensemble
from torch import nn

from climdiff.diffusion.two_draws import FUNCTIONALS, fair_crps


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
