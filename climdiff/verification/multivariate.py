"""Scores of whole fields: are members right in many cells at once?

The energy score measures distances of fields, and hardly sees wrong correlation; the variogram score of neighboring
cells sees little else. Both are fair: their expectation does not depend on the number of members. Nothing is
subsampled: distances come from the products of all members, and pairs of cells are those a few cells apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

LAGS = (1, 4)
"""Distances of the pairs of cells of the variogram score, along y and along x."""


def energy_sums(members: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Return the energy score summed over times by the weight of their cells, and that weight; both add up.

    The distance of two fields is the root of their mean square difference by weight, so the score has the unit of the
    values and does not grow with the domain.

    Args:
        members: (realization, time, ...).
        truth: (time, ...).
        weights: (time, ...), 0 where the truth is missing; values there must be finite.
    """
    n_members, n_times = members.shape[:2]
    area = weights.reshape(n_times, -1)
    total = area.sum(axis=1)
    scale = np.sqrt(np.divide(area, total[:, None], out=np.zeros_like(area), where=total[:, None] > 0))
    apart = np.swapaxes((members - truth.astype(np.float64)).reshape(n_members, n_times, -1), 0, 1) * scale[:, None]
    products = apart @ np.swapaxes(apart, 1, 2)  # (time, member, member)
    squares = np.diagonal(products, axis1=1, axis2=2)
    between = np.sqrt(np.maximum(squares[:, :, None] + squares[:, None, :] - 2 * products, 0))
    between[:, np.arange(n_members), np.arange(n_members)] = 0
    spread = between.sum(axis=(1, 2)) / (2 * n_members * max(n_members - 1, 1))
    return {"score": total @ (np.sqrt(squares).mean(axis=1) - spread), "weight": total.sum()}


def variogram_sums(members: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Return the variogram score of order 1/2 summed over pairs of cells, and their weight; both add up.

    Of a pair: (|y_a - y_b|^(1/2) - mean_i z_i)^2 - s^2 / M with z_i = |x_ia - x_ib|^(1/2) and s^2 its unbiased variance
    over members, which takes out what the M members' mean is off by chance. A pair has the geometric mean of the
    weights of its cells.

    Args:
        members: (realization, time, y, x).
        truth: (time, y, x).
        weights: (time, y, x), 0 where the truth is missing; values there must be finite.
    """
    n_members = len(members)
    score, weight = np.zeros(()), np.zeros(())
    for first, second in _pairs(truth.shape[1:]):
        seen = np.sqrt(np.abs(truth[first] - truth[second]), dtype=np.float64)
        total, squares = np.zeros(seen.shape), np.zeros(seen.shape)
        for member in members:
            apart = np.abs(member[first] - member[second])
            squares += apart
            total += np.sqrt(apart, out=apart)
        mean = total / n_members
        chance = (squares - mean * total) / (n_members * max(n_members - 1, 1))
        area = np.sqrt(weights[first] * weights[second])
        score = score + np.vdot(area, np.square(seen - mean) - chance)
        weight = weight + area.sum()
    return {"score": score, "weight": weight}


def mean_score(sums: Mapping[str, np.ndarray]) -> float:
    """Return the mean of either score, in the unit of the values; NaN where nothing has weight.

    Energy score: Gneiting & Raftery (2007, eq. 22); variogram score: Scheuerer & Hamill (2015).
    """
    return float(sums["score"] / sums["weight"]) if sums["weight"] > 0 else float("nan")


def _pairs(shape: tuple[int, ...]) -> Iterator[tuple[tuple[slice, ...], tuple[slice, ...]]]:
    """Yield where the first and the second cells of all pairs at each distance are, in fields (time, y, x)."""
    for lag in LAGS:
        ends = slice(None, -lag), slice(lag, None)
        if shape[0] > lag:
            yield (slice(None), ends[0]), (slice(None), ends[1])
        if shape[1] > lag:
            yield (slice(None), slice(None), ends[0]), (slice(None), slice(None), ends[1])
