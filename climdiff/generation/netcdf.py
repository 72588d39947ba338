"""Writes a netCDF copy of an ensemble store that keeps to CF, which xarray's own defaults do not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import xarray as xr


def copy_to_netcdf(path: Path, target: Path) -> None:
    """Write the ensemble at `path` as netCDF-4, compressed.

    xarray gives every float coordinate a _FillValue, which CF-1.11 section 2.5.1 forbids; here only fields have one.
    """
    with xr.open_zarr(path) as ensemble:
        encoding: dict[str, dict[str, Any]] = {}
        for name, values in ensemble.variables.items():
            is_field = values.ndim == 4
            encoding[str(name)] = {"zlib": True, "complevel": 4} if is_field else {"_FillValue": None}
        ensemble.to_netcdf(target, engine="netcdf4", encoding=encoding)
