"""Consistency with the coarse input: do the block means of members say what the coarse field said?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from climdiff.grids.blocks import Blocks


@dataclass(frozen=True, eq=False)
class Coarse:
    """The coarse field (time, Y, X) of a variable, as lazy as it was given, and which fine cells make up its cells."""

    field: xr.DataArray
    blocks: Blocks


def coarse_sums(
    members: np.ndarray, truth: np.ndarray, weights: np.ndarray, given: np.ndarray, blocks: Blocks
) -> dict[str, np.ndarray]:
    """Return weighted sums of error and square error of block means of members and truth, (2,) each; they add up.

    Args:
        members: (realization, time, y, x).
        truth: (time, y, x).
        weights: (time, y, x); a block with a cell of weight 0 is left out.
        given: (time, Y, X) coarse field in the order of its own grid; NaN is left out.
        blocks: Which fine cells make up a coarse one.
    """
    coarse = blocks.oriented(given).astype(np.float64)
    cells = blocks.cells(weights)
    area = np.where((cells > 0).all(axis=-1) & np.isfinite(coarse), cells.sum(axis=-1), 0.0)
    coarse = np.where(area > 0, coarse, 0.0)
    sums = {"weight": np.full(2, area.sum()), "error": np.zeros(2), "square": np.zeros(2)}
    for side, fields in enumerate((members, truth[None])):
        for field in fields:
            apart = blocks.mean(field) - coarse
            sums["error"][side] += np.vdot(area, apart) / len(fields)
            sums["square"][side] += np.vdot(area, np.square(apart)) / len(fields)
    return sums


def coarse_scores(sums: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Return `coarse_rmse` and `coarse_bias` of block means against the coarse field, each also `_truth`.

    In the unit of the values; NaN where no block is whole.
    """
    weight = sums["weight"]
    bias = np.divide(sums["error"], weight, out=np.full(2, np.nan), where=weight > 0)
    square = np.divide(sums["square"], weight, out=np.full(2, np.nan), where=weight > 0)
    return {
        "coarse_rmse": float(np.sqrt(square[0])),
        "coarse_rmse_truth": float(np.sqrt(square[1])),
        "coarse_bias": float(bias[0]),
        "coarse_bias_truth": float(bias[1]),
    }
