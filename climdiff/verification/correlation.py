"""Correlation of two series, cell by cell, as additive sums."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

LEAST = 10
"""Pairs of values below which a cell has no correlation."""

LEAST_VARIANCE = 1e-9
"""Variance, as a share of the mean square, below which a series counts as constant: sums cannot tell it from 0."""


def correlation_sums(first: np.ndarray, second: np.ndarray, present: np.ndarray) -> dict[str, np.ndarray]:
    """Return the sums over time that `correlations` needs; those of two spans add up.

    Take a constant near the mean off both before: sums of squares of 290 K lose five digits.

    Args:
        first: (series, time, ...).
        second: The same.
        present: (time, ...) bool, pairs that count.
    """
    is_whole = bool(present.all())
    a, b = (values if is_whole else np.where(present, values, 0.0) for values in (first, second))
    return {
        "n": present.sum(axis=0).astype(np.float64),
        "a": a.sum(axis=1),
        "b": b.sum(axis=1),
        "aa": np.einsum("st...,st...->s...", a, a),
        "bb": np.einsum("st...,st...->s...", b, b),
        "ab": np.einsum("st...,st...->s...", a, b),
    }


def correlations(sums: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return Pearson's correlation over time, (series, ...); NaN where a series is constant or of few values."""
    n = np.maximum(sums["n"], 1)
    variances = [sums[2 * name] - np.square(sums[name]) / n for name in ("a", "b")]
    covariance = sums["ab"] - sums["a"] * sums["b"] / n
    varies = (variances[0] > LEAST_VARIANCE * sums["aa"]) & (variances[1] > LEAST_VARIANCE * sums["bb"])
    scale = np.sqrt(np.maximum(variances[0] * variances[1], 0))
    known = varies & (sums["n"] >= LEAST) & (scale > 0)
    return np.divide(covariance, scale, out=np.full(scale.shape, np.nan), where=known)


def mean_over_cells(values: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Return the weighted means over cells of all series but the last (members), and of the last (the truth).

    Both are over the same pairs of a member and a cell, those with a value in member and truth; NaN without any.
    """
    members, truth = values[:-1], np.broadcast_to(values[-1], values[:-1].shape)
    area = np.where(np.isfinite(members) & np.isfinite(truth), weights, 0.0)
    total = float(area.sum())
    if not total > 0:
        return float("nan"), float("nan")
    means = [float((area * np.where(area > 0, each, 0.0)).sum()) / total for each in (members, truth)]
    return means[0], means[1]
