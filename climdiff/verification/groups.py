"""Parts of a verification: seasons are some of the times, regions some of the cells, with the same sums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from climdiff.errors import DataError, Problem
from climdiff.grids.grid import Grid
from climdiff.verification.families import Block

SEASONS = ("DJF", "MAM", "JJA", "SON")


@dataclass(frozen=True, eq=False)
class Group:
    """The times (time,) or the cells (...) that belong to it, bool; None: all."""

    times: np.ndarray | None = None
    cells: np.ndarray | None = None


def by_season(times: xr.DataArray) -> dict[str, Group]:
    """Return the seasons that the times have, by calendar month."""
    season = (times.dt.month.values % 12) // 3
    return {name: Group(times=season == i) for i, name in enumerate(SEASONS) if (season == i).any()}


def box(grid: Grid, name: str, bounds: Sequence[float]) -> xr.DataArray:
    """Return which cells have their center within [south, north, west, east], (y, x) bool.

    In degrees where the grid has a place on Earth (west may lie east of east: across the date line), else in the
    units of its axes.

    Raises:
        DataError: CD-020, no cell lies in the box.
    """
    south, north, west, east = bounds
    flat = grid.latlon()
    if flat is None:
        y, x = np.meshgrid(grid.y, grid.x, indexing="ij")
        inside = (south <= y) & (y <= north) & (west <= x) & (x <= east)
    else:
        inside = (south <= flat[0]) & (flat[0] <= north)
        inside &= (flat[1] - west) % 360 <= ((east - west) % 360 if (east - west) % 360 or east == west else 360)
    if not inside.any():
        what = f"region '{name}': no cell center lies in south {south:g}, north {north:g}, west {west:g}, east {east:g}"
        raise DataError(Problem(20, "verify.regions", what, "give [south, north, west, east] within the fine grid"))
    return xr.DataArray(inside, dims=(grid.y_dim, grid.x_dim))


def part(block: Block, span: slice, group: Group) -> Block | None:
    """Return what of the block of those times belongs to the group, its cells in one row; None where nothing does."""
    n_times, n_members = len(block.truth), block.setting.n_members
    times = slice(None) if group.times is None else np.flatnonzero(group.times[span])
    cells = slice(None) if group.cells is None else np.flatnonzero(group.cells.ravel())
    truth = block.truth.reshape(n_times, -1)[times][:, cells]
    if not truth.size:
        return None
    members = block.members.reshape(n_members, n_times, -1)[:, times][..., cells]
    weights = block.weights.reshape(n_times, -1)[times][:, cells]
    setting = replace(block.setting, shape=truth.shape[1:])
    return Block(np.ascontiguousarray(members), truth, weights, block.complete[times], setting)
