"""Intervals of differences: closed forms, how often they are wrong, how often they find what is there, refusals."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import xarray as xr
from scipy import stats
from scipy.signal import lfilter
from scores.stats.statistical_tests import diebold_mariano

from climdiff.errors import DataError
from climdiff.verification.memory import memory
from climdiff.verification.scorecard import VariableScores
from climdiff.verification.significance import MIN_INDEPENDENT, Difference, Paired, compare, paired


def scores_of(crps: np.ndarray, weight: np.ndarray | None = None, **by_time: np.ndarray) -> VariableScores:
    times = xr.date_range("2001-01-01", periods=len(crps), use_cftime=False)
    axis = xr.DataArray(times, dims="time", name="time")
    weight = np.ones(len(crps)) if weight is None else weight
    return VariableScores("K", {}, axis, crps, weight, np.ones(2) / 2, {}, None, by_time=by_time)


def one(forecast: np.ndarray, reference: np.ndarray, seed: int = 0, power: float = 1.0) -> Difference:
    return compare({"it": Paired(forecast, reference, np.ones(len(forecast)), power)}, seed=seed)["it"]


def half_width(found: Difference) -> float:
    return (found.high - found.low) / 2


def autoregressive(generator: np.random.Generator, n: int, r: float) -> np.ndarray:
    return lfilter([np.sqrt(1 - r**2)], [1, -r], generator.normal(size=n + 200))[200:]


def daily_scores(generator: np.random.Generator, n: int, n_methods: int, noise: float, memory=(0.7, 0.5)):
    """Return scores of equally good methods, (method, n): like those of rain over Iberia, where a hard day is hard for
    all, as were the two before it (lag-1 correlation 0.7, coefficient of variation 0.95), and methods differ by a
    share with tails of Student's t with 3 degrees of freedom and a memory of its own."""
    hard = np.exp(0.8 * autoregressive(generator, n, memory[0]))
    shares = [
        stats.t.ppf(stats.norm.cdf(autoregressive(generator, n, memory[1])), 3) / np.sqrt(3) for _ in range(n_methods)
    ]
    return hard * np.maximum(1 + noise * np.stack(shares), 0.02)


def against_all(scores: np.ndarray, seed: int) -> list[Difference]:
    series = {name: Paired(scores[0], other, np.ones(len(other))) for name, other in enumerate(scores[1:])}
    return list(compare(series, seed=seed, n_draws=599).values())


def test_a_constant_share_is_found_without_doubt():
    reference = np.random.default_rng(1).gamma(2.0, 1.0, 200)
    found = one(0.8 * reference, reference)
    assert (found.percent, found.low, found.high) == pytest.approx((-20, -20, -20))
    assert found.is_better and not found.is_worse


def test_a_forecast_is_not_different_from_itself():
    reference = np.random.default_rng(1).gamma(2.0, 1.0, 200)
    found = one(reference, reference)
    assert (found.percent, found.low, found.high) == pytest.approx((0, 0, 0))
    assert not found.is_better and not found.is_worse


def test_interval_of_independent_times_is_that_of_the_normal_law():
    n = 4000
    score = 10 + np.random.default_rng(2).normal(size=n)
    found = one(score, np.full(n, 10.0))
    assert found.percent == pytest.approx(100 * (score.mean() / 10 - 1))
    assert half_width(found) == pytest.approx(100 * 1.96 * score.std() / 10 / np.sqrt(n), rel=0.1)


def test_interval_agrees_with_the_test_of_diebold_and_mariano():
    # an average of 4 neighbors is what h = 4 assumes: no autocovariance from lag 4 on
    generator = np.random.default_rng(3)
    difference = 0.05 + np.convolve(generator.normal(size=2003), np.full(4, 0.5), "valid")
    series = xr.DataArray(difference[None], dims=("pair", "time"), coords={"h": ("pair", [4])})
    theirs = diebold_mariano(series, "pair", "h", method="HLN", confidence_level=0.95)
    found = one(10 + difference, np.full(2000, 10.0))
    assert found.percent / 10 == pytest.approx(float(theirs["mean"][0]))
    width = float(theirs["ci_upper"][0] - theirs["ci_lower"][0])
    assert 2 * half_width(found) / 10 == pytest.approx(width, rel=0.15)


