"""Error by spread: by hand, for members that know their error, for members that do not, and at the edges."""

from __future__ import annotations

import numpy as np
import pytest

from climdiff.verification import fields, spread


def found_of(members: np.ndarray, truth: np.ndarray, weights: np.ndarray | None = None) -> spread.SpreadSkill:
    weights = np.ones(truth.shape) if weights is None else weights
    return spread.spread_skill(spread.spread_sums(*fields.moments(members), truth, weights), len(members))


def test_two_bins_by_hand():
    members = np.array([[1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 8.0, 8.0]])
    found = found_of(members, np.array([1.0, 2.0, 4.0, 7.0]), np.array([1.0, 1.0, 1.0, 3.0]))
    # no spread: errors 0 and 1; variance 32, factor 3/2: errors 0 and 3 at weights 1 and 3
    assert found.spread == pytest.approx([0, np.sqrt(1.5 * 32)])
    assert found.error == pytest.approx([np.sqrt(1 / 2), np.sqrt(27 / 4)])
    assert found.weight == pytest.approx([2 / 6, 4 / 6])
    expected = (2 * np.sqrt(1 / 2) + 4 * (np.sqrt(48) - np.sqrt(27 / 4))) / 6
    assert found.reliability == pytest.approx(expected)


def test_exchangeable_members_of_many_spreads_are_on_the_diagonal():
    generator = np.random.default_rng(1)
    values = np.exp(generator.normal(0, 1.5, 200_000)) * generator.normal(size=(21, 200_000))
    found = found_of(values[1:], values[0])
    assert len(found.spread) == 10 and (np.diff(found.spread) > 0).all()
    # sorted by their spread the spread that was drawn large by chance comes last: 20 members leave a few percent
    np.testing.assert_allclose(found.error[1:-1] / found.spread[1:-1], 1, atol=0.15)


def test_reliability_of_a_calibrated_ensemble_falls_with_the_number_of_members():
    """What is left is chance in the spread: ensembles of other sizes are not to be compared."""
    generator = np.random.default_rng(3)
    size = np.exp(0.5 * generator.normal(size=40_000))
    truth = size * generator.normal(size=40_000)
    left = [found_of(size * generator.normal(size=(n, 40_000)), truth).reliability for n in (4, 8, 16)]
    assert left[0] > 1.5 * left[1] > 1.5**2 * left[2] > 0


def test_spread_that_does_not_know_the_error_is_found_out_though_its_mean_is_right():
    generator = np.random.default_rng(2)
    size = np.where(generator.random(50_000) < 0.5, 0.2, 2.0)
    truth = size * generator.normal(size=50_000)
    own = size * generator.normal(size=(20, 50_000))
    other = generator.permutation(size) * generator.normal(size=(20, 50_000))
    assert found_of(other, truth).reliability > 4 * found_of(own, truth).reliability


def test_values_of_any_size_find_a_bin():
    members = np.array([[0.0, 0.0, 0.0], [1e-30, 1.0, 1e30]])
    found = found_of(members, np.zeros(3))
    assert found.weight.sum() == pytest.approx(1) and np.isfinite(found.spread).all()


def test_members_without_any_spread_are_one_bin():
    found = found_of(np.ones((3, 5)), np.zeros(5))
    assert (found.spread, found.error, found.weight) == (pytest.approx([0]), pytest.approx([1]), pytest.approx([1]))
