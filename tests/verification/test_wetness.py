"""Intensity and joint exceedance: by hand, masks, unequal cells, and structure that single cells do not show."""

from __future__ import annotations

import numpy as np
import pytest

from climdiff.verification.wetness import wetness_scores, wetness_sums


def test_two_members_by_hand():
    truth = np.array([[[0.0, 2.0, 4.0], [0.0, 0.0, 1.0]]])
    members = np.stack([truth, np.zeros_like(truth)])
    found = wetness_scores(wetness_sums(members, truth, np.ones_like(truth), 1.0))
    # wet cells 2, 4, 1; seven pairs; both wet: (2, 4) and (4, 1). Cell 2 is in 3 pairs, 4 in 2, 1 in 2: either 7 / 2
    assert found["intensity_truth"] == pytest.approx(7 / 3) and found["intensity"] == pytest.approx(7 / 3)
    assert found["joint_truth"] == pytest.approx(2 / 3.5) and found["joint"] == pytest.approx(2 / 3.5)


def test_cells_count_by_area_and_pairs_by_its_geometric_mean():
    truth = np.array([[[1.0, 3.0, 0.0]]])
    weights = np.array([[[4.0, 1.0, 9.0]]])
    found = wetness_scores(wetness_sums(truth[None], truth, weights, 1.0))
    assert found["intensity_truth"] == pytest.approx((4 * 1 + 1 * 3) / 5)
    assert found["joint_truth"] == pytest.approx(2 / ((2 + 2 + 3) / 2))


def test_a_missing_cell_is_in_no_pair():
    truth = np.full((1, 2, 2), 5.0)
    weights = np.ones_like(truth)
    weights[0, 0, 0] = 0
    sums = wetness_sums(truth[None], truth, weights, 1.0)
    assert sums["wet"] == pytest.approx([3, 3]) and sums["joint"] == pytest.approx([2, 2])


def test_independent_cells_have_the_frequency_as_joint_exceedance():
    generator = np.random.default_rng(1)
    members, truth = generator.random((4, 50, 20, 20)), generator.random((50, 20, 20))
    found = wetness_scores(wetness_sums(members, truth, np.ones_like(truth), 0.8))
    assert found["joint"] == pytest.approx(0.2, abs=0.01) and found["joint_truth"] == pytest.approx(0.2, abs=0.02)


def test_an_event_that_never_comes_has_no_index():
    zero = np.zeros((1, 3, 3))
    assert np.isnan(list(wetness_scores(wetness_sums(zero[None], zero, np.ones_like(zero), 1.0)).values())).all()


def test_stations_have_an_intensity_and_no_neighbors():
    truth = np.array([[0.0, 2.0, 4.0]])
    found = wetness_scores(wetness_sums(truth[None], truth, np.ones_like(truth), 1.0))
    assert found["intensity"] == pytest.approx(3) and np.isnan(found["joint"])
