"""The target variables as the coarse field has them, on the fine grid: what many methods start from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import xarray as xr

from climdiff.data.pairs import Pairs
from climdiff.errors import DataError, Problem
from climdiff.grids.grid import Grid, check_same
from climdiff.grids.regrid import regrid
from climdiff.grids.weights import Method


@dataclass(frozen=True, eq=False)
class Guess:
    """Brings `variables`, which coarse and fine data share, from `source` to `target`."""

    source: Grid
    target: Grid
    variables: tuple[str, ...]
    method: Method = "bilinear"

    @classmethod
    def of_pairs(cls, train: Pairs, variables: Sequence[str]) -> Guess:
        """Return the guess of these variables between the grids of the pairs, by their method."""
        return cls(train.coarse_grid, train.fine_grid, tuple(variables), train.method)

    def __call__(self, coarse: xr.Dataset) -> xr.Dataset:
        """Return the variables on the fine grid, (time, y, x), float32, in memory.

        Raises:
            DataError: A variable is not among the coarse ones (CD-036), or the coarse grid is another one (CD-021).
        """
        absent = [name for name in self.variables if name not in coarse.data_vars]
        if absent:
            what = f"no variable {absent} among {sorted(map(str, coarse.data_vars))}"
            raise DataError(Problem(36, "coarse data", what, "interpolation needs the target variables as predictors"))
        check_same(Grid.from_dataset(coarse, "coarse data"), self.source, ("coarse data", "the training data"))
        chosen = coarse[list(self.variables)].load(scheduler="synchronous")
        fields = regrid(chosen, self.source, self.target, self.method)
        return fields.transpose("time", self.target.y_dim, self.target.x_dim)
