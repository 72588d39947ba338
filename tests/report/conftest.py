"""Small made-up fields and scores to draw."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xarray as xr

ROTATED = {
    "grid_mapping_name": "rotated_latitude_longitude",
    "grid_north_pole_latitude": 39.25,
    "grid_north_pole_longitude": -162.0,
}


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("a connection was tried")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def rain(sizes: dict[str, int], coords: dict[str, Any], attrs: dict[str, Any]) -> xr.Dataset:
    values = np.random.default_rng(0).gamma(0.3, 10.0, size=tuple(sizes.values())).astype(np.float32)
    about = {"standard_name": "lwe_precipitation_rate", "units": "mm day-1", "long_name": "daily precipitation"}
    return xr.Dataset({"pr": (tuple(sizes), values, about | attrs)}, coords)


@pytest.fixture
def rain_world() -> Callable[..., tuple[xr.Dataset, xr.Dataset, xr.Dataset]]:
    """Return the maker of small worlds."""
    return make_rain_world


def make_rain_world(kind: str, members: int = 5) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    """Return truth, coarse and ensemble of one date on a grid of 16 x 24 cells, coarse 4 x 6."""
    time = [np.datetime64("2001-07-03", "ns")]
    found = []
    for extra, step in (({}, 1), ({}, 4), ({"realization": members}, 1)):
        ny, nx = 16 // step, 24 // step
        north, east = (np.arange(n) * step + (step - 1) / 2 for n in (ny, nx))
        scalar: dict[str, Any] = {}
        attrs: dict[str, Any] = {}
        match kind:
            case "latlon":
                y = ("lat", 36 + 0.5 * north, {"units": "degrees_north", "standard_name": "latitude"})
                x = ("lon", -10 + 0.5 * east, {"units": "degrees_east", "standard_name": "longitude"})
            case "rotated":
                y = ("rlat", -6 + 0.44 * north, {"units": "degrees", "standard_name": "grid_latitude"})
                x = ("rlon", -8 + 0.44 * east, {"units": "degrees", "standard_name": "grid_longitude"})
                scalar, attrs = {"pole": ((), np.int32(0), ROTATED)}, {"grid_mapping": "pole"}
            case _:
                y = ("y", 2000.0 * north, {"units": "m"})
                x = ("x", 2000.0 * east, {"units": "m"})
        sizes = {**extra, "time": 1, y[0]: ny, x[0]: nx}
        coords = {"time": time, y[0]: y, x[0]: x, **scalar, **{name: np.arange(n) for name, n in extra.items()}}
        found.append(rain(sizes, coords, attrs))
    return found[0], found[1], found[2]
