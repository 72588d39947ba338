"""Pairs a forecast with its truth, variable by variable, or says everything that keeps them apart.

Any ensemble with CF metadata will do, ours or not. Nothing is converted: units, however spelled, times and grids must
agree. Only the order of dimensions, of times and of the cells along an axis is made that of the truth.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import cftime
import numpy as np
import xarray as xr

from climdiff.catalog import stand_ins
from climdiff.catalog.units import conversion
from climdiff.data.inputs import in_memory
from climdiff.data.times import iso_dates, pair_times
from climdiff.errors import DataError, Problem
from climdiff.grids.coordinates import is_circular
from climdiff.grids.orientation import ordered_as

REALIZATION_NAMES = ("realization", "number", "member", "ensemble")
BLOCK_BYTES = 64 * 2**20  # of forecast values in memory at a time
COORDINATE_TOLERANCE = 1e-3  # of a grid step: float32 copies of float64 coordinates agree (CD-016)
LISTED = 5  # times named in an error
ROLES = ("forecast", "truth")  # what fields are called that come from no file


@dataclass(frozen=True)
class Match:
    """One variable of forecast and truth on the same times and cells, as lazy as it was given.

    `realization` is None for a deterministic forecast. `where` is what to call the two in messages. Dimensions stay in
    the order they are stored in until a block is in memory: a lazy array turned around is read cell by cell.
    """

    forecast: xr.DataArray
    truth: xr.DataArray
    realization: Hashable | None
    time: Hashable
    where: tuple[str, str]

    @property
    def n_members(self) -> int:
        """Number of members; a deterministic forecast has one."""
        return 1 if self.realization is None else int(self.forecast.sizes[self.realization])

    @property
    def times(self) -> xr.DataArray:
        """The time coordinate of the truth."""
        return self.truth[self.time]

    @property
    def cells(self) -> dict[Hashable, int]:
        """The horizontal dimensions, in the order of the truth, and their sizes."""
        return {dim: size for dim, size in self.truth.sizes.items() if dim != self.time}

    def blocks(self) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        """Yield (slice of times, members (realization, time, ...), truth (time, ...)), in memory, of one float type.

        Both are float32 if either is: a value stored as float32 ties with itself. A block holds whole chunks where that
        fits in 64 MiB, and at least one time.
        """
        per_time = self.n_members * self.dtype.itemsize * math.prod(self.cells.values())
        length = max(1, BLOCK_BYTES // max(per_time, 1))
        chunk = self._chunk_length()
        length = length - length % chunk if length > chunk else length
        for start in range(0, self.times.size, length):
            span = slice(start, min(start + length, self.times.size))
            yield span, *self.read(span)

    def read(self, span: slice) -> tuple[np.ndarray, np.ndarray]:
        """Return members (realization, time, ...) and truth (time, ...) of a span of times, as `blocks` has them.

        Raises:
            DataError: CD-032, numbers that stand for missing values; CD-005, a damaged file.
        """
        members = _read(self.forecast.isel({self.time: span}), self.where[0])
        truth = self.truth_at(span)
        problems = [*self._stand_ins(members, self.where[0]), *self._stand_ins(truth, self.where[1])]
        if problems:
            raise DataError(*problems)
        members = members.expand_dims("realization") if self.realization is None else members
        members = members.transpose(self.realization or "realization", self.time, *self.cells)
        truth = truth.transpose(self.time, *self.cells)
        return np.ascontiguousarray(members.values, self.dtype), np.ascontiguousarray(truth.values, self.dtype)

    def truth_at(self, span: slice) -> xr.DataArray:
        """Return the truth of a span of times, as it is stored, in memory; CD-005 where its file is damaged."""
        return _read(self.truth.isel({self.time: span}), self.where[1])

    @property
    def dtype(self) -> np.dtype[np.floating]:
        """The float type of values in memory."""
        both = (self.forecast.dtype, self.truth.dtype)
        return np.dtype(np.float32 if any(d.kind == "f" and d.itemsize <= 4 for d in both) else np.float64)

    def _stand_ins(self, block: xr.DataArray, where: str) -> list[Problem]:
        found = stand_ins.listed(stand_ins.stand_ins(block.values))
        if not found:
            return []
        first, last = (iso_dates(block[self.time], [place]) for place in (0, -1))
        what = f"variable '{block.name}' has values that stand for missing ones: {found} from {first} to {last}"
        fix = "mark missing cells with the attribute _FillValue, or choose a larger unit if they are values"
        return [Problem(32, where, what, fix)]

    def _chunk_length(self) -> int:
        """Return how many times the stored or dask chunks of the forecast hold."""
        stored = self.forecast.encoding.get("preferred_chunks", {}).get(self.time, 1)
        chunks = self.forecast.chunksizes.get(self.time, stored)
        return int(chunks[0] if isinstance(chunks, tuple) else chunks)


def match(forecast: xr.Dataset, truth: xr.Dataset) -> dict[str, Match]:
    """Return the variables that forecast and truth share, paired on equal times and cells.

    A variable counts when it has a time dimension in both, is no coordinate bound and holds no dates.

    Raises:
        DataError: All at once: no common variable or dimensions that do not fit (CD-036), units that differ (CD-029),
            times that are not the same dates (CD-022 to CD-027, see `pair_times`), grids that differ (CD-021).
    """
    where = (_where(forecast, ROLES[0]), _where(truth, ROLES[1]))
    names = [n for n in _scored(truth) if n in forecast.data_vars]
    if not names:
        what = f"no variable in common: forecast has {sorted(map(str, forecast.data_vars))}, truth {_scored(truth)}"
        raise DataError(Problem(36, where[0], what, f"rename one side so that {where[1]} holds the same variable"))
    problems: list[Problem] = []
    matches = {}
    forecast = ordered_as(forecast, truth)
    for name in names:
        try:
            matches[name] = _match_one(forecast[name], truth[name], where)
        except DataError as error:
            problems += [problem for problem in error.problems if problem not in problems]
    for what, attribute in (("members", "realization"), ("times", "time")):
        named = {str(dim): name for name, pair in matches.items() if (dim := getattr(pair, attribute)) is not None}
        if len(named) > 1:
            both = " and ".join(f"by '{dim}' in variable '{name}'" for dim, name in named.items())
            problems.append(Problem(36, where[0], f"{what} are counted {both}", "give them one dimension"))
    if problems:
        raise DataError(*problems)
    return matches


def realization_dim(values: xr.DataArray) -> Hashable | None:
    """Return the dimension that counts members, or None: by standard_name, by axis E, then by a usual name."""
    for dim in values.dims:
        attrs = values[dim].attrs if dim in values.coords else {}
        if attrs.get("standard_name") == "realization" or attrs.get("axis") == "E":
            return dim
    return next((dim for dim in values.dims if str(dim).lower() in REALIZATION_NAMES), None)


def time_dim(values: xr.DataArray) -> Hashable | None:
    """Return the dimension of time, or None: by standard_name or axis T, by date values, then by its name."""
    for dim in values.dims:
        if dim not in values.coords:
            continue
        coordinate = values[dim]
        is_date = coordinate.dtype.kind == "M" or (coordinate.size > 0 and hasattr(coordinate.values[0], "calendar"))
        if coordinate.attrs.get("standard_name") == "time" or coordinate.attrs.get("axis") == "T" or is_date:
            return dim
    return "time" if "time" in values.dims else None


def incomplete(members: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return (time,) bool: True where a member misses a cell that others or the truth have, or is infinite.

    A cell missing in all members is fine where the truth misses it too: it is masked.
    """
    n_finite = np.zeros(truth.shape, np.int64)
    for member in members:
        n_finite += np.isfinite(member)
    bad = (n_finite < len(members)) & ~((n_finite == 0) & np.isnan(truth) & ~np.isinf(members).any(axis=0))
    return np.asarray(bad.reshape(len(truth), -1).any(axis=1))


