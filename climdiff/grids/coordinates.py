"""Where a data set keeps its horizontal coordinates: found by CF attributes first, by common names last."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, Literal

import numpy as np
import xarray as xr

from climdiff.errors import DataError, Problem

Axis = Literal["y", "x"]

_STANDARD_NAMES: Mapping[str, Axis] = {
    "latitude": "y",
    "grid_latitude": "y",
    "projection_y_coordinate": "y",
    "longitude": "x",
    "grid_longitude": "x",
    "projection_x_coordinate": "x",
}
_NORTH = frozenset({"degrees_north", "degree_north", "degrees_n", "degree_n", "degreesn", "degreen"})
_EAST = frozenset({"degrees_east", "degree_east", "degrees_e", "degree_e", "degreese", "degreee"})
_LATITUDE_NAMES = frozenset({"lat", "latitude", "nav_lat", "xlat", "lats"})
_LONGITUDE_NAMES = frozenset({"lon", "longitude", "nav_lon", "xlong", "lons"})
_NAMES: Mapping[str, Axis] = {
    **dict.fromkeys(_LATITUDE_NAMES | {"rlat", "y", "yc", "northing", "south_north", "nj", "j"}, "y"),
    **dict.fromkeys(_LONGITUDE_NAMES | {"rlon", "x", "xc", "easting", "west_east", "ni", "i"}, "x"),
}
_NOT_HORIZONTAL = frozenset({"time", "realization", "member", "number", "ensemble", "level", "plev", "height", "bnds"})
_DESCRIPTIVE = frozenset({"long_name", "units", "comment", "standard_name", "_FillValue", "missing_value"})


def is_latitude(coordinate: xr.DataArray) -> bool:
    """Return whether this is true latitude (not that of a rotated grid)."""
    return _is_geographic(coordinate, "latitude", _NORTH, _LATITUDE_NAMES)


def is_longitude(coordinate: xr.DataArray) -> bool:
    """Return whether this is true longitude (not that of a rotated grid)."""
    return _is_geographic(coordinate, "longitude", _EAST, _LONGITUDE_NAMES)


def is_circular(coordinate: xr.DataArray) -> bool:
    """Return whether positions along this coordinate are the same after 360 degrees: a longitude, true or rotated."""
    return is_longitude(coordinate) or coordinate.attrs.get("standard_name") == "grid_longitude"


def meaning(coordinate: xr.DataArray) -> str | None:
    """Return the standard name of a horizontal coordinate, given or told by units or name; None where nothing tells."""
    if is_latitude(coordinate) or is_longitude(coordinate):
        return "latitude" if is_latitude(coordinate) else "longitude"
    name = coordinate.attrs.get("standard_name")
    return name if name in _STANDARD_NAMES else None


def unwrapped(values: np.ndarray) -> np.ndarray:
    """Return longitudes [degrees] without the jump across 0 or 180 degrees."""
    steps = np.diff(values)
    return values if (steps > 0).all() or (steps < 0).all() else np.unwrap(values, period=360.0)


def _is_geographic(coordinate: xr.DataArray, name: str, units: frozenset[str], names: frozenset[str]) -> bool:
    if "standard_name" in coordinate.attrs:
        return coordinate.attrs["standard_name"] == name
    if "units" in coordinate.attrs and _units(coordinate) in _NORTH | _EAST:
        return _units(coordinate) in units
    return str(coordinate.name).lower() in names


def _units(coordinate: xr.DataArray) -> str:
    return str(coordinate.attrs.get("units", "")).strip().lower()


def axis_coordinate(ds: xr.Dataset, dim: Hashable) -> xr.DataArray | None:
    """Return the 1-D coordinate along `dim`: its own, or else the only horizontal one laid along it."""
    if dim in ds.coords:
        return ds.coords[dim] if ds.coords[dim].dims == (dim,) else None
    along = [c for c in ds.coords.values() if c.dims == (dim,) and (is_latitude(c) or is_longitude(c))]
    return along[0] if len(along) == 1 else None


def find_dims(ds: xr.Dataset, where: str) -> tuple[str, str]:
    """Return the names of the y-like and the x-like dimension.

    Raises:
        DataError: CD-036 where none or several would do.
    """
    found: dict[Axis, list[tuple[int, str]]] = {"y": [], "x": []}
    for dim in ds.sizes:
        evidence = _evidence(axis_coordinate(ds, dim), str(dim))
        if evidence is not None:
            found[evidence[1]].append((evidence[0], str(dim)))
    if not found["y"] and not found["x"]:
        return _last_two(ds, where)
    chosen: dict[Axis, str] = {}
    problems = []
    for axis, candidates in found.items():
        best = [dim for rank, dim in candidates if rank == min(candidates)[0]]
        if len(best) == 1:
            chosen[axis] = best[0]
        else:
            what = f"dimensions {best} could all be {axis}" if best else f"none of {list(ds.sizes)} is {axis}-like"
            problems.append(Problem(36, where, what, f"give the coordinate along it axis='{axis.upper()}'"))
    if problems:
        raise DataError(*problems)
    return chosen["y"], chosen["x"]


def _evidence(coordinate: xr.DataArray | None, dim: str) -> tuple[int, Axis] | None:
    """Return (rank, axis), rank 0 being the strongest evidence; None if nothing speaks for a horizontal dimension."""
    attrs = {} if coordinate is None else coordinate.attrs
    if attrs.get("standard_name") in _STANDARD_NAMES:
        return 0, _STANDARD_NAMES[attrs["standard_name"]]
    units = str(attrs.get("units", "")).strip().lower()
    if units in _NORTH | _EAST:
        return 1, "y" if units in _NORTH else "x"
    axis = str(attrs.get("axis", "")).upper()
    if axis:
        return (2, "y" if axis == "Y" else "x") if axis in ("Y", "X") else None
    name = (dim if coordinate is None else str(coordinate.name)).lower()
    return (3, _NAMES[name]) if name in _NAMES else None


def _last_two(ds: xr.Dataset, where: str) -> tuple[str, str]:
    for variable in ds.data_vars.values():
        dims = [str(dim) for dim in variable.dims if str(dim).lower() not in _NOT_HORIZONTAL]
        if len(dims) >= 2:
            return dims[-2], dims[-1]
    what = f"no horizontal dimensions found among {list(ds.sizes)}"
    raise DataError(Problem(36, where, what, "give the coordinates standard_name or axis attributes"))


def find_latlon(ds: xr.Dataset, y_dim: str, x_dim: str) -> tuple[xr.DataArray, xr.DataArray] | None:
    """Return the 2-D latitude and longitude over (y, x), or None where the data set has none."""
    flat = [ds[name] for name in ds.variables if set(ds[name].dims) == {y_dim, x_dim}]
    latitudes = [variable for variable in flat if is_latitude(variable)]
    longitudes = [variable for variable in flat if is_longitude(variable)]
    if len(latitudes) != 1 or len(longitudes) != 1:
        return None
    return latitudes[0].transpose(y_dim, x_dim), longitudes[0].transpose(y_dim, x_dim)


def find_mapping(ds: xr.Dataset, where: str) -> xr.DataArray | None:
    """Return the grid mapping variable, or None where the data set names none.

    Raises:
        DataError: CD-017 where a variable names a mapping that is not there, or where there are several.
    """
    named = set()
    for variable in ds.variables.values():
        reference = variable.attrs.get("grid_mapping", variable.encoding.get("grid_mapping"))
        if reference:
            named.add(str(reference).split()[0].rstrip(":"))
    absent = sorted(name for name in named if name not in ds.variables)
    if absent:
        what = f"the variables name the grid_mapping {absent} but there is no such variable"
        raise DataError(Problem(17, where, what, "keep that variable, as a coordinate of the data set"))
    if not named:
        named = {str(name) for name in ds.variables if "grid_mapping_name" in ds[name].attrs}
    if len(named) > 1:
        what = f"several grid mappings, {sorted(named)}, where one is expected"
        raise DataError(Problem(17, where, what, "drop those the variables do not use"))
    return ds[named.pop()] if named else None


def plain_mapping(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return grid mapping attributes as plain Python values, descriptions dropped."""
    plain = {}
    for key, value in sorted(attributes.items()):
        if key not in _DESCRIPTIVE:
            plain[key] = value if isinstance(value, str) else np.asarray(value).tolist()
    return plain


