"""What a first guess leaves to explain."""

from __future__ import annotations

from dataclasses import dataclass

import xarray as xr

from climdiff.errors import DataError, Problem


@dataclass(frozen=True)
class Residual:
    """Subtracts the first guess, which has been through the same steps before; its state is that `guess`."""

    @property
    def name(self) -> str:
        """The name in recipes and states."""
        return "residual"

    def apply(self, values: xr.DataArray, state: xr.Dataset) -> xr.DataArray:
        """Return values minus the guess."""
        return values - _guess_like(values, state)

    def invert(self, values: xr.DataArray, state: xr.Dataset) -> xr.DataArray:
        """Return values plus the guess."""
        return values + _guess_like(values, state)


def _guess_like(values: xr.DataArray, state: xr.Dataset) -> xr.DataArray:
    try:
        return xr.align(values, state["guess"], join="exact", copy=False)[1]
    except ValueError as error:
        what = f"variable '{values.name}' and its first guess differ in their coordinates ({error})"
        raise DataError(Problem(21, "residual", what, "regrid the coarse data to the grid of the fine data")) from error
