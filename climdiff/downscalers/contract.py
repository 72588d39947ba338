"""What every downscaling method is to those who run or judge it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import xarray as xr

from climdiff.grids.grid import Grid


class Downscaler(Protocol):
    """Anything that makes high-resolution members from coarse fields."""

    def downscale(self, coarse: xr.Dataset, members: Sequence[int], seed: int) -> xr.Dataset:
        """Return the members asked for, at the times of `coarse`.

        A member depends on its number, the seed, the date and the coarse field of that date, and on nothing else: not
        on the other members or dates asked for beside it.

        Args:
            coarse: Predictors (time, y, x) on their own grid, physical units, sorted by time.
            members: Member numbers >= 0, in any order.
            seed: Key of all random numbers; a method without any ignores it.

        Returns:
            Target variables (realization, time, y, x), float32, physical units, with the member numbers (int32) as
            coordinate `realization`.
        """
        ...


def realization_coordinate(members: Sequence[int]) -> xr.Variable:
    """Return the CF coordinate of member numbers, (realization,)."""
    attrs = {"standard_name": "realization", "units": "1"}
    return xr.Variable(("realization",), np.asarray(members, dtype=np.int32), attrs)


def ensemble(
    fields: Mapping[str, np.ndarray],
    attributes: Mapping[str, Mapping[str, Any]],
    grid: Grid,
    members: Sequence[int],
    times: xr.DataArray,
) -> xr.Dataset:
    """Return arrays (realization, time, y, x) by variable as the Dataset that the contract wants."""
    dims = ("realization", "time", grid.y_dim, grid.x_dim)
    variables = {name: (dims, values.astype(np.float32), dict(attributes[name])) for name, values in fields.items()}
    return grid.attach(xr.Dataset(variables, {"realization": realization_coordinate(members), "time": times.variable}))
