"""Consistency with the coarse field: by hand, turned axes, holes."""

from __future__ import annotations

import numpy as np
import pytest

from climdiff.grids.blocks import Blocks
from climdiff.verification.coarse import coarse_scores, coarse_sums

AREA = np.arange(1.0, 17.0).reshape(4, 4)


def scores_of(members, truth, given, weights=None, flips=(False, False)) -> dict[str, float]:
    weights = np.broadcast_to(AREA, truth.shape) if weights is None else weights
    return coarse_scores(coarse_sums(members, truth, weights, given, Blocks((2, 2), AREA, flips)))


def test_block_means_by_hand():
    truth = np.random.default_rng(1).random((3, 4, 4))
    blocks = Blocks((2, 2), AREA, (False, False))
    given = blocks.mean(truth)
    found = scores_of(np.stack([truth + 1, truth - 3]), truth, given)
    assert found["coarse_rmse"] == pytest.approx(np.sqrt((1 + 9) / 2)) and found["coarse_bias"] == pytest.approx(-1)
    assert found["coarse_rmse_truth"] == pytest.approx(0, abs=1e-12)


def test_a_coarse_grid_may_run_the_other_way():
    truth = np.random.default_rng(2).random((3, 4, 4))
    given = Blocks((2, 2), AREA, (True, False)).mean(truth)[:, ::-1]
    assert scores_of(truth[None], truth, given, flips=(True, False))["coarse_rmse"] == pytest.approx(0, abs=1e-12)


def test_a_block_with_a_hole_is_left_out_and_one_without_coarse_value():
    truth = np.zeros((1, 4, 4))
    given = np.array([[[1.0, 5.0], [np.nan, 2.0]]])
    weights = np.array(np.broadcast_to(AREA, truth.shape))
    weights[0, 0, 3] = 0
    area = AREA[:2, :2].sum(), AREA[2:, 2:].sum()
    found = scores_of(truth[None], truth, given, weights)
    assert found["coarse_bias"] == pytest.approx(-(area[0] * 1 + area[1] * 2) / sum(area))
    assert np.isnan(scores_of(truth[None], truth, given * np.nan)["coarse_rmse"])
