"""What neural downscalers share: predictors brought to the fine grid, and work cut into equal micro-batches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import xarray as xr

from climdiff.data.conservation import Conservation
from climdiff.data.encoder import Encoder
from climdiff.grids.grid import Grid
from climdiff.grids.regrid import Method, regrid


class Inputs(NamedTuple):
    """Predictors in memory, (time, Y, X) on their own grid and (time, y, x) on the fine one."""

    coarse: xr.Dataset
    guess: xr.Dataset


def prepared(
    coarse: xr.Dataset, encoder: Encoder, grid: Grid, method: Method, conservation: Conservation | None
) -> Inputs:
    """Return the predictors of `coarse`, which lies on `grid`.

    Raises:
        DataError: CD-074, values beyond the limits that members are kept in while conserving them.
    """
    predictors = coarse[list(encoder.predictors)].compute(scheduler="synchronous")
    predictors = predictors.transpose("time", grid.y_dim, grid.x_dim)
    if conservation is not None:
        conservation.refuse_unreachable(predictors)
    return Inputs(predictors, regrid(predictors, grid, encoder.grid, method))


def micro_batches(
    pairs: list[tuple[int, int]], size: int
) -> Iterator[tuple[list[int], list[int], list[tuple[int, int]]]]:
    """Yield (rows, columns, pairs filled up to `size` by repeating the last) of each micro-batch."""
    for start in range(0, len(pairs), size):
        part = pairs[start : start + size]
        yield [row for row, _ in part], [column for _, column in part], part + [part[-1]] * (size - len(part))
