"""A downscaler that is arithmetic and a target on a rotated grid, for the tests of this folder and their processes."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from climdiff.generation.run import Summary, generate
from climdiff.generation.store import Store, open_store
from climdiff.generation.template import Template

PROVENANCE = {"version": "1.2.3", "recipe": "ab" * 32, "bundle": "cd" * 32, "sampler": "ddim", "guidance": 1.0}


class Repeat:
    """Repeats each coarse cell and adds a number that tells member and seed; remembers what it made."""

    def __init__(self, pause_s: float = 0.0, error: float = 0.0) -> None:
        self.pause_s, self.error = pause_s, error
        self.made: list[tuple[str, int]] = []

    def downscale(self, coarse: xr.Dataset, members: Sequence[int], seed: int) -> xr.Dataset:
        time.sleep(self.pause_s)
        fine = np.repeat(np.repeat(coarse["pr"].values, 2, -2), 2, -1)
        shift = (np.asarray(members) + 100 * seed + self.error).astype(np.float32)
        pr = fine[None] + shift[:, None, None, None]
        self.made += [(str(date)[:10], member) for member in members for date in coarse["time"].values]
        dims = ("realization", "time", "rlat", "rlon")
        realization = np.asarray(members, np.int32)
        return xr.Dataset({"pr": (dims, pr), "tas": (dims, -pr)}, {"realization": realization, "time": coarse["time"]})


def coarse_world(n_times: int = 7) -> xr.Dataset:
    """Return coarse rain of `n_times` days from 2001-12-30 on, (time, 3, 4)."""
    values = np.random.default_rng(0).gamma(1, 2, (n_times, 3, 4)).astype(np.float32)
    times = xr.date_range("2001-12-30", periods=n_times, freq="D")
    return xr.Dataset({"pr": (("time", "rlat", "rlon"), values)}, {"time": times})


def rotated_template() -> Template:
    """Return a target of rain and temperature on a rotated pole, 6 x 8 cells."""
    rlat, rlon = np.linspace(-2, 2, 6), np.linspace(-3, 3, 8)
    lat, lon = np.meshgrid(rlat + 40, rlon - 4, indexing="ij")
    pole = {
        "grid_mapping_name": "rotated_latitude_longitude",
        "grid_north_pole_latitude": 39.25,
        "grid_north_pole_longitude": np.float32(-162.0),
    }
    coordinates = {
        "rlat": ("rlat", rlat, {"standard_name": "grid_latitude", "units": "degrees", "axis": "Y"}),
        "rlon": ("rlon", rlon, {"standard_name": "grid_longitude", "units": "degrees", "axis": "X"}),
        "lat": (("rlat", "rlon"), lat, {"standard_name": "latitude", "units": "degrees_north"}),
        "lon": (("rlat", "rlon"), lon, {"standard_name": "longitude", "units": "degrees_east"}),
        "rotated_pole": ((), np.int32(0), pole),
    }
    rain = {"standard_name": "lwe_precipitation_rate", "units": "mm day-1", "long_name": "rain", "lower_bound": 0.0}
    warmth = {"standard_name": "air_temperature", "units": "K", "long_name": "temperature"}
    grid = xr.Dataset(coords=coordinates)
    return Template({"pr": rain, "tas": warmth}, grid, "rlat", "rlon", title="A test ensemble")


def make(
    path: Path, members: int = 4, downscaler: Any = None, coarse: xr.Dataset | None = None, **options: Any
) -> Summary:
    """Generate a small store: 7 times by `members`, units of 3 times by 2 members."""
    sizes = {"seed": 1, "provenance": PROVENANCE, "times_per_unit": 3, "members_per_unit": 2}
    world = coarse_world() if coarse is None else coarse
    return generate(downscaler or Repeat(), world, rotated_template(), path, members=members, **(sizes | options))


def disk_state(path: Path) -> dict[str, str]:
    """Return the sha256 of every file below a folder, and every folder that is empty."""
    state = {}
    for file in sorted(path.rglob("*")):
        name = str(file.relative_to(path))
        if file.is_file():
            state[name] = hashlib.sha256(file.read_bytes()).hexdigest()
        elif not any(file.iterdir()):
            state[name] = "empty folder"
    return state


def opened(path: Path) -> Store:
    """Return the store that `make` made, open."""
    world = coarse_world()
    provenance = {**PROVENANCE, "seed": 1}
    return open_store(path, rotated_template(), world["time"], 4, provenance, times_per_unit=3, members_per_unit=2)
