"""Pairs a forecast with its truth, variable by variable, or says everything that keeps them apart.

Any ensemble with CF metadata will do, ours or not. Nothing is converted: units, times and grids must agree. Only the
order of dimensions and the direction of an axis are brought to those of the truth.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr

from climdiff.errors import DataError, Problem

REALIZATION_NAMES = ("realization", "number", "member", "ensemble")
BLOCK_BYTES = 64 * 2**20  # of forecast values in memory at a time
COORDINATE_TOLERANCE = 1e-3  # of a grid step: float32 copies of float64 coordinates agree (CD-016)
LISTED = 5  # times named in an error


@dataclass(frozen=True)
class Match:
    """One variable: `forecast` (realization, time, ...) and `truth` (time, ...) on the same times and cells, lazy."""

    forecast: xr.DataArray
    truth: xr.DataArray

    @property
    def n_members(self) -> int:
        """Number of members; a deterministic forecast has one."""
        return int(self.forecast.sizes[self.forecast.dims[0]])

    @property
    def times(self) -> xr.DataArray:
        """The time coordinate of the truth."""
        return self.truth[self.truth.dims[0]]

    def blocks(self) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        """Yield (slice of times, members (realization, time, ...), truth (time, ...)), in memory, of one float type.

        Both are float32 if either is: a value stored as float32 ties with itself. A block holds whole chunks where that
        fits in 64 MiB, and at least one time.
        """
        both = (self.forecast.dtype, self.truth.dtype)
        dtype = np.float32 if any(d.kind == "f" and d.itemsize <= 4 for d in both) else np.float64
        time = self.truth.dims[0]
        n_times = self.truth.sizes[time]
        per_time = self.n_members * np.dtype(dtype).itemsize * self.truth[:1].size
        length = max(1, BLOCK_BYTES // max(per_time, 1))
        chunk = self._chunk_length(time)
        length = length - length % chunk if length > chunk else length
        for start in range(0, n_times, length):
            span = slice(start, min(start + length, n_times))
            members = np.ascontiguousarray(self.forecast.isel({time: span}).values, dtype)
            yield span, members, np.ascontiguousarray(self.truth.isel({time: span}).values, dtype)

    def _chunk_length(self, time: Hashable) -> int:
        """Return how many times the stored or dask chunks of the forecast hold."""
        chunks = self.forecast.chunksizes.get(time) or self.forecast.encoding.get("preferred_chunks", {}).get(time, 1)
        return int(chunks[0] if isinstance(chunks, tuple) else chunks)


def match(forecast: xr.Dataset, truth: xr.Dataset) -> dict[str, Match]:
    """Return the variables that forecast and truth share, paired on equal times and cells.

    A variable counts when it has a time dimension in both and is no coordinate bound.

    Raises:
        DataError: All at once: no common variable or dimensions that do not fit (CD-036), units that differ (CD-029),
            repeated, unequal or unsorted times (CD-022, 023, 024), calendars that differ (CD-025), grids that differ
            (CD-021).
    """
    where = (_where(forecast, "forecast"), _where(truth, "truth"))
    names = [n for n in _scored(truth) if n in forecast.data_vars]
    if not names:
        what = f"no variable in common: forecast has {sorted(map(str, forecast.data_vars))}, truth {_scored(truth)}"
        raise DataError(Problem(36, where[0], what, f"rename one side so that {where[1]} holds the same variable"))
    problems: list[Problem] = []
    matches = {}
    for name in names:
        found = _match_one(forecast[name], truth[name], where[0])
        if isinstance(found, Match):
            matches[name] = found
        else:
            problems += [problem for problem in found if problem not in problems]
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


def _scored(truth: xr.Dataset) -> list[str]:
    bounds = {str(c.attrs.get("bounds", c.encoding.get("bounds"))) for c in truth.coords.values()}
    return [str(n) for n, v in truth.data_vars.items() if time_dim(v) is not None and v.ndim > 1 and n not in bounds]


def _match_one(forecast: xr.DataArray, truth: xr.DataArray, where: str) -> Match | list[Problem]:
    """Return the pair, or everything wrong with it."""
    name, time = truth.name, time_dim(truth)
    cells = [dim for dim in truth.dims if dim != time]
    realization = realization_dim(forecast)
    expected = {time, *cells} | ({realization} if realization is not None else set())
    if set(forecast.dims) != expected:
        what = (
            f"variable '{name}': dimensions {forecast.dims}, expected {tuple(truth.dims)} and one that counts members"
        )
        return [Problem(36, where, what, "select or rename dimensions; mark members with standard_name 'realization'")]
    problems = _unit_problems(forecast, truth, where) + _time_problems(forecast[time], truth[time], name, where)
    if realization is None:
        realization = "realization"
        forecast = forecast.expand_dims(realization)
    forecast = _turned(forecast.transpose(realization, time, *cells), truth, cells)
    truth = truth.transpose(time, *cells)
    problems += _grid_problems(forecast, truth, cells, where)
    return problems or Match(forecast, truth)


def _unit_problems(forecast: xr.DataArray, truth: xr.DataArray, where: str) -> list[Problem]:
    units = (forecast.attrs.get("units"), truth.attrs.get("units"))
    if units[0] == units[1]:
        return []
    what = f"variable '{truth.name}': forecast has units {units[0]!r}, truth has {units[1]!r}"
    return [Problem(29, where, what, "convert one of them and set its units attribute")]


def _time_problems(forecast: xr.DataArray, truth: xr.DataArray, name: Hashable, where: str) -> list[Problem]:
    """Return what keeps two time axes from being one and the same."""
    at = f"variable '{name}', coordinate '{truth.name}'"
    calendars = (forecast.dt.calendar, truth.dt.calendar) if _is_dates(forecast) and _is_dates(truth) else ("", "")
    if calendars[0] != calendars[1] or forecast.dtype.kind != truth.dtype.kind:
        what = f"{at}: forecast has calendar {calendars[0] or forecast.dtype}, truth {calendars[1] or truth.dtype}"
        return [Problem(25, where, what, "bring both to one calendar")]
    ours, theirs = forecast.values, truth.values
    problems = []
    for side, times in (("forecast", ours), ("truth", theirs)):
        unique, counts = np.unique(times, return_counts=True)
        if len(unique) < len(times):
            what = f"{at}: {side} repeats {listed(unique[counts > 1])}"
            problems.append(Problem(22, where, what, "keep each time once"))
    if problems or np.array_equal(ours, theirs):
        return problems
    alone, missing = np.setdiff1d(ours, theirs), np.setdiff1d(theirs, ours)
    if not len(alone) and not len(missing):
        return [
            Problem(24, where, f"{at}: times in another order than those of the truth", f"sort both by '{truth.name}'")
        ]
    sides = [f"{len(t)} ({listed(t)})" if len(t) else "none" for t in (alone, missing)]
    what = f"{at}: times only in the forecast: {sides[0]}; only in the truth: {sides[1]}"
    return [Problem(23, where, what, "select the same times on both sides")]


def _is_dates(times: xr.DataArray) -> bool:
    return times.dtype.kind == "M" or (times.size > 0 and hasattr(times.values.flat[0], "calendar"))


def _turned(forecast: xr.DataArray, truth: xr.DataArray, cells: list[Hashable]) -> xr.DataArray:
    """Return the forecast with every axis running as that of the truth does."""
    for dim in cells:
        if dim in forecast.coords and dim in truth.coords and truth.sizes[dim] > 1:
            ends = (forecast[dim].values[[0, -1]], truth[dim].values[[0, -1]])
            if (ends[0][0] < ends[0][1]) != (ends[1][0] < ends[1][1]):
                forecast = forecast.isel({dim: slice(None, None, -1)})
    return forecast


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
        if mine is None or not theirs.dims or not set(theirs.dims) <= set(cells) or theirs.dtype.kind not in "fiu":
            continue
        ours = np.asarray(mine.transpose(*theirs.dims).values, np.float64)
        values = np.asarray(theirs.values, np.float64)
        step = max((np.median(np.abs(np.diff(values, axis=i))) for i, n in enumerate(values.shape) if n > 1), default=1)
        apart = ~(np.abs(ours - values) <= COORDINATE_TOLERANCE * step)
        if apart.any():
            cell = np.unravel_index(apart.argmax(), apart.shape)
            both = f"{ours[cell]:.8g} in the forecast, {values[cell]:.8g} in the truth"
            what = f"variable '{truth.name}', coordinate '{name}': {both}"
            problems.append(Problem(21, where, what, "put both on one grid"))
    return problems
