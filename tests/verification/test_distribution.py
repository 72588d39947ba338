"""Quantiles from histograms: their promised error on values of any size and sign, zeros, weights and few cells."""

from __future__ import annotations

import numpy as np
import pytest

from climdiff.verification import distribution
from climdiff.verification.distribution import PERCENTS, RELATIVE_ERROR, distribution_scores, distribution_sums


def scores_of(members: np.ndarray, truth: np.ndarray, weights: np.ndarray | None = None) -> dict[str, float]:
    return distribution_scores(distribution_sums(members, truth, np.ones(truth.shape) if weights is None else weights))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("shift", "scale"), [(0, 1), (0, 1e-8), (290, 5), (1e5, 1e3), (-3, 1e-3), (0, 1e5)])
def test_quantiles_are_within_the_promised_error(shift: float, scale: float, dtype: type):
    generator = np.random.default_rng(1)  # no share of 20 011 cells is a whole number, where rounding would decide
    members = (shift + scale * generator.normal(size=(3, 20_011))).astype(dtype)
    truth = (shift + scale * generator.gamma(0.5, 1.0, 20_011)).astype(dtype)
    found = scores_of(members, truth)
    for percent in PERCENTS:
        for end, values in (("", members), ("_truth", truth)):
            exact = np.quantile(values.astype(float), percent / 100, method="inverted_cdf")
            assert found[f"p{percent:g}{end}"] == pytest.approx(exact, rel=1.001 * RELATIVE_ERROR)


def test_zero_rain_is_zero():
    rain = np.maximum(np.random.default_rng(2).gamma(0.3, 2.0, (2, 5000)) - 1.0, 0)
    found = scores_of(rain[1:], rain[0])
    assert found["p50"] == found["p50_truth"] == 0 < found["p90_truth"]
    assert scores_of(np.zeros((2, 4000)), np.full(4000, -0.0))["p99.9"] == 0


def test_a_cell_counts_by_its_weight():
    truth, weights = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 1.0, 1.0, 5.0])
    assert scores_of(truth[None], truth, weights)["p50_truth"] == pytest.approx(4, rel=RELATIVE_ERROR)
    weights[3] = 0
    assert scores_of(truth[None], truth, weights)["p50"] == pytest.approx(2, rel=RELATIVE_ERROR)


def test_a_quantile_needs_a_cell_beyond_it():
    found = scores_of(np.ones((4, 100)), np.ones(100))
    assert found["p99"] == pytest.approx(1, rel=RELATIVE_ERROR) and found["p99_truth"] == found["p99"]
    assert np.isnan(found["p99.9"]) and np.isnan(found["p99.9_truth"])


def test_values_beyond_all_bins_are_put_into_the_outermost():
    values = np.array([-1e30, -1e-30, 0.0, 1e-30, 1e30])
    sums = distribution_sums(values[None], values, np.ones(5))
    assert np.flatnonzero(sums["truth"]).tolist() == [0, len(sums["truth"]) // 2, len(sums["truth"]) - 1]
    assert sums["truth"].sum() == 5


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_quantile_beyond_all_bins_is_not_told(sign: int):
    values = sign * np.array([1.0, 3e7, 3e7])
    found = scores_of(np.tile(values, (2, 1)), values)
    assert np.isnan(found["p50"]) and np.isnan(found["p50_truth"])
    values[1:] = sign * 1.6e7
    found = scores_of(np.tile(values, (2, 1)), values)
    assert found["p50"] == found["p50_truth"] == pytest.approx(sign * 1.6e7, rel=RELATIVE_ERROR)


def test_bins_rise_with_the_value():
    values = np.sort(
        np.random.default_rng(3).normal(size=1000) * 10.0 ** np.random.default_rng(4).integers(-10, 6, 1000)
    )
    assert (np.diff(distribution._bins(values)) >= 0).all()
