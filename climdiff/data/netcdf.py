"""Labelled data to netCDF files: a disk without room is an OSError here, as for any other file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import xarray as xr


def write_netcdf(values: xr.Dataset, file: Path, mode: Literal["w", "a"] = "w", group: str | None = None) -> None:
    """Write a netCDF4 file, or with mode `a` one more group of it.

    Raises:
        OSError: it cannot be written, as on a full disk; what is there by then is no sound file.
    """
    try:
        values.to_netcdf(file, mode=mode, group=group, engine="netcdf4")
    except (RuntimeError, OSError):
        _ask_for_room(file, values.nbytes + 2**20)
        raise


def _ask_for_room(file: Path, n_bytes: int) -> None:
    """Raise the OSError that the file system has for more bytes: netCDF says no more than 'HDF error'."""
    with file.open("ab") as stream:
        stream.write(bytes(n_bytes))
        stream.flush()
        os.fsync(stream.fileno())
