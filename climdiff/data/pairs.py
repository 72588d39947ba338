"""Coarse and fine fields of exactly the same dates, each on its own grid, read block by block."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from climdiff.data.times import pair_times
from climdiff.errors import DataError, Problem
from climdiff.grids.grid import Grid, to_native
from climdiff.grids.regrid import regrid
from climdiff.grids.weights import Method, has_same_axes, make_weights

logger = logging.getLogger(__name__)

Index = slice | np.ndarray


@dataclass(frozen=True, eq=False)
class Pairs:
    """Lazily opened coarse and fine data sets with the same times in the same order.

    `coarse` stays on `coarse_grid`; `guess` brings the times asked for to `fine_grid`. `fine` is None where only
    predictors exist. `static` holds fields without time on `fine_grid`.
    """

    coarse: xr.Dataset
    fine: xr.Dataset | None
    static: xr.Dataset | None
    coarse_grid: Grid
    fine_grid: Grid
    method: Method = "bilinear"

    @property
    def times(self) -> xr.DataArray:
        """Return the dates of all pairs, (time,)."""
        return self.coarse["time"]

    @property
    def n_times(self) -> int:
        """Return the number of pairs."""
        return self.coarse.sizes["time"]

    def guess(self, index: Index) -> xr.Dataset:
        """Return the coarse variables of those times on the fine grid, in memory, float32, (time, y, x)."""
        coarse = read(self.coarse, index)
        return regrid(coarse, self.coarse_grid, self.fine_grid, self.method)

    def truth(self, index: Index) -> xr.Dataset:
        """Return the fine variables of those times, in memory, float32, (time, y, x).

        Raises:
            DataError: CD-023 when these pairs have no fine data.
        """
        if self.fine is None:
            raise DataError(
                Problem(23, "fine data", "absent: only predictors were given", "name the fine part in the recipe")
            )
        return self.fine_grid.attach(read(self.fine, index))

    def select(self, index: Index) -> Pairs:
        """Return the pairs of those times, still lazy."""
        index = _as_slice(index)
        fine = None if self.fine is None else self.fine.isel(time=index)
        return replace(self, coarse=self.coarse.isel(time=index), fine=fine)


def align(
    coarse: xr.Dataset,
    fine: xr.Dataset | None,
    static: xr.Dataset | None = None,
    method: Method = "bilinear",
    where: tuple[str, str] = ("coarse", "fine"),
    *,
    fine_grid: Grid | None = None,
    allow_gaps: bool = False,
) -> Pairs:
    """Return the pairs of two data sets that hold exactly the same dates, sorted by date.

    Args:
        coarse: Predictors (time, y, x) on any grid that covers the fine one.
        fine: Targets (time, y, x), or None when only predictors exist; then `fine_grid` says where they are wanted.
        static: Fields (y, x) on the fine grid; without coordinates their shape has to be that of the grid.
        method: How `guess` brings coarse fields to the fine grid.
        where: What to call the two data sets in messages.
        fine_grid: The grid of the targets when `fine` is None.
        allow_gaps: Leave out (and log) dates that only one of the two has, instead of raising CD-023.

    Raises:
        DataError: CD-022 to CD-027 times that do not match, CD-020 a fine grid reaching beyond the coarse one,
            CD-021 or CD-035 static fields of another grid; all that is wrong at once.
    """
    if fine is None and fine_grid is None:
        raise ValueError("align needs the fine data set or the fine grid")
    problems: list[Problem] = []
    coarse_grid = Grid.from_dataset(coarse, where[0])
    target = fine_grid if fine is None or fine_grid is not None else Grid.from_dataset(fine, where[1])
    assert target is not None
    try:
        make_weights(coarse_grid, target, method)
        problems += uncovered(coarse_grid, target, where)
    except DataError as error:
        problems += error.problems
    try:
        static = None if static is None else _fit_static(static, target)
    except DataError as error:
        problems += error.problems
    try:
        coarse, fine = _same_times(coarse, fine, where, allow_gaps)
    except DataError as error:
        problems += error.problems
    if problems:
        raise DataError(*problems)
    coarse = _fields(coarse, coarse_grid)
    return Pairs(coarse, None if fine is None else _fields(fine, target), static, coarse_grid, target, method)


def uncovered(coarse: Grid, fine: Grid, where: tuple[str, str] = ("coarse", "fine")) -> list[Problem]:
    """Return a CD-020 problem with both extents per axis on which fine cells lie outside the coarse grid, else nothing.

    The centers of the fine cells have to be within the edges of the coarse ones, in the coordinates of the coarse grid.
    """
    if has_same_axes(coarse, fine):
        y, x = fine.y, fine.x
    else:
        latlon = fine.latlon()
        if latlon is None:
            return []
        y, x = to_native(coarse, *latlon)
    if coarse.kind in ("latlon", "rotated"):
        x = x - 360.0 * np.rint((x - coarse.x.mean()) / 360.0)
    problems = []
    for name, outer, inner in ((coarse.y_dim, coarse.bounds_y(), y), (coarse.x_dim, coarse.bounds_x(), x)):
        tolerance = 1e-3 * np.abs(np.diff(outer)).max()
        if inner.min() < outer.min() - tolerance or inner.max() > outer.max() + tolerance:
            what = (
                f"coordinate '{name}': cells of {where[1]} are at {inner.min():g} to {inner.max():g} "
                f"but {where[0]} reaches only from {outer.min():g} to {outer.max():g}"
            )
            fix = f"choose a {where[1]} domain inside the {where[0]} one, or {where[0]} data of a larger domain"
            problems.append(Problem(20, " and ".join(where), what, fix))
    return problems


def read(values: xr.Dataset, index: Index) -> xr.Dataset:
    """Return the times `index` of a lazily opened data set, in memory as float32, without touching dask's threads."""
    return values.isel(time=_as_slice(index)).load(scheduler="synchronous").astype(np.float32)


