"""Errors of the ensemble mean and the spread of the members, as additive sums and as scores.

Arrays are plain numpy: `members` is (realization, ...), `truth` and `weights` are (...), everything in one unit.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def error_sums(members: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Return the weighted sums over all cells that `error_scores` needs; those of two blocks add up.

    Cells of weight 0 must still hold finite numbers. Sums are float64 whatever the values.
    """
    n_members = members.shape[0]
    mean = np.zeros(truth.shape)
    for member in members:
        mean += member
    mean /= n_members
    variance = np.zeros(truth.shape)
    for member in members:
        variance += np.square(member - mean)
    variance /= max(n_members - 1, 1)
    error = mean - truth
    return {
        "weight": weights.sum(),
        "error": (weights * error).sum(),
        "absolute": (weights * np.abs(error)).sum(),
        "square": (weights * np.square(error)).sum(),
        "variance": (weights * variance).sum(),
    }


def error_scores(sums: Mapping[str, np.ndarray], n_members: int) -> dict[str, float]:
    """Return `mae`, `rmse` and `bias` of the ensemble mean, `spread` and `spread_skill`, in the unit of the values.

    `spread` is the root of the mean unbiased ensemble variance; `spread_skill` is sqrt((M + 1) / M) spread / rmse,
    which is 1 for members exchangeable with the truth at any M (Fortin et al. 2014, https://doi.org/10.1175/JHM-D-14-0008.1).
    Both are NaN for one member, and the ratio where there is no error.
    """
    weight = float(sums["weight"])
    rmse = float(np.sqrt(sums["square"] / weight))
    spread = float(np.sqrt(sums["variance"] / weight)) if n_members > 1 else float("nan")
    return {
        "mae": float(sums["absolute"]) / weight,
        "rmse": rmse,
        "bias": float(sums["error"]) / weight,
        "spread": spread,
        "spread_skill": float(np.sqrt((n_members + 1) / n_members)) * spread / rmse if rmse > 0 else float("nan"),
    }
