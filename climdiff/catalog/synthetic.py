"""The embedded world: procedurally made coarse weather, land, and fine fields drawn from a known conditional law."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from climdiff.catalog.landscape import CENTER_LATITUDE, KM_PER_DEGREE, Landscape, make_landscape
from climdiff.catalog.law import PREDICTORS as LAW_PREDICTORS
from climdiff.catalog.law import Law
from climdiff.catalog.streams import Stream, generator
from climdiff.catalog.weather import PREDICTORS, Waves, make_waves, noise_windows, weather
from climdiff.errors import DataError, Problem, RecipeError

WHERE = "world"
TARGETS = ("pr", "tas")
STATIC = ("orog", "sftlf")
_HIGHEST_LATITUDE = 85.0
_NAMES = {
    "pr": ("lwe_precipitation_rate", "mm day-1", "rain"),
    "tas": ("air_temperature", "K", "near-surface air temperature"),
    "psl": ("air_pressure_at_mean_sea_level", "Pa", "mean sea level pressure"),
    "uas": ("eastward_wind", "m s-1", "eastward near-surface wind"),
    "vas": ("northward_wind", "m s-1", "northward near-surface wind"),
    "huss": ("specific_humidity", "1", "near-surface specific humidity"),
    "orog": ("surface_altitude", "m", "surface altitude"),
    "sftlf": ("land_area_fraction", "1", "share of land"),
}


@dataclass(frozen=True)
class World:
    """One embedded world: its size (fine cells, `n` or `(ny, nx)`), refinement, period and seed.

    A day is a pure function of (seed, spacing, size, factor, date): period and reading order change nothing.
    """

    size: int | tuple[int, int] = 64
    factor: int = 8
    start: str = "1991-01-01"
    end: str = "2006-12-31"
    seed: int = 0
    spacing_km: float = 12.0

    def __post_init__(self) -> None:
        problems = list(_problems(self))
        if problems:
            raise RecipeError(*problems)

    @classmethod
    def from_options(cls, options: Mapping[str, Any] | None) -> World:
        """Return the world of a mapping of options; raise RecipeError for an unknown one."""
        known = {field.name for field in fields(cls)}
        options = dict(options or {})
        if unknown := sorted(set(options) - known):
            what = f"unknown option {', '.join(map(repr, unknown))}, expected some of {', '.join(sorted(known))}"
            raise RecipeError(Problem(37, WHERE, what, "remove or rename it"))
        if isinstance(options.get("size"), list):
            options["size"] = tuple(options["size"])
        return cls(**options)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of fine cells (y, x)."""
        return (self.size, self.size) if isinstance(self.size, int) else self.size

    @property
    def days(self) -> np.ndarray:
        """Days of the period as numbers since 1970-01-01 (time,) int64."""
        first, last = _day(self.start), _day(self.end)
        return np.arange(first, last + 1)

    def open(self, part: str) -> xr.Dataset:
        """Return the part `coarse`, `fine` or `static`; the first two are made day by day when read."""
        land = _ground(self).land
        coordinates = _coordinates(land, part)
        attributes = {"title": "climdiff embedded world", "seed": self.seed}
        if part == "static":
            statics = {"orog": land.height_m, "sftlf": land.land}
            static = {name: (("lat", "lon"), statics[name].astype(np.float32), attributes_of(name)) for name in STATIC}
            return xr.Dataset(static, coordinates, attributes)
        if part not in ("coarse", "fine"):
            what = f"no part {part!r}, expected coarse, fine or static"
            raise RecipeError(Problem(37, WHERE, what, "name one of these parts"))
        dates = self.days.astype("datetime64[D]").astype("datetime64[ns]")
        coordinates["time"] = xr.Variable("time", dates, {"standard_name": "time", "axis": "T"})
        shape = (self.days.size, coordinates["lat"].size, coordinates["lon"].size)
        variables = {}
        for name in PREDICTORS if part == "coarse" else TARGETS:
            lazy = indexing.LazilyIndexedArray(_DailyArray(self, part, name, shape))
            variables[name] = xr.Variable(("time", "lat", "lon"), lazy, attributes_of(name))
        return xr.Dataset(variables, coordinates, attributes)

    def weather(self, days: Iterable[int]) -> Iterator[dict[str, np.ndarray]]:
        """Yield the coarse predictors {name: (y, x) float32} of any days since 1970-01-01."""
        ground = _ground(self)
        for day, noise in noise_windows(self.seed, days):
            yield weather(day, noise, ground.waves, ground.land)

    def truth(self, days: Iterable[int]) -> Iterator[dict[str, np.ndarray]]:
        """Yield the fine fields {name: (y, x) float32} of any days: one member of the law, with a stream of its own."""
        days = list(days)
        law = _ground(self).law
        for day, coarse in zip(days, self.weather(days), strict=True):
            yield law.sample(law.given(coarse), generator(self.seed, Stream.TRUTH, day))

    def draw(self, coarse: xr.Dataset, members: Sequence[int], seed: int) -> xr.Dataset:
        """Return true members (realization, time, lat, lon) of the law given `coarse` fields, in physical units.

        Predictors of the law absent from `coarse` are those of this world on the same dates. Member m of a date is a
        pure function of (seed, m, date, coarse fields). Raises DataError if `coarse` is not on this world's grid.
        """
        law = _ground(self).law
        days = coarse["time"].values.astype("datetime64[D]").astype(np.int64).tolist()
        drawn = {name: np.empty((len(members), len(days), *self.shape), np.float32) for name in TARGETS}
        for step, (day, today) in enumerate(zip(days, self._predictors(coarse, days), strict=True)):
            conditional = law.given(today)
            for row, member in enumerate(members):
                sample = law.sample(conditional, generator(seed, Stream.MEMBERS, day, member))
                for name in TARGETS:
                    drawn[name][row, step] = sample[name]
        coordinates = _coordinates(_ground(self).land, "fine") | {"time": coarse["time"].variable}
        attributes = {"standard_name": "realization", "units": "1"}
        coordinates["realization"] = xr.Variable("realization", np.asarray(members, np.int32), attributes)
        dims = ("realization", "time", "lat", "lon")
        return xr.Dataset({name: (dims, drawn[name], attributes_of(name)) for name in TARGETS}, coordinates)

    def _predictors(self, coarse: xr.Dataset, days: list[int]) -> Iterator[dict[str, np.ndarray]]:
        expected = (len(days), *(side // self.factor for side in self.shape))
        given = {name: coarse[name].values for name in LAW_PREDICTORS if name in coarse}
        for name, values in given.items():
            if values.shape != expected:
                what = f"variable {name!r} has shape {values.shape}, this world expects {expected} (time, lat, lon)"
                raise DataError(Problem(21, WHERE, what, "use the options of the world the data come from"))
        if len(given) == len(LAW_PREDICTORS):
            yield from ({name: given[name][step] for name in given} for step in range(len(days)))
            return
        for step, own in enumerate(self.weather(days)):
            yield own | {name: values[step] for name, values in given.items()}


class _DailyArray(BackendArray):
    """One variable (time, y, x) of a world, made when indexed."""

    def __init__(self, world: World, part: str, name: str, shape: tuple[int, int, int]) -> None:
        self.world, self.part, self.name = world, part, name
        self.shape, self.dtype = shape, np.dtype(np.float32)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple[Any, ...]) -> np.ndarray:
        time, y, x = key
        days = self.world.days[time]
        make = self.world.weather if self.part == "coarse" else self.world.truth
        daily = [fields[self.name][y][..., x] for fields in make(np.atleast_1d(days).tolist())]
        if days.ndim == 0:
            return daily[0]
        template = np.empty(self.shape[1:], self.dtype)[y][..., x]
        return np.stack(daily) if daily else np.empty((0, *template.shape), self.dtype)


class _Ground(NamedTuple):
    land: Landscape
    waves: Waves
    law: Law


def attributes_of(name: str) -> dict[str, Any]:
    """Return the CF attributes of a variable of the embedded world."""
    standard_name, units, long_name = _NAMES[name]
    bounds = {"lower_bound": 0.0} if name == "pr" else {}
    methods = {} if name in STATIC else {"cell_methods": "time: mean"}
    return {"standard_name": standard_name, "units": units, "long_name": long_name} | methods | bounds


def _ground(world: World) -> _Ground:
    return _make_ground(world.shape, world.factor, world.spacing_km, world.seed)


@lru_cache(maxsize=4)
def _make_ground(shape: tuple[int, int], factor: int, spacing_km: float, seed: int) -> _Ground:
    land = make_landscape(shape, factor, spacing_km, seed)
    return _Ground(land, make_waves(land, seed), Law.on(land))


def _coordinates(land: Landscape, part: str) -> dict[str, xr.Variable]:
    lat, lon = (land.coarse_lat, land.coarse_lon) if part == "coarse" else (land.fine_lat, land.fine_lon)
    return {
        "lat": xr.Variable("lat", lat, {"standard_name": "latitude", "units": "degrees_north", "axis": "Y"}),
        "lon": xr.Variable("lon", lon, {"standard_name": "longitude", "units": "degrees_east", "axis": "X"}),
    }


def _day(date: str) -> int:
    if not isinstance(date, str):
        raise ValueError(f"{date!r} is not a text")
    return int(np.datetime64(date, "D").astype(np.int64))


def _problems(world: World) -> Iterator[Problem]:
    """Yield what is wrong with the options of a world."""
    sides = world.size if isinstance(world.size, tuple) else (world.size, world.size)
    if len(sides) != 2 or not all(_is_integer(side) and 4 <= side <= 65536 for side in sides):
        yield Problem(37, WHERE, f"size is {world.size!r}, expected n or (ny, nx) in 4 to 65536", "set size: 64")
        return
    if not _is_integer(world.factor) or world.factor < 1 or any(side % world.factor for side in sides):
        what = f"factor is {world.factor!r}, expected a divisor of the size {sides}"
        yield Problem(20, WHERE, what, "set a factor that divides the size")
    if not _is_integer(world.seed) or not 0 <= world.seed < 2**63:
        yield Problem(37, WHERE, f"seed is {world.seed!r}, expected an integer in 0 to 2**63 - 1", "set seed: 0")
    largest = 2.0 * (_HIGHEST_LATITUDE - CENTER_LATITUDE) * KM_PER_DEGREE / max(sides)
    if not isinstance(world.spacing_km, int | float) or not 0.1 <= world.spacing_km <= largest:
        what = f"spacing_km is {world.spacing_km!r}, expected 0.1 to {largest:.1f} for {max(sides)} cells"
        yield Problem(17, WHERE, what, f"set spacing_km: {min(12.0, largest):.1f}")
    try:
        n_days = _day(world.end) - _day(world.start) + 1
    except ValueError as error:
        what = f"period {world.start!r} to {world.end!r}: {error}"
        yield Problem(43, WHERE, what, "write dates as 1991-01-01")
        return
    if n_days < 1:
        yield Problem(43, WHERE, f"start {world.start} is after end {world.end}", "set a later end")


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
