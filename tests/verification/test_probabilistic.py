"""Probabilistic scores: closed forms, properties, and two independent implementations."""

from __future__ import annotations

import time
import tracemalloc

import numpy as np
import pytest
import scoringrules
import xarray as xr
from scipy.special import erf
from scores.probability import crps_for_ensemble

from climdiff.verification import probabilistic


def rain(shape: tuple[int, ...], seed: int, dtype: type = np.float64) -> np.ndarray:
    """Draw skewed values with many exact zeros."""
    values = np.random.default_rng(seed).gamma(0.4, 3.0, shape) - 0.5
    return np.maximum(values, 0).astype(dtype)


def test_fair_crps_of_two_members_by_hand():
    # mean |x - y| = (1 + 2) / 2; half the mean difference of two different members = 3 / 2
    assert probabilistic.crps_fair(np.array([[1.0], [4.0]]), np.array([2.0])) == pytest.approx([0.0])
    assert probabilistic.crps_fair(np.array([[1.0], [4.0]]), np.array([6.0])) == pytest.approx([3.5 - 1.5])


def test_fair_crps_of_one_member_is_the_absolute_error():
    assert probabilistic.crps_fair(np.array([[1.0, 5.0]]), np.array([2.5, 1.0])) == pytest.approx([1.5, 4.0])


@pytest.mark.parametrize("n_members", [2, 5, 50])
def test_expected_fair_crps_of_normal_members_is_the_closed_form_at_any_ensemble_size(n_members: int):
    # Gneiting, Raftery, Westveld & Goldman (2005), eq. 5, also in Gneiting & Raftery (2007), sect. 4.2
    generator = np.random.default_rng(1)
    n, mu, sigma, y = 400_000 // n_members, 1.0, 2.0, 2.5
    z = (y - mu) / sigma
    closed = sigma * (z * erf(z / np.sqrt(2)) + 2 * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) - 1 / np.sqrt(np.pi))
    scores = probabilistic.crps_fair(generator.normal(mu, sigma, (n_members, n)), np.full(n, y))
    assert scores.mean() == pytest.approx(closed, abs=4 * scores.std() / np.sqrt(n))


@pytest.mark.parametrize("n_members", [2, 3, 16, 50])
def test_fair_crps_agrees_with_scores_and_scoringrules(n_members: int):
    members, truth = rain((n_members, 7, 300), 2), rain((7, 300), 3)
    ours = probabilistic.crps_fair(members, truth)
    theirs = crps_for_ensemble(
        xr.DataArray(members, dims=("member", "time", "cell")),
        xr.DataArray(truth, dims=("time", "cell")),
        "member",
        method="fair",
        preserve_dims=["time", "cell"],
    )
    np.testing.assert_allclose(ours, theirs, atol=1e-12)
    for estimator in ("fair", "pwm"):  # both of scoringrules' unbiased estimators
        other = scoringrules.crps_ensemble(truth, np.moveaxis(members, 0, -1), estimator=estimator)
        np.testing.assert_allclose(ours, other, atol=1e-6)


def test_fair_crps_of_float32_kelvin_keeps_six_digits():
    generator = np.random.default_rng(4)
    members = (300 + generator.normal(size=(20, 5000))).astype(np.float32)
    truth = (300 + generator.normal(size=5000)).astype(np.float32)
    exact = probabilistic.crps_fair(members.astype(np.float64), truth.astype(np.float64))
    np.testing.assert_allclose(probabilistic.crps_fair(members, truth), exact, atol=1e-6)


def test_fair_crps_does_not_depend_on_layout_or_on_other_cells():
    members, truth = rain((9, 4, 30, 50), 5, np.float32), rain((4, 30, 50), 6, np.float32)
    whole = probabilistic.crps_fair(members, truth)
    layout = np.moveaxis(np.ascontiguousarray(np.moveaxis(members, 0, -1)), -1, 0)
    np.testing.assert_allclose(probabilistic.crps_fair(layout, truth), whole, atol=1e-14)
    np.testing.assert_allclose(probabilistic.crps_fair(members[:, 1:3], truth[1:3]), whole[1:3], atol=1e-14)