def test_blocks_see_the_memory_of_a_series():
    # the mean of an AR(1) series has (1 + r) / (1 - r) times the variance of independent values: 9 at r = 0.8
    series = autoregressive(np.random.default_rng(6), 8000, 0.8)
    shuffled = np.random.default_rng(7).permutation(series)
    ratio = half_width(one(100 + series, np.full(8000, 100.0))) / half_width(one(100 + shuffled, np.full(8000, 100.0)))
    assert ratio == pytest.approx(3, rel=0.15)


@pytest.mark.parametrize("power", [1.0, 0.5])
def test_the_standard_error_is_that_of_the_mean_of_n_times(power: float):
    """Averages of 6 neighbors: 37 times are more places in whole blocks, but still 37 times."""
    series = np.convolve(np.random.default_rng(0).normal(size=42), np.ones(6), "valid")
    found = one(100 + series, np.full(37, 100.0), power=power)
    anomaly = series - series.mean()
    block = found.block
    assert 37 % block
    sums = np.convolve(np.concatenate([anomaly, anomaly[: block - 1]]), np.ones(block), "valid")
    long_run = max((sums**2).mean() / block, memory(anomaly).variance)
    assert found.error == pytest.approx(power * np.sqrt(long_run / 37) * (1 + series.mean() / 100) ** (power - 1))


def test_a_standard_error_is_no_wider_for_few_times_as_the_interval_is():
    generator = np.random.default_rng(1)
    few = one(10 + generator.normal(size=16), np.full(16, 10.0))
    assert (few.high - few.low) / (2 * 1.96) > 1.1 * few.error > 0


def test_pairing_cancels_what_is_hard_for_both():
    generator = np.random.default_rng(4)
    hard = generator.gamma(0.5, 4.0, 400) + 1
    score = hard * 0.95 + 0.01 * generator.normal(size=400)
    together, apart = one(score, hard), one(generator.permutation(score), hard)
    assert together.is_better and not apart.is_better
    assert half_width(together) < 0.1 * half_width(apart)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "n_baselines"), [(92, 4), (92, 1), (40, 3)])
def test_equal_methods_show_no_difference_in_93_percent_of_200_repeats(n: int, n_baselines: int):
    generator = np.random.default_rng(20)
    found = [against_all(daily_scores(generator, n, n_baselines + 1, noise=0.05), seed) for seed in range(200)]
    wrong = [any(each.is_better or each.is_worse for each in family) for family in found]
    assert np.mean(wrong) <= 0.07


@pytest.mark.slow
def test_few_scenes_of_separate_events_show_no_difference_between_equal_methods():
    generator = np.random.default_rng(21)
    found = [against_all(daily_scores(generator, 16, 4, noise=0.1, memory=(0, 0)), seed) for seed in range(200)]
    assert np.mean([any(each.is_better or each.is_worse for each in family) for family in found]) <= 0.07
    assert np.mean([family[0].is_told for family in found]) > 0.5


@pytest.mark.slow
@pytest.mark.parametrize("alike", [0.1, 0.8])
def test_patches_of_few_scenes_show_no_difference_between_equal_methods(alike: float):
    """16 scenes of 24 patches; `alike` is the share of a scene in what makes methods differ."""
    generator, wrong = np.random.default_rng(23), []
    scene = np.repeat(np.arange(16), 24)
    for seed in range(200):
        hard = np.exp(generator.normal(size=16)[scene] + 0.7 * generator.normal(size=384))
        of_scene, of_patch = generator.standard_t(4, size=(4, 16))[:, scene], generator.standard_t(4, size=(4, 384))
        scores = hard * np.exp(0.1 * (np.sqrt(alike) * of_scene + np.sqrt(1 - alike) * of_patch))
        wrong.append(any(each.is_better or each.is_worse for each in against_all(scores, seed)))
    assert np.mean(wrong) <= 0.07