def listed(times: np.ndarray) -> str:
    """Return a few times as text, and how many more there are."""
    shown = ", ".join(str(time)[:19] for time in times[:LISTED])
    return shown + (f" and {len(times) - LISTED} more" if len(times) > LISTED else "")


def _where(dataset: xr.Dataset, role: str) -> str:
    return str(dataset.encoding.get("source", role))


def _read(values: xr.DataArray, where: str) -> xr.DataArray:
    """Return the values, read. What is raised where fields are made as they are read is no damage to a file."""
    return values.compute() if where in ROLES else in_memory(values, where)


def _scored(truth: xr.Dataset) -> list[str]:
    bounds = {str(c.attrs.get("bounds", c.encoding.get("bounds"))) for c in truth.coords.values()}
    fields = {str(n): v for n, v in truth.data_vars.items() if time_dim(v) is not None and v.ndim > 1}
    return [name for name, values in fields.items() if name not in bounds and not _holds_dates(values)]


def _holds_dates(values: xr.DataArray) -> bool:
    if values.dtype.kind != "O" or not values.size:
        return values.dtype.kind in "mM"
    return isinstance(values[(0,) * values.ndim].values.item(), cftime.datetime | timedelta)


def _match_one(forecast: xr.DataArray, truth: xr.DataArray, where: tuple[str, str]) -> Match:
    """Return the pair, or raise everything wrong with it."""
    time, name = time_dim(truth), truth.name
    cells = [dim for dim in truth.dims if dim != time]
    realization = realization_dim(forecast)
    if time is None or set(forecast.dims) != {time, *cells} | ({realization} - {None}):
        what = f"variable '{name}': dimensions {forecast.dims}, expected {truth.dims} and one that counts members"
        fix = "select or rename dimensions; mark members with standard_name 'realization'"
        raise DataError(Problem(36, where[0], what, fix))
    if realization is not None and not forecast.sizes[realization]:
        what = f"variable '{name}': no members, dimension '{realization}' has length 0"
        raise DataError(Problem(36, where[0], what, "give at least one member"))
    problems = [*_no_numbers(forecast, where[0]), *_no_numbers(truth, where[1])]
    problems += _unit_problems(forecast, truth, where[0])
    try:
        forecast, truth = _same_times(forecast, truth, time, where)
    except DataError as error:
        problems += error.problems
    problems += _grid_problems(forecast, truth, cells, where[0])
    if problems:
        raise DataError(*problems)
    return Match(forecast, truth, realization, time, where)


