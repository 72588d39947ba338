"""What predictors must be before a trained model takes them; a user's own files come this way too."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import cftime
import numpy as np
import xarray as xr

from climdiff.catalog.chunks import absent_chunks
from climdiff.catalog.lazy import damaged
from climdiff.catalog.locations import netcdf_problem
from climdiff.catalog.plausibility import implausible_at_any_time
from climdiff.catalog.quality import Scan
from climdiff.catalog.stand_ins import listed
from climdiff.catalog.units import conversion
from climdiff.data.times import iso_dates
from climdiff.errors import DataError, Problem

TEXTS = ("units", "standard_name", "long_name", "axis")
"""Attributes that say what a variable is."""
Attributes = Mapping[str, Mapping[str, Any]]
"""Attributes by variable."""
Values = TypeVar("Values", xr.Dataset, xr.DataArray)


def open_file(path: Path, chunks: dict[str, int] | None = None) -> xr.Dataset:
    """Return a user's own netCDF file or zarr store, lazily; `chunks` as xarray takes them.

    Coordinates that only attributes name (grid mapping, 2-D latitude, cell bounds) come along as coordinates. Those of
    at most two dimensions are read.

    Raises:
        DataError: CD-012 nothing there, CD-008 not a data set, CD-007 a netCDF file cut short, CD-005 coordinates that
            cannot be read, CD-003 a zarr store without chunks that would be read as numbers, CD-017 an attribute that
            says what a variable is and is no text.
    """
    opened = _opened(path, chunks)
    found = [
        f"variable '{name}': attribute '{key}' is of type {type(value).__name__}, expected a text"
        for name, variable in opened.variables.items()
        for key, value in variable.attrs.items()
        if key in TEXTS and not (value is None or np.isscalar(value))
    ]
    if found:
        raise DataError(*(Problem(17, str(path), what, "set it to one text") for what in found))
    small = [name for name, coordinate in opened.coords.items() if coordinate.ndim <= 2]
    return opened.assign_coords(in_memory(opened[small], str(path)).coords)


def _opened(path: Path, chunks: dict[str, int] | None) -> xr.Dataset:
    if not path.exists():
        raise DataError(Problem(12, str(path), "no such file or store", "check the path"))
    if not (path.is_file() or path.is_dir()):
        raise DataError(
            Problem(8, str(path), "is neither a file nor a folder", "give a CF netCDF file or a zarr store")
        )
    if path.is_file() and (problem := netcdf_problem(path)):
        raise DataError(problem)
    try:
        if path.is_dir():
            # Without an answer, xarray looks for consolidated metadata and warns where there are none.
            consolidated = (path / ".zmetadata").is_file()
            content = xr.open_zarr(path, chunks=chunks, decode_coords="all", consolidated=consolidated)
            problems = absent_chunks(path, content, content.variables)
            if problems:
                raise DataError(*problems)
            return content
        return xr.open_dataset(path, engine="netcdf4", chunks=chunks, decode_coords="all")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        what = f"cannot be opened as {'zarr' if path.is_dir() else 'netCDF'} ({error})"
        raise DataError(Problem(8, str(path), what, "give a CF netCDF file or a zarr store")) from error
    except RuntimeError as error:
        raise DataError(damaged(str(path), error)) from error


def resolved(coarse: xr.Dataset, predictors: Attributes) -> xr.Dataset:
    """Return the data with a variable of another name called as the absent predictor whose standard_name it alone has.

    Nothing is called otherwise where several variables, or several predictors, have that standard_name.
    """
    others = coarse.drop_vars([name for name in predictors if name in coarse.data_vars])
    kinds = [attributes.get("standard_name") for attributes in predictors.values()]
    names = {}
    for name, kind in zip(predictors, kinds, strict=True):
        alike = _of_kind(others, kind)
        if name not in coarse.variables and len(alike) == 1 and kinds.count(kind) == 1:
            names[alike[0]] = name
    return coarse.rename(names)


def _of_kind(fields: xr.Dataset, kind: str | None) -> list[str]:
    """Return the variables of a standard_name."""
    return [str(name) for name, field in fields.data_vars.items() if kind and field.attrs.get("standard_name") == kind]


def variable_problems(coarse: xr.Dataset, name: str, wanted: Mapping[str, Any], where: str) -> list[Problem]:
    """Return what is wrong with one variable: absent (CD-036), other dimensions or type (CD-017), units (CD-029)."""
    if name not in coarse.data_vars:
        kind = wanted.get("standard_name")
        alike = _of_kind(coarse, kind)
        found = ", ".join(alike or map(str, coarse.data_vars)) or "none"
        what = f"variable '{name}' is absent; found {found}" + (f" with its standard_name '{kind}'" if alike else "")
        fix = f"name it '{name}'" + (f", or set its standard_name to '{kind}'" if kind and not alike else "")
        return [Problem(36, where, what, fix)]
    field = coarse[name]
    problems = []
    if field.ndim != 3 or "time" not in field.dims:
        what = f"variable '{name}' has dimensions {field.dims}, expected time and two of the grid"
        problems.append(Problem(17, where, what, "select one member or level, or rename the dimensions"))
    if field.dtype.kind not in "fiu":
        what = f"variable '{name}' has type {field.dtype}, expected numbers"
        problems.append(Problem(17, where, what, "convert the values to float"))
    units = field.attrs.get("units")
    if units != wanted.get("units") and conversion(str(units), str(wanted.get("units"))) != (1.0, 0.0):
        what = f"variable '{name}' has units {units!r}, the model was trained with {wanted.get('units')!r}"
        problems.append(Problem(29, where, what, "convert the values and set the attribute 'units'"))
    return problems


def value_problems(field: xr.DataArray, wanted: Mapping[str, Any], where: str) -> list[Problem]:
    """Return what is wrong with values of a target; NaN is not.

    Values that stand for missing ones (CD-032); infinite ones, ones beyond what the variable can be, and ones that only
    a slip in the units explains (CD-030).
    """
    scan = Scan()
    if field.size:
        scan.add(field)
    low = max(wanted.get("valid_min", -np.inf), wanted.get("lower_bound", -np.inf))
    high = min(wanted.get("valid_max", np.inf), wanted.get("upper_bound", np.inf))
    return _found(scan, str(field.name), {**wanted, "valid_min": low, "valid_max": high}, where)


def _found(scan: Scan, name: str, wanted: Mapping[str, Any], where: str) -> list[Problem]:
    if scan.sentinels:
        what = f"variable '{name}' has values that stand for missing ones: {listed(scan.sentinels)}"
        return [Problem(32, where, what, "make them NaN, or name them in the attribute _FillValue")]
    if scan.n_infinite:
        what = f"variable '{name}' is infinite in {scan.n_infinite} cells"
        return [Problem(30, where, what, "make them NaN where they are missing, or correct them")]
    if not scan.n:
        return []
    low, high = wanted.get("valid_min", -np.inf), wanted.get("valid_max", np.inf)
    # values that were rounded to float32 may pass bounds that were not
    if scan.smallest < min(low, float(np.float32(low))) or scan.largest > max(high, float(np.float32(high))):
        reach = f"{scan.smallest:g} to {scan.largest:g}"
        what = f"variable '{name}' reaches from {reach}, plausible are {low:g} to {high:g}"
        return [Problem(30, where, what, "check units and missing values")]
    return _units_problems(scan, name, wanted, where)


def _units_problems(scan: Scan, name: str, wanted: Mapping[str, Any], where: str) -> list[Problem]:
    """Return a problem where numbers are no such variable in its units."""
    if wanted.get("is_plausibility_checked", "true") == "false":
        return []
    known = str(wanted.get("standard_name", "")), str(wanted.get("units", ""))
    strange = implausible_at_any_time(*known, scan.mean, scan.largest, scan.n_dates)
    fix = "convert the values; if they are right, train with is_plausibility_checked: false in the catalog entry"
    return [Problem(30, where, f"variable '{name}' {strange}", fix)] if strange else []


def time_problems(coarse: xr.Dataset, where: str) -> list[Problem]:
    """Return what is wrong with the dates: none (CD-023), no dates (CD-026), twice (CD-022), not sorted (CD-024)."""
    if "time" not in coarse.coords or not coarse.sizes.get("time"):
        return [Problem(23, where, "has no coordinate 'time', or no date", "name the dimension of the dates 'time'")]
    times = coarse["time"]
    if not isinstance(times.dtype, np.dtype):
        what = f"coordinate 'time' has type {times.dtype}, expected plain dates"
        return [Problem(26, where, what, "convert the dates to UTC and drop their time zone: tz_convert(None)")]
    if times.dtype.kind != "M" and not isinstance(times.values[0], cftime.datetime):
        what = f"coordinate 'time' has type {times.dtype}, expected dates"
        return [Problem(26, where, what, "give it CF units such as 'days since 1970-01-01' and a calendar")]
    if bool(times.isnull().any()):
        return [Problem(26, where, f"{int(times.isnull().sum())} dates are missing (NaT)", "remove these times")]
    steps = np.diff(times.values)
    zero = np.zeros((), steps.dtype) if steps.dtype.kind == "m" else times.values[0] - times.values[0]
    repeated, backwards = np.flatnonzero(steps == zero), np.flatnonzero(steps < zero)
    problems = []
    if len(repeated):
        problems.append(Problem(22, where, f"dates given twice: {iso_dates(times, repeated)}", "keep each date once"))
    if len(backwards):
        what = f"dates go back after {iso_dates(times, backwards)}"
        problems.append(Problem(24, where, what, "sort the data by time"))
    return problems


def refuse_missing(coarse: xr.Dataset, where: str = "predictors") -> None:
    """Refuse predictors with missing or infinite values (CD-075), with their dates."""
    values = coarse.compute(scheduler="synchronous")
    problems = _missing_problems({name: _is_whole(field) for name, field in values.data_vars.items()}, coarse, where)
    if problems:
        raise DataError(*problems)


def _is_whole(field: xr.DataArray) -> np.ndarray:
    """Return (time,) bool: True where every cell has a finite value."""
    flat = field.transpose("time", ...).values.reshape(field.sizes["time"], -1)
    return np.asarray(np.isfinite(flat).all(axis=1))


def _missing_problems(is_whole: Mapping[Hashable, np.ndarray], coarse: xr.Dataset, where: str) -> list[Problem]:
    fix = "fill these cells, or leave these dates out"
    return [
        Problem(75, where, f"variable '{name}' is missing or not finite on {iso_dates(coarse['time'], bad)}", fix)
        for name, whole in is_whole.items()
        if len(bad := np.flatnonzero(~whole))
    ]


def in_memory(values: Values, where: str) -> Values:
    """Return the values, read; CD-005 where a file turns out to be damaged."""
    try:
        return values.compute(scheduler="synchronous")
    except (OSError, RuntimeError, ValueError, TypeError, OverflowError) as error:
        raise DataError(damaged(where, error)) from error


def check_ranges(
    coarse: xr.Dataset, predictors: Attributes, where: str, block: int = 256, *, allow_missing: bool = True
) -> str:
    """Return the SHA-256 of all values, read block by block, if they can be what the predictors are.

    Raises:
        DataError: as `value_problems` finds for every variable; CD-005 values that cannot be read; CD-075 without
            `allow_missing`, not one date on which all of them are there.
    """
    digest = hashlib.sha256()
    whole: dict[Hashable, list[np.ndarray]] = {name: [] for name in predictors}
    scans = {name: Scan() for name in predictors}
    for start in range(0, coarse.sizes["time"], block):
        values = in_memory(coarse[list(predictors)].isel(time=slice(start, start + block)), where)
        for name, scan in scans.items():
            field = values[name].astype(np.float32)
            digest.update(np.ascontiguousarray(field.values).tobytes())
            scan.add(field)
            whole[name].append(_is_whole(field))
    problems = [each for name, scan in scans.items() for each in _found(scan, name, predictors[name], where)]
    dates = {name: np.concatenate(parts) for name, parts in whole.items()}
    if not (problems or allow_missing or np.logical_and.reduce(list(dates.values())).any()):
        problems = _missing_problems(dates, coarse, where)
    if problems:
        raise DataError(*problems)
    return digest.hexdigest()