@pytest.mark.slow
def test_a_model_5_percent_better_than_all_of_four_baselines_is_mostly_found():
    generator = np.random.default_rng(22)
    n_found = 0
    for seed in range(100):
        scores = daily_scores(generator, 180, 5, noise=0.05)
        scores[0] *= 0.95
        n_found += against_all(scores, seed)[0].is_better
    assert n_found > 70


def test_intervals_of_many_comparisons_are_wider_as_the_normal_law_says():
    # the largest of 10 independent |normal| values is below 2.80 in 95 % of cases, a single one below 1.96
    generator = np.random.default_rng(23)
    series = {i: Paired(10 + generator.normal(size=3000), np.full(3000, 10.0), np.ones(3000)) for i in range(10)}
    width = {0.95: 2.80, 0.5: 1.83}
    for level, quantile in width.items():
        found = compare(series, seed=0, level=level)[0]
        alone = compare({0: series[0]}, seed=0)[0]
        assert half_width(found) / half_width(alone) == pytest.approx(quantile / 1.96, rel=0.06)


def test_copies_of_one_comparison_widen_nothing():
    generator = np.random.default_rng(24)
    pair = Paired(10 + generator.normal(size=300), np.full(300, 10.0), np.ones(300))
    found = compare(dict.fromkeys(range(9), pair), seed=0)
    assert half_width(found[3]) == pytest.approx(half_width(compare({0: pair}, seed=0)[0]))


def test_too_few_times_tell_nothing():
    slow = np.cumsum(np.random.default_rng(3).normal(size=30))
    found = one(20 + slow, np.full(30, 20.0))
    assert found.n_independent < MIN_INDEPENDENT
    assert not (found.is_told or found.is_better or found.is_worse)
    assert found.to_json()["low"] is None
    assert found.to_json()["verdict"] == "too few times"


def test_one_time_is_too_few():
    assert not one(np.array([1.0]), np.array([2.0])).is_told


