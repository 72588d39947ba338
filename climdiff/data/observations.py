"""Observations at stations: read, checked, put into cells, and brought to network space with their errors."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from climdiff.catalog.units import conversion
from climdiff.data.encoder import Encoder
from climdiff.data.inputs import Attributes, in_memory, time_problems, value_problems
from climdiff.data.times import among, microseconds, numbered
from climdiff.errors import DataError, Problem
from climdiff.grids.coordinates import is_latitude, is_longitude
from climdiff.grids.grid import Grid, to_native


class Cells(NamedTuple):
    """Observations in network space: indices into the flattened (channel, y, x), values and error variances."""

    places: Tensor
    values: Tensor
    variances: Tensor


@dataclass(frozen=True, eq=False)
class Observations:
    """Observed values and errors by target, physical units, on the cells that have any.

    Stations in one cell are one observation there: their mean, weighted by the inverse of the error variances.

    Attributes:
        times: Dates, (time,).
        cells: Indices into the flattened (y, x), (cell,).
        values: By target (time, cell); NaN where nothing was observed.
        errors: Standard deviations of the errors, as `values`.
        lowest: Least value a target has by nature, by target.
        hash: Of all values, errors, cells and dates.
    """

    times: xr.DataArray
    cells: np.ndarray
    values: Mapping[str, np.ndarray]
    errors: Mapping[str, np.ndarray]
    lowest: Mapping[str, float]
    hash: str

    @classmethod
    def from_dataset(cls, stations: xr.Dataset, grid: Grid, targets: Attributes, where: str) -> Observations:
        """Return the observations of a data set (CF time series of stations) for the cells of `grid`.

        Args:
            stations: For each target observed a variable (time, station), with units, and its error `<name>_error`
                (standard deviation, same units; any of the two dimensions or none); latitude and longitude by
                station, or positions named as the axes of the grid. A missing value is no observation.
            grid: Of the fields to be drawn.
            targets: Attributes of the targets by name: units, plausible range.
            where: What to call the data set in messages.

        Raises:
            DataError: everything wrong with it: CD-036 no target or a part absent, CD-029 other units, CD-030 values
                out of range or errors that are not positive, CD-073 stations outside the domain, CD-022 to CD-026
                dates.
        """
        if not isinstance(stations, xr.Dataset):
            raise DataError(
                Problem(17, where, f"is a {type(stations).__name__}, expected an xarray Dataset", "wrap it")
            )
        names = [name for name in targets if name in stations.data_vars]
        loaded = in_memory(stations, where)
        problems = time_problems(loaded, where)
        if not names:
            what = f"has none of the variables {', '.join(targets)}; found {', '.join(map(str, stations.data_vars))}"
            problems.append(Problem(36, where, what, "name at least one as the targets of the model"))
        for name in names:
            problems += _problems(loaded, name, targets[name], where)
        if names and not any(bool(loaded[name].notnull().any()) for name in names):
            problems.append(Problem(33, where, f"not one value of {', '.join(names)}", "leave the file out"))
        if problems:
            raise DataError(*problems)
        index = _cells_of(loaded, grid, where)
        cells, place = np.unique(index, return_inverse=True)
        pooled = {name: _pooled(loaded, name, place, cells.size) for name in names}
        values, errors = ({name: pair[part] for name, pair in pooled.items()} for part in (0, 1))
        lowest = {name: float(targets[name].get("lower_bound", -np.inf)) for name in names}
        digest = hashlib.sha256(str([names, microseconds(loaded["time"]).tolist(), cells.tolist()]).encode())
        for name in names:
            digest.update(values[name].tobytes() + errors[name].tobytes())
        return cls(loaded["time"], cells, values, errors, lowest, digest.hexdigest())

    def observed(self, times: xr.DataArray) -> np.ndarray:
        """Return which of the dates have an observation, (time,) bool.

        Raises:
            DataError: CD-025 another calendar.
        """
        has_any = np.any([np.isfinite(values).any(axis=1) for values in self.values.values()], axis=0)
        return among(times, self.times, "observations") & np.isin(
            microseconds(times), microseconds(self.times)[has_any]
        )

    def in_network_space(self, encoder: Encoder, guess: xr.Dataset, at: Sequence[int]) -> Cells:
        """Return the observations of a batch whose elements have the dates at positions `at` of `guess`.

        An error is carried through the transform by the difference it makes there, within what is possible. Where the
        transform tells no difference, as below the threshold of a wet day, the value is exact.

        Returns:
            Indices (observation,), values and variances (batch, observation); NaN where nothing was observed.
        """
        dates = guess["time"].isel(time=list(at))
        numbers = microseconds(self.times)
        row = np.searchsorted(numbers, microseconds(dates)).clip(max=numbers.size - 1)
        is_there = numbers[row] == microseconds(dates)
        chosen = numbered(guess, at)
        middle, low, high = ({}, {}, {})
        for name, values in self.values.items():
            value = np.where(is_there[:, None], values[row], np.nan)
            error = self.errors[name][row]
            middle[name], high[name] = value, value + error
            low[name] = np.maximum(value - error, self.lowest[name])
        scaled = [self._scaled(each, encoder, chosen) for each in (middle, low, high)]
        shares = [_share(self.errors[name][row], high[name] - low[name]) for name in self.values]
        spread = (scaled[2] - scaled[1]) * torch.from_numpy(np.concatenate(shares, axis=1)).float()
        channels = [encoder.targets.index(name) for name in self.values]
        index = np.concatenate([channel * np.prod(encoder.grid.shape) + self.cells for channel in channels])
        return Cells(torch.from_numpy(index.astype(np.int64)), scaled[0], spread**2)

    def _scaled(self, values: Mapping[str, np.ndarray], encoder: Encoder, guess: xr.Dataset) -> Tensor:
        """Return values (batch, cell) by target in network space, (batch, targets observed times cells)."""
        dims = ("time", encoder.grid.y_dim, encoder.grid.x_dim)
        sizes = (guess.sizes["time"], *encoder.grid.shape)
        fields = {}
        for name in encoder.targets:
            field = np.full((sizes[0], sizes[1] * sizes[2]), np.nan)
            if name in values:
                field[:, self.cells] = values[name]
            fields[name] = (dims, field.reshape(sizes))
        whole = encoder.grid.attach(xr.Dataset(fields, coords={"time": guess["time"]}))
        scaled = encoder.target(whole, guess).flatten(2)
        return torch.cat([scaled[:, encoder.targets.index(name), self.cells] for name in values], dim=1)


def _share(error: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Return error over width; 0 where an error is so small that the width has vanished: an exact value."""
    return np.divide(error, width, out=np.where(np.isfinite(error), 0.0, np.nan), where=width > 0)