def test_fair_crps_of_a_missing_truth_is_missing():
    assert np.isnan(probabilistic.crps_fair(np.zeros((3, 1)), np.array([np.nan]))).all()


def test_fair_crps_takes_a_quarter_of_the_input_as_extra_memory():
    members, truth = rain((50, 40_000), 7, np.float32), rain((40_000,), 8, np.float32)
    tracemalloc.start()
    probabilistic.crps_fair(members, truth)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak <= 0.25 * members.nbytes


def test_fair_crps_takes_little_more_time_than_sorting():
    members, truth = rain((50, 20_000), 9, np.float32), rain((20_000,), 10, np.float32)

    def seconds(function, *arguments: object) -> float:
        best = np.inf
        for _ in range(5):
            start = time.thread_time()
            function(*arguments)
            best = min(best, time.thread_time() - start)
        return best

    # 1.0 measured; the bound of 1.5 is left some room for a busy machine
    assert seconds(probabilistic.crps_fair, members, truth) <= 2.0 * seconds(lambda m: np.sort(m, axis=0), members)


def test_rank_histogram_of_exchangeable_members_is_uniform():
    values = np.random.default_rng(11).normal(size=(10, 100_000))
    table = probabilistic.rank_table(values[1:], values[0], np.ones(100_000))
    histogram = probabilistic.rank_histogram(table)
    assert histogram == pytest.approx(0.1, abs=4 * np.sqrt(0.1 * 0.9 / 100_000))
    assert histogram.sum() == pytest.approx(1)


def test_rank_histogram_of_exchangeable_members_with_ties_is_uniform():
    values = np.maximum(np.random.default_rng(12).normal(size=(10, 100_000)), 0)
    table = probabilistic.rank_table(values[1:], values[0], np.ones(100_000))
    assert probabilistic.rank_histogram(table) == pytest.approx(0.1, abs=0.005)


def test_rank_histogram_splits_ties_and_weights_cells_by_hand():
    members = np.array([[0.0, 1.0], [0.0, 2.0], [3.0, 3.0]])
    table = probabilistic.rank_table(members, np.array([0.0, 4.0]), np.array([1.0, 3.0]))
    # first cell: tied with two members, ranks 0, 1, 2; second cell: above all
    assert probabilistic.rank_histogram(table) == pytest.approx([1 / 12, 1 / 12, 1 / 12, 3 / 4])


def test_brier_scores_and_reliability_by_hand():
    members = np.array([[0.0, 2.0, 1.0], [0.0, 0.0, 1.0]])
    truth = np.array([0.0, 1.0, 0.5])
    table = probabilistic.event_table(members, truth, np.array([1.0, 1.0, 2.0]), 1.0)
    # probabilities 0, 1/2, 1; seen: no, yes, no; weights 1, 1, 2
    assert probabilistic.brier(table) == pytest.approx((0 + 0.25 + 2 * 1) / 4)
    assert probabilistic.brier_fair(table) == pytest.approx((0 + 0.25 - 0.25 + 2) / 4)
    assert probabilistic.wet_fractions(table) == pytest.approx(((0.5 + 2) / 4, 1 / 4))
    found = probabilistic.reliability(table)
    assert found.probability == pytest.approx([0, 0.5, 1])
    assert found.weight == pytest.approx([0.25, 0.25, 0.5])
    assert found.frequency == pytest.approx([0, 1, 0])


def test_reliability_of_a_probability_never_forecast_is_missing():
    table = probabilistic.event_table(np.zeros((2, 3)), np.zeros(3), np.ones(3), 1.0)
    assert np.isnan(probabilistic.reliability(table).frequency[1:]).all()


