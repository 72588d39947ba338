"""The paired block bootstrap: known variances, known differences, and refusals."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import xarray as xr

from climdiff.errors import DataError
from climdiff.verification import significance
from climdiff.verification.scorecard import VariableScores


def scores_of(crps: np.ndarray, freq: str = "D") -> VariableScores:
    times = xr.date_range("2001-01-01", periods=len(crps), freq=freq, use_cftime=False)
    axis = xr.DataArray(times, dims="time", name="time")
    return VariableScores("K", {}, axis, crps, np.ones(len(crps)), np.ones(2) / 2, {}, None)


def width(difference: significance.Difference) -> float:
    return difference.high - difference.low


def test_a_constant_share_is_found_without_doubt():
    reference = np.random.default_rng(1).gamma(2.0, 1.0, 200)
    found = significance.bootstrap(0.8 * reference, reference, np.ones(200), length=5, seed=0)
    assert (found.percent, found.low, found.high) == pytest.approx((-20, -20, -20))
    assert found.is_better and found.n_blocks == 40


def test_interval_of_independent_times_is_that_of_the_normal_law():
    generator = np.random.default_rng(2)
    n = 2000
    score = 10 + generator.normal(size=n)
    found = significance.bootstrap(score, np.full(n, 10.0), np.ones(n), length=1, seed=3, n_draws=4000)
    assert width(found) == pytest.approx(100 * 2 * 1.96 * score.std() / 10 / np.sqrt(n), rel=0.06)
    assert found.percent == pytest.approx(100 * (score.mean() / 10 - 1))


def test_pairing_cancels_what_is_hard_for_both():
    generator = np.random.default_rng(4)
    hard = generator.gamma(0.5, 4.0, 400) + 1
    score, reference = hard * 0.95 + 0.01 * generator.normal(size=400), hard
    paired = significance.bootstrap(score, reference, np.ones(400), length=1, seed=5)
    unpaired = significance.bootstrap(generator.permutation(score), reference, np.ones(400), length=1, seed=5)
    assert paired.is_better and width(paired) < 0.1 * width(unpaired) and not unpaired.is_better


def test_blocks_see_the_memory_of_a_series():
    # the mean of an AR(1) series has (1 + r) / (1 - r) times the variance of independent values: 9 at r = 0.8
    generator = np.random.default_rng(6)
    noise, series = generator.normal(size=8000), np.zeros(8000)
    for i in range(1, 8000):
        series[i] = 0.8 * series[i - 1] + 0.6 * noise[i]
    single = significance.bootstrap(100 + series, np.full(8000, 100.0), np.ones(8000), length=1, seed=7)
    blocks = significance.bootstrap(100 + series, np.full(8000, 100.0), np.ones(8000), length=80, seed=7)
    assert width(blocks) / width(single) == pytest.approx(3, rel=0.15)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    generator = np.random.default_rng(8)
    covered = []
    for _ in range(200):
        reference = generator.gamma(2.0, 1.0, 80)
        score = 0.9 * reference + 0.2 * generator.normal(size=80)
        found = significance.bootstrap(score, reference, np.ones(80), length=1, seed=9, n_draws=300)
        covered.append(found.low <= -10 <= found.high)
    assert np.mean(covered) == pytest.approx(0.95, abs=0.05)


def test_the_same_seed_gives_the_same_interval():
    generator = np.random.default_rng(10)
    score, reference = generator.random((2, 60))
    first = significance.bootstrap(score, reference, np.ones(60), length=3, seed=1)
    assert first == significance.bootstrap(score, reference, np.ones(60), length=3, seed=1)
    assert first != significance.bootstrap(score, reference, np.ones(60), length=3, seed=2)


def test_times_without_weight_do_not_count():
    generator = np.random.default_rng(11)
    score, reference = generator.random((2, 50))
    weights = np.ones(50)
    weights[::7] = 0
    holed = np.where(weights > 0, score, np.nan)
    used = weights > 0
    expected = significance.bootstrap(score[used], reference[used], np.ones(used.sum()), length=2, seed=1)
    assert significance.bootstrap(holed, reference, weights, length=2, seed=1) == expected


def test_a_block_longer_than_the_series_leaves_no_doubt_to_measure():
    found = significance.bootstrap(np.array([1.0, 2.0]), np.array([2.0, 2.0]), np.ones(2), length=9, seed=0)
    assert found.n_blocks == 1 and width(found) == pytest.approx(0)


@pytest.mark.parametrize(("freq", "days", "expected"), [("D", 10, 10), ("6h", 3, 12), ("ME", 5, 1)])
def test_block_length_counts_times(freq: str, days: float, expected: int):
    assert significance.block_length(scores_of(np.zeros(30), freq).times, days) == expected


def test_block_length_of_a_model_calendar():
    times = xr.DataArray(xr.date_range("2001-01-01", periods=9, freq="12h", calendar="360_day", use_cftime=True))
    assert significance.block_length(times, 4) == 8


def test_score_cards_are_compared_in_blocks_of_days():
    generator = np.random.default_rng(12)
    score, reference = generator.random((2, 90))
    found = significance.compare(scores_of(score), scores_of(reference), block_days=9, seed=1)
    assert found == significance.bootstrap(score, reference, np.ones(90), length=9, seed=1)
    assert significance.compare(scores_of(score), scores_of(reference), block_days=None, seed=1).n_blocks == 90


def test_score_cards_of_other_times_or_cells_are_refused():
    score = scores_of(np.ones(9))
    with pytest.raises(DataError, match="CD-023 scores: scores of 9 and 8 times"):
        significance.compare(score, scores_of(np.ones(8)), block_days=1, seed=0)
    other = dataclasses.replace(score, weight=2 * np.ones(9))
    with pytest.raises(DataError, match="CD-021 scores: scores of other cells"):
        significance.compare(score, other, block_days=1, seed=0)


def test_a_perfect_reference_is_refused():
    with pytest.raises(DataError, match="CD-033 scores: the reference has a mean score of 0"):
        significance.bootstrap(np.ones(3), np.zeros(3), np.ones(3), length=1, seed=0)


def test_times_of_one_scene_are_drawn_together():
    """Ten copies of each of 40 values know no more than the 40: the interval is theirs, not that of 400 times."""
    generator = np.random.default_rng(4)
    forecast, reference = generator.gamma(2.0, 1.0, 40), generator.gamma(2.0, 1.2, 40)
    few = significance.compare(scores_of(forecast), scores_of(reference), block_days=None, seed=0)
    scenes = np.repeat(np.arange(40), 10)
    many = (scores_of(np.repeat(one, 10)) for one in (forecast, reference))
    found = significance.compare(*many, block_days=None, seed=0, scenes=scenes)
    assert (found.percent, found.low, found.high) == pytest.approx((few.percent, few.low, few.high))
    assert found.n_blocks == 40