def _no_numbers(values: xr.DataArray, where: str) -> list[Problem]:
    if values.dtype.kind in "fiub":
        return []
    what = f"variable '{values.name}' has type {values.dtype}, expected numbers"
    return [Problem(17, where, what, "convert the values to float, or leave the variable out")]


def _unit_problems(forecast: xr.DataArray, truth: xr.DataArray, where: str) -> list[Problem]:
    units = (forecast.attrs.get("units"), truth.attrs.get("units"))
    if units[0] == units[1] or conversion(*map(str, units)) == (1.0, 0.0):
        return []
    what = f"variable '{truth.name}': forecast has units {units[0]!r}, truth has {units[1]!r}"
    return [Problem(29, where, what, "convert one of them and set its units attribute")]


def _same_times(
    forecast: xr.DataArray, truth: xr.DataArray, time: Hashable, where: tuple[str, str]
) -> tuple[xr.DataArray, xr.DataArray]:
    """Return both sorted by date, at exactly the same dates."""
    if not forecast.sizes[time] or not truth.sizes[time]:
        raise DataError(Problem(23, where[0], f"variable '{truth.name}': no times to score", "give at least one time"))
    ours, theirs = pair_times(forecast[time], truth[time], where)
    return _at(forecast, time, ours), _at(truth, time, theirs)


def _at(values: xr.DataArray, time: Hashable, positions: np.ndarray) -> xr.DataArray:
    """Return the values at those times; in their own order they stay plain slices of what is stored."""
    if np.array_equal(positions, np.arange(values.sizes[time])):
        return values
    return values.isel({time: positions})


def _grid_problems(forecast: xr.DataArray, truth: xr.DataArray, cells: list[Hashable], where: str) -> list[Problem]:
    """Return where cells differ: in number, or in any numeric coordinate that both sides have."""
    problems = []
    for dim in cells:
        if forecast.sizes[dim] != truth.sizes[dim]:
            sizes = f"{forecast.sizes[dim]} cells in the forecast, {truth.sizes[dim]} in the truth"
            what = f"variable '{truth.name}', coordinate '{dim}': {sizes}"
            problems.append(Problem(21, where, what, "put both on one grid"))
    for name in () if problems else truth.coords:
        mine, theirs = forecast.coords.get(name), truth[name]
        if mine is None or not theirs.dims or not set(theirs.dims) <= set(cells):
            continue
        if name in cells and theirs.dtype.kind in "OSU" and not np.array_equal(mine.values, theirs.values):
            what = f"variable '{truth.name}', coordinate '{name}': other names, or in another order, than in the truth"
            problems.append(Problem(21, where, what, "give the same stations in the same order"))
        if theirs.dtype.kind not in "fiu":
            continue
        ours = np.asarray(mine.transpose(*theirs.dims).values, np.float64)
        values = np.asarray(theirs.values, np.float64)
        step = max((np.median(np.abs(np.diff(values, axis=i))) for i, n in enumerate(values.shape) if n > 1), default=1)
        distance = np.abs(ours - values)
        if is_circular(mine) and is_circular(theirs):
            distance = np.abs((distance + 180.0) % 360.0 - 180.0)
        apart = ~(distance <= COORDINATE_TOLERANCE * step)
        if apart.any():
            cell = np.unravel_index(apart.argmax(), apart.shape)
            both = f"{ours[cell]:.8g} in the forecast, {values[cell]:.8g} in the truth"
            what = f"variable '{truth.name}', coordinate '{name}': {both}"
            problems.append(Problem(21, where, what, "put both on one grid"))
    return problems
