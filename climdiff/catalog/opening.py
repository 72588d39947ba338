"""Files of a part to one lazy data set with our names, units and grid; all that is wrong is listed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from climdiff.catalog.chunks import absent_chunks
from climdiff.catalog.lazy import Source, lazy_variable
from climdiff.catalog.locations import is_remote, local_paths, netcdf_problem
from climdiff.catalog.schema import Entry, Part, Variable
from climdiff.catalog.units import conversion, known
from climdiff.errors import DataError, Problem
from climdiff.grids import coordinates
from climdiff.grids.grid import Grid

_LAZILY: dict[str, Any] = {"chunks": None, "cache": False, "decode_timedelta": False}


@dataclass(frozen=True, eq=False)
class Opened:
    """A lazy data set with what could be opened, and the problems of the rest.

    `conversions` has (scale, offset) from values in the (first) file to ours, per variable.
    """

    dataset: xr.Dataset
    problems: tuple[Problem, ...] = ()
    conversions: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class _File:
    where: str
    content: xr.Dataset
    y_dim: str
    x_dim: str


def open_files(entry: Entry, part_name: str, subset: str | None) -> Opened:
    """Return the lazily opened part of an entry; nothing but coordinates is read.

    Raises:
        DataError: nothing can be opened: no file, no netCDF, no horizontal dimensions.
        SecurityError: an address that is not allowed.
    """
    part = entry.parts[part_name]
    urlpath = part.urlpath if part.urlpath is not None else part.subsets[subset or ""]
    files = _read_headers(part, urlpath, f"{entry.name}/{part_name}")
    problems: list[Problem] = []
    has_time = "time" in files[0].content.dims
    times, order = _times(files) if has_time else (None, None)
    grid = _grid(entry, part, files, subset, problems)
    variables, conversions = {}, {}
    dims = (*(("time",) if has_time else ()), files[0].y_dim, files[0].x_dim)
    for name, variable in part.variables.items():
        sources = [_source(name, variable, file, dims, problems) for file in files]
        found = [source for source in sources if source is not None]
        if len(found) == len(files):
            lazy = lazy_variable(found, dims, order)
            lazy.attrs = _attributes(variable, found[0].variable)
            variables[name] = lazy
            conversions[name] = (found[0].scale, found[0].offset)
    dataset = xr.Dataset(variables, attrs={"title": entry.title, "licence": entry.licence, "source": entry.source})
    if times is not None:
        dataset = dataset.assign_coords(time=times)
        dataset = dataset.assign_coords(_auxiliary(part, files, order, problems))
    return Opened(grid.attach(dataset) if grid is not None else dataset, tuple(problems), conversions)


def _read_headers(part: Part, urlpath: str, where: str) -> list[_File]:
    """Return the headers of all files; raise DataError with every file that cannot be opened."""
    if is_remote(urlpath, where):
        return [_File(urlpath, *_prepare(_open_remote(part, urlpath), part, urlpath))]
    files: list[_File] = []
    problems: list[Problem] = []
    for path in local_paths(urlpath, where):
        problem = netcdf_problem(path) if part.engine == "netcdf4" else _zarr_problem(path)
        if problem is None:
            try:
                files.append(_File(str(path), *_prepare(_open_local(part, path), part, str(path))))
            except DataError as error:
                problems += error.problems
        else:
            problems.append(problem)
    if problems:
        raise DataError(*problems)
    if len(files) > 1 and not all("time" in file.content.dims for file in files):
        alone = next(file.where for file in files if "time" not in file.content.dims)
        what = f"has no dimension 'time', so it cannot follow the {len(files) - 1} other files of {urlpath}"
        raise DataError(Problem(36, alone, what, "rename its time dimension to time in the entry, or name one file"))
    return files


def _open_local(part: Part, path: Path) -> xr.Dataset:
    # Without an answer, xarray looks for consolidated metadata and warns where there are none.
    zarr_only: dict[str, Any] = {"consolidated": (path / ".zmetadata").is_file()} if part.engine == "zarr" else {}
    try:
        content = xr.open_dataset(path, engine=part.engine, group=part.group, **_LAZILY, **zarr_only)
        problems = absent_chunks(path, content, _wanted(content, part), part.group) if zarr_only else []
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        what = f"cannot be opened: {' '.join(str(error).split())[:200]}"
        raise DataError(Problem(8, str(path), what, "download it again, or correct the file")) from error
    if problems:
        raise DataError(*problems)
    return content


def _wanted(content: xr.Dataset, part: Part) -> list[str]:
    """Return the names, in the file, of coordinates and of variables that could be one of the part's."""
    names = {variable.source_name or name for name, variable in part.variables.items()} | set(part.auxiliary)
    kinds = {variable.standard_name for variable in part.variables.values()}
    return [
        str(name)
        for name, values in content.variables.items()
        if name in content.coords
        or part.rename.get(str(name), name) in names
        or values.attrs.get("standard_name") in kinds | {"latitude", "longitude"}
    ]


