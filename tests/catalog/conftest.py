"""A small data set on disk with a catalog entry, which tests break in one way each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

ENTRY = """
title: A small set
licence: CC0-1.0
source: made by a test
citation: none
description: rain and temperature on four by five cells
parts:
  fine:
    urlpath: set/fine*.nc
    calendar: standard
    time_step: 1
    variables:
      pr: {standard_name: precipitation_flux, units: mm day-1, lower_bound: 0}
      tas: {standard_name: air_temperature, units: K}
"""


@pytest.fixture
def days() -> Callable[..., xr.Dataset]:
    """Return a function that makes plausible rain [kg m-2 s-1] and temperature [degC] (time, lat, lon)."""
    return _days


def _days(n_days: int = 20, start: str = "2001-01-01") -> xr.Dataset:
    rng = np.random.default_rng(0)
    dims = ("time", "lat", "lon")
    rain, temperature = rng.gamma(0.5, 6.0, (n_days, 4, 5)), rng.normal(12.0, 5.0, (n_days, 4, 5))
    return xr.Dataset(
        {
            "pr": (dims, (rain / 86400).astype("f4"), {"units": "kg m-2 s-1", "standard_name": "precipitation_flux"}),
            "tas": (dims, temperature.astype("f4"), {"units": "degC", "standard_name": "air_temperature"}),
        },
        {
            "time": np.datetime64(start, "ns") + np.arange(n_days) * np.timedelta64(1, "D"),
            "lat": ("lat", 40.0 + np.arange(4), {"units": "degrees_north"}),
            "lon": ("lon", 5.0 + np.arange(5), {"units": "degrees_east"}),
        },
    )


@pytest.fixture
def data_set(tmp_path, monkeypatch) -> Callable[..., Path]:
    """Return a function that writes entry `my-set`, some text replaced, and netCDF files, to their folder."""
    catalog, data = tmp_path / "catalog", tmp_path / "data" / "set"
    catalog.mkdir()
    data.mkdir(parents=True)
    monkeypatch.setenv("CLIMDIFF_CATALOG", str(catalog))
    monkeypatch.setenv("CLIMDIFF_DATA", str(data.parent))

    def write(replaced: dict[str, str] | None = None, **files: xr.Dataset) -> Path:
        entry = ENTRY
        for old, new in (replaced or {}).items():
            assert old in entry
            entry = entry.replace(old, new)
        (catalog / "my-set.yaml").write_text(entry)
        for name, content in files.items():
            content.to_netcdf(data / f"{name}.nc")
        return data

    return write
