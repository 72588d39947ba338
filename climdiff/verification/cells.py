"""Where the cells of a truth lie: on a grid, in one row or column of it, or at stations."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import xarray as xr

from climdiff.grids.coordinates import axis_coordinate, meaning
from climdiff.grids.grid import Grid
from climdiff.verification.ensembles import time_dim


def grid_of(truth: xr.Dataset, names: Sequence[Hashable]) -> Grid:
    """Return the grid of these variables; what lies along one dimension only gets another one, of one cell.

    For a row it is its latitude, for a column its longitude; stations are counted.

    Raises:
        DataError: As `Grid.from_dataset`.
    """
    where, fields = str(truth.encoding.get("source", "truth")), [truth[name] for name in names]
    cells = {dim for field in fields for dim in field.dims} - {time_dim(field) for field in fields}
    if len(cells) != 1:
        return Grid.from_dataset(truth, where)
    (along,) = cells
    own = axis_coordinate(truth, along)
    other = {"latitude": "longitude", "longitude": "latitude"}.get("" if own is None else meaning(own) or "")
    across = [name for name, each in truth.coords.items() if each.ndim == 0 and other and meaning(each) == other]
    if across:
        return Grid.from_dataset(truth.expand_dims(across[0]), where)
    sizes = (("row", 1, "Y"), (along, truth.sizes[along], "X"))
    count = {dim: (dim, np.arange(float(size)), {"axis": axis, "units": "1"}) for dim, size, axis in sizes}
    return Grid.from_dataset(xr.Dataset(coords=count), where)


def laid_on(grid: Grid, fields: xr.Dataset) -> xr.Dataset:
    """Return fields with both dimensions of the grid."""
    lacking = [dim for dim in (grid.y_dim, grid.x_dim) if dim not in fields.dims]
    return grid.attach(fields.expand_dims(lacking)) if lacking else fields