def _zarr_problem(path: Path) -> Problem | None:
    if any((path / name).is_file() for name in ("zarr.json", ".zmetadata", ".zgroup")):
        return None
    return Problem(6, str(path), "not a zarr store: no zarr.json, .zmetadata or .zgroup", "check the urlpath")


def _open_remote(part: Part, url: str) -> xr.Dataset:
    if part.engine != "zarr":
        what = f"engine {part.engine} cannot read a remote address"
        raise DataError(Problem(12, url, what, "download the file into CLIMDIFF_DATA, or use a zarr store"))
    try:
        from obstore.exceptions import BaseError
        from obstore.store import from_url
        from zarr.storage import ObjectStore
    except ImportError as error:
        what = "remote stores need the library obstore"
        raise DataError(Problem(12, url, what, "pip install 'climdiff[cloud]'")) from error
    try:
        store: Any = ObjectStore(from_url(url), read_only=True)
        return xr.open_dataset(store, engine="zarr", group=part.group, **_LAZILY)
    except (BaseError, FileNotFoundError) as error:
        what = f"no zarr store that can be read: {str(error).splitlines()[0]}"
        raise DataError(Problem(12, url, what, "check address, network, and credentials in the environment")) from error


def _prepare(content: xr.Dataset, part: Part, where: str) -> tuple[xr.Dataset, str, str]:
    """Return (data set with our names, name of y, name of x)."""
    absent = sorted(set(part.rename) - {str(name) for name in {*content.variables, *content.dims}})
    if absent:
        names = ", ".join(sorted(map(str, {*content.variables, *content.dims})))
        raise DataError(Problem(36, where, f"nothing is named {absent}, only {names}", "correct rename in the entry"))
    content = content.rename(part.rename)
    y_dim, x_dim = coordinates.find_dims(content, where)
    return content, y_dim, x_dim


def _times(files: list[_File]) -> tuple[xr.Variable, np.ndarray]:
    """Return the sorted times of all files, and the order that sorts their steps."""
    kinds = {file.content["time"].dtype.kind for file in files}
    if "time" not in files[0].content.coords or not kinds <= {"M", "O"} or len(kinds) > 1:
        what = "coordinate 'time' is absent or is no time that can be decoded"
        fix = "give it units such as 'days since 1970-01-01' and one calendar in all files"
        raise DataError(Problem(26, files[0].where, what, fix))
    values = np.concatenate([file.content["time"].values for file in files])
    order = np.argsort(values, kind="stable")
    first = files[0].content["time"].variable
    times = xr.Variable("time", values[order], {"standard_name": "time", "axis": "T"})
    times.encoding = {key: first.encoding[key] for key in ("units", "calendar") if key in first.encoding}
    return times, order


