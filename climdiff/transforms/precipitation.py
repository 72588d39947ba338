"""Rain made less skewed; every inverse gives finite rain of at least zero, whatever the network says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

_LARGEST = float(np.finfo(np.float32).max) / 2
_AS_STORED = 1e-7  # a threshold stored as float32 lies within this share of itself
_AS_INVERTED = 1e-4  # and comes back through float32 network space within this one


@dataclass(frozen=True)
class Log1p:
    """log(1 + rain / scale), `scale` in the units of the rain; rain below zero counts as none."""

    scale: float = 1.0

    @property
    def name(self) -> str:
        """The name in recipes and states."""
        return "log1p"

    def apply(self, values: xr.DataArray, state: xr.Dataset) -> xr.DataArray:
        """Return the logarithm of rain."""
        return _each(np.log1p, values.clip(min=0.0) / self.scale)

    def invert(self, values: xr.DataArray, state: xr.Dataset) -> xr.DataArray:
        """Return rain in [0, largest float32)."""
        return _each(np.expm1, values.clip(0.0, np.log1p(_LARGEST / self.scale))) * self.scale


@dataclass(frozen=True)
class SquareRoot:
    """The square root of rain; rain below zero counts as none."""

    @property
    def name(self) -> str:
        """The name in recipes and states."""
        return "sqrt"

    def apply(self, values: xr.DataArray, state: xr.Dataset) -> xr.DataArray:
        """Return the square root of rain."""
        return _each(np.sqrt, values.clip(min=0.0))

    def invert(self, values: xr.DataArray, state: xr.Dataset) -> xr.DataArray:
        """Return rain in [0, largest float32)."""
        return values.clip(0.0, np.sqrt(_LARGEST)) ** 2


@dataclass(frozen=True)
class CubeRoot:
    """The cube root of rain; rain below zero counts as none."""

    @property
    def name(self) -> str:
        """The name in recipes and states."""
        return "cbrt"

    def apply(self, values: xr.DataArray, state: xr.Dataset) -> xr.DataArray:
        """Return the cube root of rain."""
        return _each(np.cbrt, values.clip(min=0.0))

    def invert(self, values: xr.DataArray, state: xr.Dataset) -> xr.DataArray:
        """Return rain in [0, largest float32)."""
        return values.clip(0.0, np.cbrt(_LARGEST)) ** 3


@dataclass(frozen=True)
class WetDay:
    """Rain below `threshold` (in its units) becomes none, both ways, so that the frequency of wet days is kept.

    The inverse lets pass what misses the threshold by rounding only, and lifts it to the threshold.
    """

    threshold: float

    @property
    def name(self) -> str:
        """The name in recipes and states."""
        return "wet_day"

    def apply(self, values: xr.DataArray, state: xr.Dataset) -> xr.DataArray:
        """Return rain with drizzle set to zero."""
        return values.where(~(values < self.threshold * (1.0 - _AS_STORED)), 0.0)

    def invert(self, values: xr.DataArray, state: xr.Dataset) -> xr.DataArray:
        """Return rain that is zero or at least the threshold."""
        is_dry = values < self.threshold * (1.0 - _AS_INVERTED)
        return values.clip(min=self.threshold).where(~is_dry, 0.0)


def _each(function: np.ufunc, values: xr.DataArray) -> xr.DataArray:
    return xr.apply_ufunc(function, values, dask="allowed", keep_attrs=True)
