"""Scores of an ensemble as a probability forecast: CRPS, ranks, Brier score and reliability.

Arrays are plain numpy: `members` is (realization, ...), `truth` and `weights` are (...), everything in one unit.
What is summed over cells comes back as an additive table, so blocks of times can be added in any order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

CELLS_PER_BLOCK = 1024  # 50 float32 members of a block and its float64 copy (0.6 MB) stay in a core's own cache


def crps_fair(members: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the fair continuous ranked probability score of every cell, in the unit of the values.

    CRPS = mean |x_i - y| - sum_i (2i - M - 1) x_(i) / (M (M - 1)), with x_(i) the sorted members (i from 1): the
    kernel form of Gneiting & Raftery (2007, eq. 21) with the unbiased mean difference of members (Ferro 2014),
    written by order statistics (Zamo & Naveau 2018, PWM estimator). Its expectation does not depend on M.
    One member has no spread: its score is |x - y|, the mean absolute error, by definition.

    Args:
        members: (realization, ...) in float32 or float64.
        truth: (...), the same dtype.

    Returns:
        (...) float64; NaN where the truth or a member is NaN. Extra memory beside it: as much again and one block of
        cells.
    """
    error, spread = crps_terms(members, truth)
    return np.subtract(error[0], spread[0], out=error[0])