def _problems(stations: xr.Dataset, name: str, wanted: Mapping[str, Any], where: str) -> list[Problem]:
    field, error = stations[name], f"{name}_error"
    if set(field.dims) != {"time", "station"}:
        what = f"variable '{name}' has dimensions {field.dims}, expected time and station"
        return [Problem(17, where, what, "rename or select dimensions")]
    if error not in stations:
        what = f"variable '{error}', the standard deviation of the error of '{name}', is absent"
        return [Problem(36, where, what, f"add it in units of '{name}': instrument, and point against cell mean")]
    problems = []
    for each in (name, error):
        if not set(stations[each].dims) <= {"time", "station"}:
            what = f"variable '{each}' has dimensions {stations[each].dims}, expected time, station, both or none"
            problems.append(Problem(17, where, what, "rename or select dimensions"))
        if stations[each].dtype.kind not in "fiu":
            what = f"variable '{each}' has type {stations[each].dtype}, expected numbers"
            problems.append(Problem(17, where, what, "convert the values to float"))
    if problems:
        return problems
    for each in (name, error):
        units = str(stations[each].attrs.get("units"))
        if conversion(units, str(wanted.get("units"))) != (1.0, 0.0):
            what = f"variable '{each}' has units {units!r}, the model was trained with {wanted.get('units')!r}"
            problems.append(Problem(29, where, what, "convert the values and set the attribute 'units'"))
    values, errors = xr.broadcast(field, stations[error])
    is_bad = values.notnull() & ~((errors > 0) & np.isfinite(errors))
    if bool(is_bad.any()):
        what = f"{int(is_bad.sum())} values of '{name}' have an error that is not a positive number"
        problems.append(Problem(30, where, what, f"give every value a standard deviation in '{error}'"))
    return problems + value_problems(field, wanted, where)


