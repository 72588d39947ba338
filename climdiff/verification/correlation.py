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
    """Return the weighted mean over cells of all series but the last (members), and of the last (the truth).

    Cells without a value are left out; NaN where no cell has one.
    """
    found = []
    for each in (values[:-1], values[-1:]):
        area = np.where(np.isfinite(each), weights, 0.0)
        total = float(area.sum())
        found.append(float((area * np.where(area > 0, each, 0.0)).sum()) / total if total > 0 else float("nan"))
    return found[0], found[1]
