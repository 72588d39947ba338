"""Principal components: those of an exact decomposition, in any blocks."""

from __future__ import annotations

import numpy as np
import pytest

from climdiff.downscalers.components import principal_components


def rows(n_rows: int, n_features: int, rank: int, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    scales = 2.0 ** -np.arange(rank)
    return 3 + (generator.normal(size=(n_rows, rank)) * scales) @ generator.normal(size=(rank, n_features))


def test_components_are_those_of_a_singular_value_decomposition():
    data = rows(80, 6, 6, 1)
    found = principal_components(lambda: np.array_split(data, 7), most=10)
    exact = np.linalg.svd(data - data.mean(0), full_matrices=False)[2]
    np.testing.assert_allclose(np.abs((found.modes * exact.T).sum(axis=0)), 1, rtol=1e-9)
    scores = found.scores(data)
    np.testing.assert_allclose(np.cov(scores.T), np.diag(scores.var(axis=0, ddof=1)), atol=1e-9)


def test_directions_without_variance_are_left_out():
    data = rows(50, 12, 4, 2)
    found = principal_components(lambda: [data], most=12)
    assert found.modes.shape == (12, 4)
    np.testing.assert_allclose(found.scores(data) @ found.modes.T + found.mean, data, atol=1e-9)


def test_of_many_features_the_leading_components_are_found():
    data = rows(60, 300, 20, 3)
    found = principal_components(lambda: np.array_split(data, 4), most=8)
    exact = np.linalg.svd(data - data.mean(0), full_matrices=False)[1][:8] ** 2
    assert found.modes.shape == (300, 8)
    assert np.square(found.scores(data)).sum(axis=0)[:4] == pytest.approx(exact[:4], rel=1e-6)


def test_a_row_has_the_same_bits_beside_any_other():
    data = rows(40, 30, 30, 4)
    found = principal_components(lambda: [data], most=30)
    np.testing.assert_array_equal(found.scores(data[7:8])[0], found.scores(data)[7])
