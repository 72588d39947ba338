"""Scores of an ensemble as a probability forecast: fair CRPS, ranks, Brier score and reliability.

Arrays are plain numpy: `members` is (realization, ...), `truth` and `weights` are (...), everything in one unit.
What is summed over cells comes back as an additive table, so blocks of times can be added in any order.
"""

from __future__ import annotations

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
        (...) float64; NaN where the truth or a member is NaN. Extra memory beside it: one block of cells.
    """
    if members.ndim > 2 and not members.flags.c_contiguous:
        return np.stack([crps_fair(members[:, i], truth[i]) for i in range(truth.shape[0])])
    n_members = members.shape[0]
    members, observed = members.reshape(n_members, -1), truth.reshape(-1)
    scores = np.empty(observed.size)
    mean = np.full(n_members, 1.0 / n_members)
    half_spread = (2.0 * np.arange(1, n_members + 1) - n_members - 1) / (n_members * max(n_members - 1, 1))
    narrow = np.empty((CELLS_PER_BLOCK, n_members), members.dtype)
    wide = np.empty((CELLS_PER_BLOCK, n_members))
    for start in range(0, observed.size, CELLS_PER_BLOCK):
        cells = slice(start, min(start + CELLS_PER_BLOCK, observed.size))
        distance, exact = narrow[: cells.stop - start], wide[: cells.stop - start]
        np.subtract(members[:, cells].T, observed[cells, None], out=distance)
        distance.sort(axis=1)
        exact[...] = distance  # sums in float64 do not depend on how cells are cut into blocks
        spread = exact @ half_spread
        np.abs(exact, out=exact)
        np.subtract(exact @ mean, spread, out=scores[cells])
    return scores.reshape(truth.shape)


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


def event_table(members: np.ndarray, truth: np.ndarray, weights: np.ndarray, threshold: float) -> np.ndarray:
    """Return the weight of cells by (event seen or not, members that have it); additive, (2, M + 1).

    The event is value >= threshold.
    """
    n_members = members.shape[0]
    count = np.zeros(truth.shape, np.int64)
    for member in members:
        count += member >= threshold
    cell = ((truth >= threshold) * (n_members + 1) + count).ravel()
    return np.bincount(cell, weights.ravel(), minlength=2 * (n_members + 1)).reshape(2, n_members + 1)


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
