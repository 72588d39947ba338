"""Scores time by time, beside the fair CRPS, for those whose differences are to be tested."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

SCORES = ("mae", "rmse", "brier", "brier_fair")
"""Scores that are means over times (the RMSE up to its root), so that pairs of times can be compared."""


def by_time(
    members: np.ndarray, truth: np.ndarray, weights: np.ndarray, wanted: Sequence[str]
) -> dict[str, np.ndarray]:
    """Return the weighted mean of each wanted score at each time, (time,) float64; NaN where no cell has a weight.

    Args:
        members: (realization, time, ...); finite, also in cells of weight 0.
        truth: (time, ...).
        weights: (time, ...), >= 0.
        wanted: `mae`, `rmse` (of the ensemble mean; here its square), `brier@T`, `brier_fair@T`.
    """
    n_members, n_times = len(members), len(truth)
    weight = weights.reshape(n_times, -1).sum(axis=1)
    error = members.mean(axis=0, dtype=np.float64) - truth if {"mae", "rmse"} & set(wanted) else np.zeros(())
    found = {}
    for score in wanted:
        kind, _, threshold = score.partition("@")
        if kind == "mae":
            cells = np.abs(error)
        elif kind == "rmse":
            cells = np.square(error)
        else:
            share = (members >= float(threshold)).mean(axis=0)
            cells = np.square(share - (truth >= float(threshold)))
            if kind == "brier_fair":  # Ferro (2014), as probabilistic.brier_fair
                cells = cells - share * (1 - share) / max(n_members - 1, 1)
        total = (weights * cells).reshape(n_times, -1).sum(axis=1)
        found[score] = np.divide(total, weight, out=np.full(n_times, np.nan), where=weight > 0)
    return found
