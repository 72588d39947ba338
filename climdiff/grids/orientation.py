"""Fields brought into the order of other rows and columns: north or south first, any longitude first on a circle.

Rows and columns get their names, too: latitude is latitude, whether called `lat` or `latitude`.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from climdiff.grids import coordinates as cf
from climdiff.grids.grid import Grid


def oriented(values: xr.Dataset, grid: Grid, where: str = "data set") -> xr.Dataset:
    """Return fields, still lazy, with rows and columns in the order of `grid`, and its names for them.

    On a grid of another shape they stay as they are.

    Raises:
        DataError: As `Grid.from_dataset`.
    """
    if Grid.from_dataset(values, where).shape != grid.shape:
        return values
    return ordered_as(values, grid.coordinates)


def ordered_as(values: xr.Dataset, other: xr.Dataset) -> xr.Dataset:
    """Return fields, still lazy, with every axis in the order of that of `other`, where both have it, of equal length.

    Axes that mean the same, latitude or the y of a map, are called as in `other`.
    Nothing is checked: an axis that is none, or lies elsewhere, is left to who compares the coordinates.
    """
    values = _named_as(values, other)
    moved = {}
    for dim in values.sizes:
        own, wanted = cf.axis_coordinate(values, dim), cf.axis_coordinate(other, dim)
        if own is None or wanted is None or own.size != wanted.size or own.size < 2:
            continue
        if own.dtype.kind in "fiu" and wanted.dtype.kind in "fiu":
            order = _order(own, wanted)
            if order != slice(None):
                moved[dim] = order
    return values.isel(moved) if moved else values


def _named_as(values: xr.Dataset, other: xr.Dataset) -> xr.Dataset:
    """Return fields whose axes have the names that axes of the same meaning have in `other`; none is taken twice."""
    wanted, own = ({cf.meaning(each[dim]): dim for dim in each.sizes if dim in each.coords} for each in (other, values))
    taken = {*values.variables, *values.sizes}
    names = {own[said]: dim for said, dim in wanted.items() if said and said in own and dim not in taken}
    return values.rename(names) if names else values


def _order(own: xr.DataArray, wanted: xr.DataArray) -> slice | list[int]:
    """Return the positions of `own` that bring it into the order of `wanted`; a slice if they are one."""
    is_circular = cf.is_circular(own) and cf.is_circular(wanted)
    given, target = (np.asarray(axis.values, np.float64) for axis in (own, wanted))
    if is_circular:
        given, target = cf.unwrapped(given), cf.unwrapped(target)
    is_turned = (given[-1] - given[0]) * (target[-1] - target[0]) < 0
    if is_circular and _is_whole_circle(given) and _is_whole_circle(target):
        order = np.arange(given.size)[:: -1 if is_turned else 1]
        step = (target[-1] - target[0]) / (target.size - 1)
        shift = round((target[0] - given[order[0]]) / step) % order.size
        if shift:
            return np.roll(order, -shift).tolist()
    return slice(None, None, -1) if is_turned else slice(None)


def _is_whole_circle(longitudes: np.ndarray) -> bool:
    """Return whether the step from the last longitude to the first one is that between the others."""
    n = longitudes.size
    return n > 1 and abs(abs(longitudes[-1] - longitudes[0]) * n / (n - 1) - 360.0) < 0.01 * 360.0 / n
