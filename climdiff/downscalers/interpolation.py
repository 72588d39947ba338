"""The coarse field itself on the fine grid: what any method must beat to be worth its name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import xarray as xr

from climdiff.downscalers.contract import realization_coordinate
from climdiff.errors import DataError, Problem
from climdiff.grids.grid import Grid, check_same
from climdiff.grids.regrid import regrid
from climdiff.grids.weights import Method


@dataclass(frozen=True, eq=False)
class Interpolation:
    """Interpolates `variables`, which coarse and fine data share, from `source` to `target`; no two members differ."""

    source: Grid
    target: Grid
    variables: tuple[str, ...]
    method: Method = "bilinear"

    def downscale(self, coarse: xr.Dataset, members: Sequence[int], seed: int) -> xr.Dataset:
        """Return the interpolated field once per member; see `contract.Downscaler`. The seed plays no role.

        Raises:
            DataError: A variable is not among the coarse ones (CD-036), or the coarse grid is another one (CD-021).
        """
        del seed
        absent = [name for name in self.variables if name not in coarse.data_vars]
        if absent:
            what = f"no variable {absent} among {sorted(map(str, coarse.data_vars))}"
            raise DataError(Problem(36, "coarse data", what, "interpolation needs the target variables as predictors"))
        check_same(Grid.from_dataset(coarse, "coarse data"), self.source, ("coarse data", "the training data"))
        fields = regrid(coarse[list(self.variables)].compute(), self.source, self.target, self.method)
        fields = fields.expand_dims(realization=len(members))
        fields = fields.transpose("realization", "time", self.target.y_dim, self.target.x_dim)
        return fields.assign_coords(realization=realization_coordinate(members))
