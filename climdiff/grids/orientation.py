"""Fields brought into the order of a grid's rows and columns: north or south first, any longitude first on a circle."""

from __future__ import annotations

import numpy as np
import xarray as xr

from climdiff.grids.grid import Grid


def oriented(values: xr.Dataset, grid: Grid, where: str = "data set") -> xr.Dataset:
    """Return fields, still lazy, with rows and columns in the order of `grid`; on other cells they stay as they are.

    Raises:
        DataError: As `Grid.from_dataset`.
    """
    found = Grid.from_dataset(values, where)
    if (found.y_dim, found.x_dim, found.shape) != (grid.y_dim, grid.x_dim, grid.shape):
        return values
    is_circular = found.kind == grid.kind and found.kind in ("latlon", "rotated")
    orders = {
        found.y_dim: _order(found.y, grid.y, closes=False),
        found.x_dim: _order(found.x, grid.x, closes=is_circular and _is_whole_circle(found.x)),
    }
    moved = {dim: order for dim, order in orders.items() if (np.diff(order) != 1).any()}
    return values.isel(moved) if moved else values


def _order(own: np.ndarray, wanted: np.ndarray, closes: bool) -> np.ndarray:
    """Return the positions of `own` that bring it into the order of `wanted`."""
    order = np.arange(own.size)
    if (own[-1] - own[0]) * (wanted[-1] - wanted[0]) < 0:
        order = order[::-1]
    if closes:
        step = (wanted[-1] - wanted[0]) / (wanted.size - 1)
        order = np.roll(order, -round((wanted[0] - own[order[0]]) / step))
    return order


def _is_whole_circle(longitudes: np.ndarray) -> bool:
    """Return whether the step from the last longitude to the first one is that between the others."""
    n = longitudes.size
    return n > 1 and abs(abs(longitudes[-1] - longitudes[0]) * n / (n - 1) - 360.0) < 0.01 * 360.0 / n