def crps_terms(
    members: np.ndarray, truth: np.ndarray, thresholds: Sequence[float] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean distance of members and truth and half the unbiased mean distance of two members, cell by cell.

    Both are (1 + thresholds, ...) float64: first of the values, then of max(value, threshold), so that they belong to
    the CRPS weighted to thresholds from there upwards (Gneiting & Ranjan 2011; by the chaining function
    max(x, t), Allen et al. 2023). The fair CRPS is their difference. The members of a cell are sorted once for
    all thresholds.
    """
    shape = (1 + len(thresholds), *truth.shape)
    if members.ndim > 2 and not members.flags.c_contiguous:
        parts = [crps_terms(members[:, i], truth[i], thresholds) for i in range(truth.shape[0])]
        return np.stack([part[0] for part in parts], axis=1), np.stack([part[1] for part in parts], axis=1)
    n_members = members.shape[0]
    members, observed = members.reshape(n_members, -1), truth.reshape(-1)
    errors, spreads = np.zeros((2, shape[0], observed.size))
    mean = np.full(n_members, 1.0 / n_members)
    half_spread = (2.0 * np.arange(1, n_members + 1) - n_members - 1) / (n_members * max(n_members - 1, 1))
    narrow = np.empty((CELLS_PER_BLOCK, n_members), members.dtype)
    wide = np.empty((CELLS_PER_BLOCK, n_members))
    for start in range(0, observed.size, CELLS_PER_BLOCK):
        cells = slice(start, min(start + CELLS_PER_BLOCK, observed.size))
        distance, exact = narrow[: cells.stop - start], wide[: cells.stop - start]
        np.subtract(members[:, cells].T, observed[cells, None], out=distance)
        distance.sort(axis=1)
        for i, threshold in enumerate(thresholds, start=1):
            below = threshold - observed[cells].astype(np.float64)  # how far the truth lies below the threshold
            active = np.flatnonzero(~((below >= 0) & (distance[:, -1] <= below)))  # elsewhere all is cut to one value
            above = np.maximum(distance[active], below[active, None]) - np.maximum(below[active], 0.0)[:, None]
            spreads[i, start + active] = above @ half_spread
            errors[i, start + active] = np.abs(above, out=above) @ mean
        exact[...] = distance  # sums in float64 do not depend on how cells are cut into blocks
        spreads[0, cells] = exact @ half_spread
        np.abs(exact, out=exact)
        errors[0, cells] = exact @ mean
    return errors.reshape(shape), spreads.reshape(shape)


def crps_sums(error: np.ndarray, spread: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Return the weighted sums over all cells of what `crps_terms` gives, (1 + thresholds,) each; they add up."""
    flat = weights.ravel()
    return {
        "error": error.reshape(len(error), -1) @ flat,
        "spread": spread.reshape(len(spread), -1) @ flat,
        "weight": flat.sum(),
    }


def crps_scores(sums: Mapping[str, np.ndarray], n_members: int, thresholds: Sequence[float]) -> dict[str, float]:
    """Return `crps_fair`, `crps_ecdf` and per threshold `twcrps@T` (fair), in the unit of the values.

    `crps_ecdf` takes the members for the whole distribution, mean |x_i - y| - mean |x_i - x_j| / 2 over all M^2 pairs
    (Gneiting & Raftery 2007, eq. 21): it is larger by up to 1 + 1/M and never to be compared with the fair one.
    """
    error, spread = sums["error"] / sums["weight"], sums["spread"] / sums["weight"]
    scores = {"crps_fair": error[0] - spread[0], "crps_ecdf": error[0] - spread[0] * (n_members - 1) / n_members}
    scores |= {f"twcrps@{t:g}": error[i] - spread[i] for i, t in enumerate(thresholds, start=1)}
    return {name: float(value) for name, value in scores.items()}


def rank_table(members: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weight of cells by (members below the truth, members equal to it); additive, (M + 1, M + 1)."""
    n_members = members.shape[0]
    below = np.zeros(truth.shape, np.int64)
    tied = np.zeros(truth.shape, np.int64)
    for member in members:
        below += member < truth
        tied += member == truth
    cell = (below * (n_members + 1) + tied).ravel()
    table = np.bincount(cell, weights.ravel(), minlength=(n_members + 1) ** 2)
    return table.reshape(n_members + 1, n_members + 1)


def rank_histogram(table: np.ndarray) -> np.ndarray:
    """Return the share of cells at each of the M + 1 ranks of the truth; uniform for a calibrated ensemble.

    A truth equal to t members could take t + 1 ranks with equal chance (Hamill 2001, sect. 2); instead of drawing
    one, its weight is split equally over them, so the histogram is the exact expectation and needs no seed.
    """
    n_ranks = len(table)
    histogram = np.zeros(n_ranks)
    for below in range(n_ranks):
        for tied in range(n_ranks - below):
            histogram[below : below + tied + 1] += table[below, tied] / (tied + 1)
    return histogram / table.sum()


def event_count(members: np.ndarray, threshold: float) -> np.ndarray:
    """Return the number of members with the event value >= threshold, (...) int32."""
    count = np.zeros(members.shape[1:], np.int32)
    for member in members:
        count += member >= threshold
    return count


def event_table(members: np.ndarray, truth: np.ndarray, weights: np.ndarray, threshold: float) -> np.ndarray:
    """Return the weight of cells by (event seen or not, members that have it); additive, (2, M + 1).

    The event is value >= threshold.
    """
    return count_table(event_count(members, threshold), truth >= threshold, weights, len(members))


def count_table(count: np.ndarray, seen: np.ndarray, weights: np.ndarray, n_members: int) -> np.ndarray:
    """Return what `event_table` does, from counts.

    Args:
        count: (...), as `event_count` gives it.
        seen: (...) bool, whether the truth has the event.
        weights: (...).
        n_members: Number of members.
    """
    cell = seen * np.int32(n_members + 1) + count
    return np.bincount(cell.ravel(), weights.ravel(), minlength=2 * (n_members + 1)).reshape(2, n_members + 1)


def event_scores(table: np.ndarray) -> dict[str, float]:
    """Return `brier`, `brier_fair`, `wet_fraction` and `wet_fraction_truth` of an event table."""
    wet, wet_truth = wet_fractions(table)
    return {
        "brier": brier(table),
        "brier_fair": brier_fair(table),
        "wet_fraction": wet,
        "wet_fraction_truth": wet_truth,
    }


@dataclass(frozen=True)
class Reliability:
    """How often an event came when k of M members had it; all arrays (M + 1,), entry k.

    `probability` is k / M, `weight` the share of cells with that forecast, `frequency` the observed frequency among
    them (NaN where the forecast never occurred).
    """

    probability: np.ndarray
    weight: np.ndarray
    frequency: np.ndarray


def reliability(table: np.ndarray) -> Reliability:
    """Return the reliability table of an event table."""
    total = table.sum(axis=0)
    frequency = np.divide(table[1], total, out=np.full(len(total), np.nan), where=total > 0)
    return Reliability(np.linspace(0, 1, len(total)), total / total.sum(), frequency)


def brier(table: np.ndarray) -> float:
    """Return the Brier score of an event table, mean (k / M - o)^2 (Brier 1950)."""
    probability = np.linspace(0, 1, table.shape[1])
    return float((table[0] @ probability**2 + table[1] @ (1 - probability) ** 2) / table.sum())


def brier_fair(table: np.ndarray) -> float:
    """Return the fair Brier score, mean (k / M - o)^2 - k (M - k) / (M^2 (M - 1)) (Ferro 2014).

    Of one member it is the Brier score, as the fair CRPS of one member is its absolute error.
    """
    n_members = table.shape[1] - 1
    probability = np.linspace(0, 1, n_members + 1)
    excess = table.sum(axis=0) @ (probability * (1 - probability)) / (max(n_members - 1, 1) * table.sum())
    return brier(table) - float(excess)


def wet_fractions(table: np.ndarray) -> tuple[float, float]:
    """Return the share of (member, cell) and of true cells with the event, from an event table."""
    probability = np.linspace(0, 1, table.shape[1])
    return float(table.sum(axis=0) @ probability / table.sum()), float(table[1].sum() / table.sum())