@pytest.mark.parametrize("n_events", [1, 3, 9])
def test_a_score_of_few_events_tells_nothing_and_leaves_another_as_it_is(n_events: int):
    """356 days, and a Brier score that is next to 0 on all of them but the few with the event."""
    generator = np.random.default_rng(25)
    score, reference = generator.gamma(2.0, 1.0, (2, 356))
    rare = 1e-7 * generator.random((2, 356))
    rare[:, :: 356 // n_events][:, :n_events] = [[0.2], [0.3]] * generator.uniform(0.9, 1.1, n_events)
    ones = np.ones(356)
    found = compare({"crps": Paired(score, reference, ones), "brier": Paired(*rare, ones)}, seed=0)
    alone = one(score, reference)
    assert (found["crps"].low, found["crps"].high) == pytest.approx((alone.low, alone.high))
    assert found["brier"].n_independent == n_events
    assert not (found["brier"].is_told or found["brier"].is_better or found["brier"].is_worse)


def test_a_perfect_forecast_of_many_times_is_better_for_sure():
    found = one(np.zeros(90), np.random.default_rng(1).gamma(2.0, 1.0, 90))
    assert found.is_better and found.percent == -100


def test_the_same_seed_gives_the_same_interval():
    score, reference = np.random.default_rng(10).random((2, 60))
    assert one(score, reference, 1) == one(score, reference, 1)
    assert one(score, reference, 1) != one(score, reference, 2)


def test_units_do_not_matter():
    score, reference = np.random.default_rng(10).random((2, 60))
    assert half_width(one(1e-6 * score, 1e-6 * reference)) == pytest.approx(half_width(one(score, reference)))


def test_a_ratio_of_mean_squares_is_quoted_as_that_of_their_roots():
    score, reference = np.random.default_rng(12).gamma(2.0, 1.0, (2, 90))
    squares, roots = one(score, reference), one(score, reference, power=0.5)
    for square, root in ((squares.percent, roots.percent), (squares.low, roots.low), (squares.high, roots.high)):
        assert 1 + root / 100 == pytest.approx(np.sqrt(1 + square / 100))


def test_times_without_weight_do_not_count():
    score, reference = np.random.default_rng(11).random((2, 50))
    weight = np.ones(50)
    weight[::7] = 0
    holed = np.where(weight > 0, score, np.nan)
    found = compare({"it": Paired(holed, reference, weight)}, seed=0)["it"]
    assert found.n == 42 and found.is_told
    alone = one(score[weight > 0], reference[weight > 0])
    assert (found.low, found.high, found.n_independent) == pytest.approx((alone.low, alone.high, alone.n_independent))


def test_a_variable_known_at_three_times_is_not_told_and_leaves_another_as_it_is():
    score, reference = np.random.default_rng(11).random((2, 92))
    weight = np.zeros(92)
    weight[[3, 40, 80]] = 1
    whole, holed = Paired(score, reference, np.ones(92)), Paired(reference, score, weight)
    found = compare({"pr": whole, "tas": holed}, seed=0)
    alone = one(score, reference)
    assert (found["pr"].low, found["pr"].high, found["pr"].n) == pytest.approx((alone.low, alone.high, 92))
    assert (found["tas"].n, found["tas"].is_told) == (3, False)
    assert found["tas"].n_independent <= 3


def test_nothing_to_compare_gives_nothing():
    assert compare({}, seed=0) == {}


def test_score_cards_are_paired_by_score():
    score, reference = np.random.default_rng(12).random((2, 90))
    cards = scores_of(score, rmse=score**2), scores_of(reference, rmse=reference**2)
    pair = paired(*cards, "crps_fair")
    np.testing.assert_array_equal([pair.forecast, pair.reference], [score, reference])
    assert pair.power == 1
    turned = paired(*cards, "crps_fair", np.arange(90)[::-1])
    np.testing.assert_array_equal([turned.forecast, turned.reference], [score[::-1], reference[::-1]])
    pair = paired(*cards, "rmse")
    assert pair.power == 0.5
    np.testing.assert_array_equal(pair.forecast, score**2)


def test_score_cards_of_other_times_or_cells_are_refused():
    score = scores_of(np.ones(9))
    with pytest.raises(DataError, match="CD-023 scores: scores of 9 and 8 times"):
        paired(score, scores_of(np.ones(8)), "crps_fair")
    with pytest.raises(DataError, match="CD-021 scores: scores of other cells"):
        paired(score, dataclasses.replace(score, weight=2 * np.ones(9)), "crps_fair")


def test_a_reference_without_error_has_no_percentage_and_leaves_another_as_it_is():
    score, reference = np.random.default_rng(13).random((2, 90))
    even, perfect = (Paired(score, other, np.ones(90)) for other in (reference, np.zeros(90)))
    found = compare({"even": even, "perfect": perfect}, seed=0)
    assert found["even"] == one(score, reference)
    nothing = found["perfect"]
    assert not (nothing.is_defined or nothing.is_told or nothing.is_better or nothing.is_worse)
    row = nothing.to_json()
    untold = ("difference_percent", "low", "high", "n_independent", "block", "n_blocks")
    assert [row[name] for name in untold] == [None] * 6
    assert nothing.means == pytest.approx((score.mean(), 0.0))
    squared = Paired(score, np.zeros(90), np.arange(90.0), power=0.5)
    assert compare({0: squared}, seed=0)[0].means[0] == pytest.approx(np.average(score, weights=np.arange(90)) ** 0.5)
    assert np.isnan(compare({0: Paired(score, score, np.zeros(90))}, seed=0)[0].means).all()
    assert (row["verdict"], row["n"]) == ("reference without error", 90)