def test_fair_brier_score_integrated_over_thresholds_is_the_fair_crps():
    members, truth = rain((6, 200), 13), rain((200,), 14)
    edges = np.linspace(0, 60, 24_001)
    middles = (edges[1:] + edges[:-1]) / 2
    k = (members[:, :, None] >= middles).sum(axis=0)[:20]
    seen = truth[:20, None] >= middles
    by_hand = ((k / 6 - seen) ** 2 - k * (6 - k) / (36 * 5)).sum() * (edges[1] - edges[0])
    tables = (probabilistic.event_table(members[:, :20], truth[:20], np.ones(20), t) for t in middles[::400])
    assert probabilistic.crps_fair(members[:, :20], truth[:20]).sum() == pytest.approx(by_hand, rel=1e-3)
    fair = [probabilistic.brier_fair(table) for table in tables]
    np.testing.assert_allclose(fair, ((k / 6 - seen) ** 2 - k * (6 - k) / (36 * 5)).mean(axis=0)[::400])


@pytest.mark.parametrize("n_members", [1, 2, 16])
def test_threshold_weighted_crps_agrees_with_scoringrules(n_members: int):
    members, truth = rain((n_members, 7, 300), 20), rain((7, 300), 21)
    thresholds = (-1.0, 0.0, 1.0, 7.5, 1e6)
    error, spread = probabilistic.crps_terms(members, truth, thresholds)
    for i, threshold in enumerate(thresholds, start=1):
        cut = np.maximum(members, threshold), np.maximum(truth, threshold)
        if n_members > 1:
            theirs = scoringrules.twcrps_ensemble(truth, members, a=threshold, m_axis=0, estimator="pwm")
        else:
            theirs = np.abs(cut[0][0] - cut[1])
        np.testing.assert_allclose(error[i] - spread[i], theirs, atol=1e-10)
        np.testing.assert_allclose(error[i] - spread[i], probabilistic.crps_fair(*cut), atol=1e-12)


def test_threshold_weighted_crps_is_the_brier_score_integrated_from_the_threshold_on():
    members, truth = rain((6, 50), 22), rain((50,), 23)
    edges = np.linspace(2, 60, 29_001)
    middles = (edges[1:] + edges[:-1]) / 2
    k, seen = (members[:, :, None] >= middles).sum(axis=0), truth[:, None] >= middles
    by_hand = ((k / 6 - seen) ** 2 - k * (6 - k) / (36 * 5)).sum() * (edges[1] - edges[0])
    error, spread = probabilistic.crps_terms(members, truth, (2.0,))
    assert (error[1] - spread[1]).sum() == pytest.approx(by_hand, rel=1e-3)


def test_a_missing_truth_has_no_threshold_weighted_crps():
    error, spread = probabilistic.crps_terms(np.zeros((3, 2)), np.array([np.nan, 0.0]), (1.0,))
    assert np.isnan(error[1, 0]) and error[1, 1] == 0 and spread[1, 1] == 0


def test_ecdf_crps_agrees_with_scores():
    members, truth = rain((9, 300), 24), rain((300,), 25)
    sums = probabilistic.crps_sums(*probabilistic.crps_terms(members, truth), np.ones(300))
    both = xr.DataArray(members, dims=("member", "cell")), xr.DataArray(truth, dims="cell")
    found = probabilistic.crps_scores(sums, 9, ())
    for method in ("ecdf", "fair"):
        assert found[f"crps_{method}"] == pytest.approx(float(crps_for_ensemble(*both, "member", method=method)))


def test_one_member_has_the_same_ecdf_and_fair_crps():
    sums = probabilistic.crps_sums(*probabilistic.crps_terms(rain((1, 30), 26), rain((30,), 27)), np.ones(30))
    found = probabilistic.crps_scores(sums, 1, ())
    assert found["crps_ecdf"] == found["crps_fair"]