def _cells_of(stations: xr.Dataset, grid: Grid, where: str) -> np.ndarray:
    """Return the cell each station lies in, (station,), as an index into the flattened (y, x)."""
    given = _given_positions(stations, grid, where)
    y, x = (each.values.astype(np.float64) for each in given)
    if given[0].name != grid.y_dim:
        y, x = to_native(grid, y, x)
    if grid.kind in ("latlon", "rotated"):
        middle = float(np.mean(grid.bounds_x()[[0, -1]]))
        x = (x - middle + 180.0) % 360.0 - 180.0 + middle
    rows, columns = _between(grid.bounds_y(), y), _between(grid.bounds_x(), x)
    outside = np.flatnonzero((rows < 0) | (columns < 0))
    if outside.size:
        first = outside[0]
        said = ", ".join(f"{each.name} {each.values[first]:g}" for each in given)
        what = (
            f"{outside.size} of {y.size} stations are outside the domain, the first, number {first}, at {said}; it "
            f"reaches from {grid.y_dim} {grid.bounds_y().min():g} to {grid.bounds_y().max():g} and from {grid.x_dim} "
            f"{grid.bounds_x().min():g} to {grid.bounds_x().max():g}"
        )
        raise DataError(Problem(73, where, what, "leave these stations out"))
    return rows * grid.shape[1] + columns


def _given_positions(stations: xr.Dataset, grid: Grid, where: str) -> tuple[xr.DataArray, xr.DataArray]:
    """Return the positions as the data set has them: along the axes of the grid, else latitude and longitude."""
    fields = [stations[name] for name in stations.variables if stations[name].dims == ("station",)]
    y, x = (next((each for each in fields if each.name == name), None) for name in (grid.y_dim, grid.x_dim))
    problems = []
    if y is None or x is None:
        y, x = (next((each for each in fields if is_it(each)), None) for is_it in (is_latitude, is_longitude))
    else:
        problems += [_other_units(each, grid.coordinates[each.name], where) for each in (y, x)]
    if y is None or x is None or (y.name != grid.y_dim and grid.latlon() is None):
        have = "latitude and longitude, or " if grid.latlon() is not None else ""
        what = f"has no positions: expected {have}'{grid.y_dim}' and '{grid.x_dim}', by station"
        raise DataError(Problem(36, where, what, "add them as coordinates of dimension 'station'"))
    for each in (y, x):
        if each.dtype.kind not in "fiu":
            what = f"positions '{each.name}' have type {each.dtype}, expected numbers"
            fix = "give degrees north and east as numbers, or coordinates along the axes of the grid"
            problems.append(Problem(17, where, what, fix))
    found = [problem for problem in problems if problem]
    if found:
        raise DataError(*found)
    return y, x


def _other_units(found: xr.DataArray, wanted: xr.DataArray, where: str) -> Problem | None:
    units = str(found.attrs.get("units", "")), str(wanted.attrs.get("units", ""))
    if "" in units or conversion(*units) == (1.0, 0.0) or {axis.split("_")[0] for axis in units} == {"degrees"}:
        return None
    what = f"positions '{found.name}' have units {units[0]!r}, the grid has {units[1]!r}"
    return Problem(29, where, what, "convert the positions")


def _between(edges: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Return the number of the cell of an axis each position lies in, -1 outside; edges may fall."""
    rising = edges if edges[-1] > edges[0] else edges[::-1]
    number = np.searchsorted(rising, positions, side="right") - 1
    number[positions == rising[-1]] = rising.size - 2
    number = np.where((number < 0) | (number > rising.size - 2) | ~np.isfinite(positions), -1, number)
    return number if edges[-1] > edges[0] else np.where(number < 0, -1, rising.size - 2 - number)


def _pooled(stations: xr.Dataset, name: str, place: np.ndarray, n_cells: int) -> tuple[np.ndarray, np.ndarray]:
    """Return value and error by date and cell, (time, cell) each, of all stations there."""
    values, errors = xr.broadcast(stations[name].astype(np.float64), stations[f"{name}_error"].astype(np.float64))
    value, error = (each.transpose("time", "station").values for each in (values, errors))
    error = np.where(np.isfinite(value), error, np.inf)
    least = np.full((value.shape[0], n_cells), np.inf)
    for station, cell in enumerate(place):
        least[:, cell] = np.minimum(least[:, cell], error[:, station])
    # relative to the surest in the cell: squares of tiny errors would vanish
    with np.errstate(invalid="ignore"):
        weight = np.nan_to_num(least[:, place] / error, nan=0.0) ** 2
    sums = np.zeros((2, value.shape[0], n_cells))
    for station, cell in enumerate(place):
        sums[0, :, cell] += weight[:, station]
        sums[1, :, cell] += weight[:, station] * np.nan_to_num(value[:, station])
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(sums[0] > 0, sums[1] / sums[0], np.nan), np.where(sums[0] > 0, least * sums[0] ** -0.5, np.nan)