def check_axis(values: np.ndarray, name: str, where: str, *, is_circular: bool = False) -> np.ndarray:
    """Return a 1-D coordinate as float64, strictly monotonic, longitudes unwrapped across 0 or 180 degrees.

    Raises:
        DataError: CD-017 for no values or no numbers, CD-018 for a repeated value (0 and 360 both present count as
            one), CD-019 for values that go back and forth or leave a gap (a step 1.5 times its neighbor).
    """
    values = np.asarray(values)
    if values.dtype.kind not in "fiu" or not values.size:
        what = f"coordinate '{name}' has {values.size} values of type {values.dtype}, expected at least one number"
        raise DataError(Problem(17, where, what, "give the position of every row and column"))
    values = np.asarray(values, dtype=np.float64)
    if not np.isfinite(values).all():
        raise DataError(Problem(19, where, f"coordinate '{name}' has missing values", "fill in the coordinate"))
    if is_circular:
        values = unwrapped(values)
    if values.size < 2:
        return values
    steps = np.diff(values)
    scale = np.median(np.abs(steps))
    repeated = np.flatnonzero(np.abs(steps) <= 1e-3 * scale)
    if repeated.size or (is_circular and abs(values[-1] - values[0]) > 360.0 - 1e-3 * scale):
        first, second = (values[repeated[0]], values[repeated[0] + 1]) if repeated.size else (values[0], values[-1])
        what = f"coordinate '{name}' has the same position twice: {first:g} and {second:g}"
        raise DataError(Problem(18, where, what, "keep one of the two in the data"))
    size = np.abs(steps)
    turns = np.flatnonzero(np.sign(steps) != np.sign(np.median(steps)))
    wide = np.flatnonzero(np.maximum(size[1:], size[:-1]) > 1.5 * np.minimum(size[1:], size[:-1]))
    if turns.size or wide.size:
        at = turns[0] if turns.size else wide[0] + int(size[wide[0] + 1] > size[wide[0]])
        what = f"coordinate '{name}' jumps from {values[at]:g} to {values[at + 1]:g} at index {at}"
        what += f" where a step of about {np.median(steps):g} is expected"
        raise DataError(
            Problem(19, where, what, "supply the missing rows or columns, or choose a domain without the gap")
        )
    return values


def check_degrees(latitude: xr.DataArray, longitude: xr.DataArray, where: str) -> list[Problem]:
    """Return CD-017 problems: radians, latitudes beyond 90 degrees, longitudes out of [-360, 540]."""
    problems = []
    spans = float(latitude.max() - latitude.min()) / np.pi, float(longitude.max() - longitude.min()) / (2 * np.pi)
    is_globe_in_radians = all(0.95 < span < 1.005 for span in spans) and float(abs(latitude).max()) < 1.005 * np.pi / 2
    for coordinate, low, high in ((latitude, -90.0, 90.0), (longitude, -360.0, 540.0)):
        smallest, largest = float(coordinate.min()), float(coordinate.max())
        found = f"coordinate '{coordinate.name}' runs from {smallest:g} to {largest:g}"
        if _units(coordinate).startswith("rad") or is_globe_in_radians:
            problems.append(Problem(17, where, f"{found}, in radians", "convert it to degrees"))
        elif smallest < low - 1e-3 or largest > high + 1e-3:
            what = f"{found} degrees, expected within {low:g} to {high:g}"
            problems.append(Problem(17, where, what, "check that latitude and longitude are not swapped"))
    return problems