def _same_times(
    coarse: xr.Dataset, fine: xr.Dataset | None, where: tuple[str, str], allow_gaps: bool
) -> tuple[xr.Dataset, xr.Dataset | None]:
    partner = coarse if fine is None else fine
    missing = [
        Problem(23, name, "has no coordinate 'time'", "name the dimension of the dates 'time' (rename in the catalog)")
        for values, name in zip((coarse, partner), where, strict=True)
        if "time" not in values.coords or values["time"].dims != ("time",)
    ]
    if missing:
        raise DataError(*missing)
    in_coarse, in_fine = pair_times(coarse["time"], partner["time"], where, allow_gaps)
    left_out = coarse.sizes["time"] - len(in_coarse), partner.sizes["time"] - len(in_fine)
    if any(left_out):
        logger.warning("left out %d dates only in %s and %d only in %s", left_out[0], where[0], left_out[1], where[1])
    coarse = coarse.isel(time=_as_slice(in_coarse))
    if fine is None:
        return coarse, None
    # One copy of the dates, so that later arithmetic matches them whatever their resolution or type was.
    return coarse, fine.isel(time=_as_slice(in_fine)).assign_coords(time=coarse["time"].variable)


def _fields(values: xr.Dataset, grid: Grid) -> xr.Dataset:
    """Return the variables that are fields over time, with dimensions (time, y, x)."""
    dims = {"time", grid.y_dim, grid.x_dim}
    names = [name for name, variable in values.data_vars.items() if dims <= set(variable.dims)]
    return values[names].transpose("time", ..., grid.y_dim, grid.x_dim)


def _fit_static(static: xr.Dataset, grid: Grid) -> xr.Dataset:
    """Return static fields on the dimensions and coordinates of the fine grid; CD-035 or CD-021 if they do not fit."""
    dims = grid.y_dim, grid.x_dim
    problems = []
    fields = {}
    for name, field in static.data_vars.items():
        if field.ndim < 2 or name in grid.coordinates.coords:
            continue
        if field.shape != grid.shape and field.transpose(*reversed(field.dims)).shape != grid.shape:
            what = f"variable '{name}' has shape {field.shape}, expected {grid.shape} as the fine grid {dims}"
            problems.append(Problem(35, "static", what, "regrid the static field to the fine grid"))
            continue
        is_bare = not any(dim in static.coords for dim in field.dims)
        if set(field.dims) == set(dims):
            fields[name] = field.transpose(*dims)
        else:
            fields[name] = field.rename(dict(zip(field.dims, dims, strict=True))) if is_bare else field
        problems += [
            problem
            for dim, wanted in zip(dims, (grid.y, grid.x), strict=True)
            for problem in _shifted(fields[name], str(name), dim, wanted)
        ]
    if problems:
        raise DataError(*problems)
    bare = {name: field.drop_vars(field.coords).load(scheduler="synchronous") for name, field in fields.items()}
    return grid.attach(xr.Dataset(bare))


def _shifted(field: xr.DataArray, name: str, dim: str, wanted: np.ndarray) -> list[Problem]:
    if dim not in field.dims:
        what = f"variable '{name}' has dimensions {field.dims}, expected '{dim}' among them"
        return [Problem(35, "static", what, "rename the dimensions as in the fine data (rename in the catalog entry)")]
    if dim not in field.coords:
        return []
    found = field[dim].values.astype(np.float64)
    step = np.abs(np.diff(wanted)).min() if len(wanted) > 1 else 1.0
    if np.abs(found - wanted).max() <= 1e-3 * step:
        return []
    what = (
        f"variable '{name}', coordinate '{dim}' runs from {found[0]:g} to {found[-1]:g}, "
        f"the fine grid from {wanted[0]:g} to {wanted[-1]:g}: same shape, other cells"
    )
    return [Problem(21, "static", what, "regrid the static field to the fine grid")]


def _as_slice(index: Index) -> Index:
    """Return an equal slice for consecutive positions, which every storage format reads fastest."""
    if isinstance(index, slice):
        return index
    index = np.asarray(index)
    if index.dtype == bool:
        index = np.flatnonzero(index)
    if len(index) and (np.diff(index) == 1).all():
        return slice(int(index[0]), int(index[-1]) + 1)
    return index