def _grid(entry: Entry, part: Part, files: list[_File], subset: str | None, problems: list[Problem]) -> Grid | None:
    """Return the one grid of all files, or None and its problems."""
    try:
        grids = [Grid.from_dataset(file.content, file.where) for file in files]
        if part.coordinates_from is not None:
            other = entry.parts[part.coordinates_from]
            chosen = subset if subset in other.subsets else other.default_subset
            template = open_files(entry, part.coordinates_from, chosen)
            problems += template.problems
            lender = Grid.from_dataset(template.dataset, f"{entry.name}/{part.coordinates_from}")
            if (lender.y_dim, lender.x_dim, lender.shape) != (grids[0].y_dim, grids[0].x_dim, grids[0].shape):
                what = f"has cells {_size(grids[0])}, but {part.coordinates_from} has {_size(lender)}"
                problems.append(Problem(35, files[0].where, what, "correct coordinates_from or rename in the entry"))
                return None
            return lender
    except DataError as error:
        problems += error.problems
        return None
    for file, grid in zip(files, grids, strict=True):
        if grid.hash() != grids[0].hash():
            what = f"is on another grid than {files[0].where}"
            problems.append(Problem(21, file.where, what, "give each grid a part of its own"))
    return grids[0]


def _size(grid: Grid) -> str:
    return f"{grid.y_dim} x {grid.x_dim} = {grid.shape[0]} x {grid.shape[1]}"


def _source(
    name: str, variable: Variable, file: _File, dims: tuple[str, ...], problems: list[Problem]
) -> Source | None:
    """Return the variable in one file with its conversion, or None and why not."""
    found = _find(name, variable, file, problems)
    if found is None:
        return None
    values = file.content[found].variable
    extra = {dim: values.sizes[dim] for dim in values.dims if dim not in dims}
    absent = [dim for dim in dims if dim not in values.dims]
    if absent or any(size > 1 for size in extra.values()):
        what = f"variable {found!r} has dimensions {values.dims}, expected {dims}"
        problems.append(Problem(36, file.where, what, "correct rename in the entry, or select a level in the file"))
        return None
    whole = partial(Source, values.isel(dict.fromkeys(extra, 0)), missing=variable.missing, where=file.where)
    if variable.scale_factor is not None or variable.add_offset is not None:
        scale = 1.0 if variable.scale_factor is None else variable.scale_factor
        return whole(scale, variable.add_offset or 0.0)
    if variable.above is not None:
        return whole(above=variable.above)
    units = str(values.attrs.get("units", ""))
    factors = conversion(units, variable.units)
    if factors is None:
        has = f"units {units!r}" if units else "no units"
        what = f"variable {found!r} has {has}, expected {variable.units!r} or one of {', '.join(known(variable.units))}"
        fix = f"set scale_factor (and add_offset) of {name} in the entry, which say how to get {variable.units}"
        problems.append(Problem(29, file.where, what, fix))
        return None
    return whole(*factors)


def _find(name: str, variable: Variable, file: _File, problems: list[Problem]) -> str | None:
    """Return the name in the file: the one the entry gives, our own, or the only one with the standard name."""
    present = [str(key) for key in file.content.data_vars]
    wanted = variable.source_name or name
    if wanted in present:
        return wanted
    alike = [key for key in present if file.content[key].attrs.get("standard_name") == variable.standard_name]
    if len(alike) == 1 and variable.source_name is None:
        return alike[0]
    candidates = f"candidates are {', '.join(alike or present)}"
    what = f"variable {wanted!r} is not there ({candidates})"
    problems.append(Problem(36, file.where, what, f"set source_name of {name} in the entry"))
    return None


def _attributes(variable: Variable, source: xr.Variable) -> dict[str, str | float]:
    attributes = dict(variable.attributes)
    for name in ("long_name", "cell_methods"):
        if name in source.attrs and name not in attributes and variable.above is None:
            attributes[name] = str(source.attrs[name])
    return attributes


def _auxiliary(
    part: Part, files: list[_File], order: np.ndarray | None, problems: list[Problem]
) -> dict[str, xr.Variable]:
    kept = {}
    for name in part.auxiliary:
        pieces = [file.content[name].variable for file in files if name in file.content.variables]
        if len(pieces) == len(files) and all(piece.dims == ("time",) for piece in pieces):
            values = np.concatenate([piece.values for piece in pieces])
            kept[name] = xr.Variable("time", values[order], pieces[0].attrs)
        else:
            what = f"coordinate {name!r} along time is not there"
            problems.append(Problem(36, files[0].where, what, "correct auxiliary in the entry"))
    return kept
