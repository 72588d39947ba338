"""Errors of the ensemble mean and the spread of the members, as additive sums and as scores.

Arrays are plain numpy: `members` is (realization, ...), `truth` and `weights` are (...), everything in one unit.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def moments(members: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and unbiased variance over the members (0 of a single one), (...) float64 whatever the values."""
    mean = np.zeros(members.shape[1:])
    for member in members:
        mean += member
    mean /= len(members)
    variance = np.zeros(mean.shape)
    for member in members:
        apart = member - mean
        variance += np.square(apart, out=apart)
    variance /= max(len(members) - 1, 1)
    return mean, variance


def error_sums(mean: np.ndarray, variance: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Return the weighted sums over all cells that `error_scores` needs; those of two blocks add up.

    `mean` and `variance` are what `moments` says of the members. Cells of weight 0 must still hold finite numbers.
    """
    error = mean - truth
    return {
        "weight": weights.sum(),
        "truth": (weights * truth).sum(),
        "error": (weights * error).sum(),
        "absolute": (weights * np.abs(error)).sum(),
        "square": (weights * np.square(error)).sum(),
        "variance": (weights * variance).sum(),
    }


def error_scores(sums: Mapping[str, np.ndarray], n_members: int) -> dict[str, float]:
    """Return `mae`, `rmse` and `bias` of the ensemble mean, `spread`, `spread_skill`, and `mean` of members and truth.

    All but the ratio `spread_skill` are in the unit of the values.

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
        "mean": float(sums["truth"] + sums["error"]) / weight,
        "mean_truth": float(sums["truth"]) / weight,
    }
