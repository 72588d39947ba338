"""Correlation from sums: against scipy, in two spans, of constants and of few values."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import pearsonr

from climdiff.verification.correlation import correlation_sums, correlations, mean_over_cells


def series(seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    first = generator.normal(size=(3, 40, 2))
    return first, first + generator.normal(size=first.shape), generator.random((40, 2)) < 0.8


def test_it_is_that_of_scipy_over_the_values_present():
    first, second, present = series()
    found = correlations(correlation_sums(first, second, present))
    for s in range(3):
        for cell in range(2):
            chosen = present[:, cell]
            expected = pearsonr(first[s, chosen, cell], second[s, chosen, cell]).statistic
            assert found[s, cell] == pytest.approx(expected, rel=1e-12)


def test_sums_of_two_spans_add_up():
    first, second, present = series()
    whole = correlation_sums(first, second, present)
    parts = [correlation_sums(first[:, s], second[:, s], present[s]) for s in (slice(7), slice(7, None))]
    for name, value in whole.items():
        np.testing.assert_allclose(parts[0][name] + parts[1][name], value, rtol=1e-12, atol=1e-12)


def test_a_constant_or_a_short_series_has_no_correlation():
    first, second, present = series()
    first[0] = 3.3
    assert np.isnan(correlations(correlation_sums(first, second, present))[0]).all()
    assert np.isnan(correlations(correlation_sums(first[:, :9], second[:, :9], present[:9]))).all()


def test_members_and_truth_are_averaged_over_what_both_know():
    values = np.array([[1.0, np.nan, 9.0], [3.0, 5.0, 9.0], [2.0, 4.0, np.nan]])
    members, truth = mean_over_cells(values, np.array([1.0, 2.0, 7.0]))
    assert members == pytest.approx((1 + 3 + 2 * 5) / 4)
    assert truth == pytest.approx((2 + 2 + 2 * 4) / 4)
    assert np.isnan(mean_over_cells(values[:, 2:], np.ones(1))).all()


def test_members_like_the_truth_get_its_mean_whatever_cells_are_constant():
    truth = np.array([0.9, 0.1, 0.4])
    members = np.stack([truth, truth, truth])
    members[:, 1] = members[0, 2] = np.nan
    found = mean_over_cells(np.concatenate([members, truth[None]]), np.array([1.0, 2.0, 3.0]))
    assert found[0] == pytest.approx(found[1])
