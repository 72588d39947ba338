"""A horizontal grid as a value: its axes, its place on Earth, its cells and its hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

import numpy as np
import xarray as xr

from climdiff.errors import DataError, Problem
from climdiff.grids import coordinates as cf
from climdiff.grids import projection
from climdiff.grids.curvilinear import fractional_index

EARTH_RADIUS_KM = 6371.0
Kind = Literal["latlon", "rotated", "projected", "plain"]
Labelled = TypeVar("Labelled", xr.DataArray, xr.Dataset)


@dataclass(frozen=True, eq=False)
class Grid:
    """A grid of ny times nx cells on two monotonic axes, in either direction.

    `y` and `x` are the native positions of the cell centers: degrees on latitude-longitude and rotated grids, else the
    units of the coordinates. Longitudes across 0 or 180 degrees are unwrapped here, not in `coordinates`, which holds
    everything to attach to an output. `mapping` has the CF grid mapping attributes, None for plain axes.
    """

    y_dim: str
    x_dim: str
    y: np.ndarray
    x: np.ndarray
    coordinates: xr.Dataset
    mapping: Mapping[str, Any] | None

    @classmethod
    def from_dataset(cls, ds: xr.Dataset, where: str = "data set") -> Grid:
        """Return the grid of a data set; dimensions without any coordinate count their cells.

        Raises:
            DataError: CD-017 (range, units or mapping of coordinates), CD-018 (a position twice), CD-019 (a gap),
                CD-036 (no or several candidates for a horizontal dimension).
        """
        y_dim, x_dim = cf.find_dims(ds, where)
        mapping = cf.find_mapping(ds, where)
        kept: dict[str, xr.DataArray] = {}
        for dim, axis in ((y_dim, "Y"), (x_dim, "X")):
            coordinate = cf.axis_coordinate(ds, dim)
            kept[dim if coordinate is None else str(coordinate.name)] = (
                _count(ds.sizes[dim], dim, axis) if coordinate is None else coordinate
            )
        latlon = cf.find_latlon(ds, y_dim, x_dim)
        if latlon is not None:
            kept.update({str(flat.name): flat for flat in latlon})
        if mapping is not None:
            kept[str(mapping.name)] = xr.DataArray(np.int32(0), attrs=mapping.attrs)
        bare = {name: (c.dims, np.asarray(c.values), dict(c.attrs)) for name, c in kept.items()}
        axes = list(kept.values())[:2]
        grid = cls(
            y_dim,
            x_dim,
            cf.check_axis(axes[0].values, str(axes[0].name), where),
            cf.check_axis(axes[1].values, str(axes[1].name), where, is_circular=cf.is_circular(axes[1])),
            xr.Dataset(coords=bare),
            None if mapping is None else cf.plain_mapping(mapping.attrs),
        )
        problems = grid._problems(where)
        if problems:
            raise DataError(*problems)
        return grid

    def _problems(self, where: str) -> list[Problem]:
        pairs = [cf.find_latlon(self.coordinates, self.y_dim, self.x_dim)]
        if self.kind == "latlon":
            pairs.append((self.axis("y"), self.axis("x")))
        problems = [problem for pair in pairs if pair is not None for problem in cf.check_degrees(*pair, where)]
        if self.kind == "projected" and None in self._units_m:
            units = [self.axis(axis).attrs.get("units") for axis in ("y", "x")]
            what = f"coordinates '{self.y_dim}' and '{self.x_dim}' of a map have units {units}, expected m or km"
            problems.append(Problem(17, where, what, "set the units of these coordinates"))
        if pairs[0] is not None and self.mapping is not None and not problems and self.kind != "latlon":
            few = [np.unique(np.linspace(0, size - 1, 9).astype(int)) for size in self.shape]
            some = replace(self, y=self.y[few[0]], x=self.x[few[1]])
            given = pairs[0][0].values[np.ix_(*few)], pairs[0][1].values[np.ix_(*few)]
            apart = _distance_km(to_latlon(some), given).max()
            if apart > 0.5 * (self.spacing_km or np.inf):
                what = f"latitude and longitude are up to {apart:.3g} km away from what the grid mapping says"
                problems.append(
                    Problem(17, where, what, "correct the grid mapping attributes, or drop the 2-D coordinates")
                )
        return problems

    def axis(self, axis: cf.Axis) -> xr.DataArray:
        """Return the 1-D coordinate along y or x, with its attributes."""
        coordinate = cf.axis_coordinate(self.coordinates, self.y_dim if axis == "y" else self.x_dim)
        assert coordinate is not None
        return coordinate

    @property
    def shape(self) -> tuple[int, int]:
        """The number of rows and columns, (ny, nx)."""
        return self.y.size, self.x.size

    @property
    def kind(self) -> Kind:
        """What the axes are: latitude and longitude, those of a rotated pole, map coordinates, or distances only."""
        if cf.is_latitude(self.axis("y")) and cf.is_longitude(self.axis("x")):
            return "latlon"
        if self.mapping is None:
            return "plain"
        return "rotated" if self.mapping.get("grid_mapping_name") == projection.ROTATED else "projected"

    @property
    def is_counted(self) -> bool:
        """Whether the axes only count cells, so that the grid has no place of its own."""
        return self.kind == "plain" and {self.axis("y").attrs.get("units"), self.axis("x").attrs.get("units")} == {"1"}

    @property
    def spacing(self) -> tuple[float, float]:
        """The mean distance between rows and between columns, (dy, dx) > 0, in native units."""
        return _step(self.y), _step(self.x)

    @property
    def spacing_km(self) -> float | None:
        """The side of a square with the area of the middle cell [km]; None where the axes have no known unit."""
        dy, dx = self.spacing
        if self.kind in ("latlon", "rotated"):
            area = np.radians(dy) * np.radians(dx) * np.cos(np.radians(self.y[self.y.size // 2]))
            return float(EARTH_RADIUS_KM * np.sqrt(area))
        y_m, x_m = self._units_m
        return None if y_m is None or x_m is None else float(np.sqrt(dy * y_m * dx * x_m) / 1000.0)

    @property
    def _units_m(self) -> tuple[float | None, float | None]:
        y_units, x_units = (str(self.axis(axis).attrs.get("units", "")) for axis in ("y", "x"))
        return projection.meters(y_units), projection.meters(x_units)

    @property
    def mapping_key(self) -> str:
        """The mapping as text, equal where the axes mean the same; empty without one."""
        if self.mapping is None or self.kind == "latlon":
            return ""
        return json.dumps(projection.meaning(self.mapping), sort_keys=True)

    def hash(self) -> str:
        """Return a sha256 of dimension names, positions and mapping.

        Positions are rounded to 1e-3 of a step, so that float32 and float64, 0..360 and -180..180 degrees, m and km
        give the same; a shift, a turned axis or another pole does not.
        """
        digest = hashlib.sha256(f"{self.y_dim} {self.x_dim} {self.shape} ".encode())
        units = [1.0 if unit is None else unit for unit in self._units_m]
        is_circular = self.kind in ("latlon", "rotated")
        for values, unit, period in ((self.y, units[0], None), (self.x, units[1], 360.0 if is_circular else None)):
            digest.update(_rounded(values * unit, period))
        if self.mapping_key:
            digest.update(self.mapping_key.encode())
        elif self.kind == "plain" and (flat := self.latlon()) is not None:
            digest.update(np.rint(np.stack(flat) * 1e3).astype("<i8").tobytes())
        return digest.hexdigest()

    def bounds_y(self) -> np.ndarray:
        """Return the (ny + 1,) cell edges along y: halfway between centers, latitudes within 90 degrees."""
        edges = _edges(self.y)
        return np.clip(edges, -90.0, 90.0) if self.kind in ("latlon", "rotated") else edges

    def bounds_x(self) -> np.ndarray:
        """Return the (nx + 1,) cell edges along x."""
        return _edges(self.x)

    def cell_area(self) -> xr.DataArray:
        """Return the relative area of each cell, (ny, nx), of mean 1; exact on the sphere between the cell edges."""
        height = self.bounds_y()
        if self.kind in ("latlon", "rotated"):
            height = np.sin(np.radians(height))
        area = np.abs(np.outer(np.diff(height), np.diff(self.bounds_x())))
        field = xr.DataArray(area / area.mean(), dims=(self.y_dim, self.x_dim), name="cell_area", attrs={"units": "1"})
        return self.attach(field)

    def to_dataset(self) -> xr.Dataset:
        """Return the coordinates alone; `from_dataset` makes an equal grid of them."""
        return self.coordinates.copy()

    def latlon(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Return latitude and longitude of the cell centers [degrees], each (ny, nx); None where nothing tells."""
        flat = cf.find_latlon(self.coordinates, self.y_dim, self.x_dim)
        if flat is not None:
            return flat[0].values, flat[1].values
        return None if self.kind == "plain" else to_latlon(self)

    def attach(self, values: Labelled) -> Labelled:
        """Return the fields with this grid's coordinates and grid mapping attribute in place of their own."""
        stale = [name for name, c in values.coords.items() if {self.y_dim, self.x_dim} & set(c.dims)]
        labelled = values.drop_vars(stale).assign_coords(self.coordinates.coords)
        names = [str(name) for name, c in self.coordinates.coords.items() if c.ndim == 0]
        fields = [labelled] if isinstance(labelled, xr.DataArray) else list(labelled.data_vars.values())
        for field in fields:
            field.encoding.pop("grid_mapping", None)
            field.attrs.pop("grid_mapping", None)
            if names and {self.y_dim, self.x_dim} <= set(field.dims):
                field.attrs["grid_mapping"] = names[0]
        return labelled


def to_latlon(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Return latitude and longitude [degrees] of a grid by its axes and mapping, each (ny, nx)."""
    y, x = np.meshgrid(grid.y, grid.x, indexing="ij")
    if grid.kind == "latlon" or grid.mapping is None:
        return y, x
    y_m, x_m = grid._units_m if grid.kind == "projected" else (1.0, 1.0)
    return projection.to_latlon(grid.mapping, y * (y_m or 1.0), x * (x_m or 1.0))


def to_native(grid: Grid, lat: np.ndarray, lon: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return positions (y, x) in the units of the grid's axes of latitude and longitude [degrees].

    On plain axes they are found by the latitude and longitude of the cells, which the grid must have.
    """
    if grid.kind == "latlon":
        return lat, lon
    if grid.mapping is None:
        known = grid.latlon()
        assert known is not None
        row, column = fractional_index(known, lat, lon)
        return _at(grid.y, row), _at(grid.x, column)
    y, x = projection.from_latlon(grid.mapping, lat, lon)
    y_m, x_m = grid._units_m if grid.kind == "projected" else (1.0, 1.0)
    return y / (y_m or 1.0), x / (x_m or 1.0)


def check_same(first: Grid, second: Grid, where: tuple[str, str]) -> None:
    """Check that two grids have the same cells: the same shape is not enough.

    Raises:
        DataError: CD-021 with the first position that differs by more than 1e-3 of a step, or the shapes or mappings.
    """
    if first.hash() == second.hash():
        return
    what = ""
    if first.shape != second.shape:
        what = f"the grid is {first.shape}, but {second.shape} in {where[1]}"
    elif (first.y_dim, first.x_dim) != (second.y_dim, second.x_dim):
        what = f"dimensions are {first.y_dim, first.x_dim}, but {second.y_dim, second.x_dim} in {where[1]}"
    else:
        for name, ours, theirs in ((first.y_dim, first.y, second.y), (first.x_dim, first.x, second.x)):
            apart = np.abs(ours - theirs) / _step(ours)
            if not what and apart.max() > 1e-3:
                at = int(np.argmax(apart > 1e-3))
                what = f"coordinate '{name}' at index {at} is {ours[at]:g}, but {theirs[at]:g} in {where[1]}"
        if not what and first.mapping_key == second.mapping_key and first.kind == second.kind != "plain":
            return
    what = what or f"the grid mapping is {first.mapping}, but {second.mapping} in {where[1]}"
    raise DataError(Problem(21, where[0], what, "bring both to one grid (regrid) before they are used together"))


def _count(size: int, dim: str, axis: str) -> xr.DataArray:
    attrs = {"long_name": "cell number", "units": "1", "axis": axis}
    return xr.DataArray(np.arange(size, dtype=np.float64), dims=dim, name=dim, attrs=attrs)


def _step(values: np.ndarray) -> float:
    return float(abs(values[-1] - values[0]) / (values.size - 1)) if values.size > 1 else 1.0


def _at(values: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Return the axis at fractional indices, continued linearly beyond its ends."""
    below = np.clip(np.floor(index), 0, values.size - 2).astype(np.intp)
    return values[below] + (index - below) * (values[below + 1] - values[below])


def _edges(values: np.ndarray) -> np.ndarray:
    if values.size == 1:
        return np.array([values[0] - 0.5, values[0] + 0.5])
    middle = (values[1:] + values[:-1]) / 2
    return np.concatenate([[2 * values[0] - middle[0]], middle, [2 * values[-1] - middle[-1]]])


def _rounded(values: np.ndarray, period: float | None) -> bytes:
    step = _step(values)
    start = values[0] / step
    if period is not None:
        turns = period / step
        start = (start + 0.25) % turns - 0.25
    thousandths = np.rint(np.concatenate([[start], (values - values[0]) / step]) * 1e3)
    return f"{step:.5g} ".encode() + thousandths.astype("<i8").tobytes()


def _distance_km(first: tuple[np.ndarray, np.ndarray], second: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    (lat, lon), (other_lat, other_lon) = (np.radians(pair) for pair in (np.stack(first), np.stack(second)))
    chord = np.sin((other_lat - lat) / 2) ** 2
    chord = chord + np.cos(lat) * np.cos(other_lat) * np.sin((other_lon - lon) / 2) ** 2
    return 2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.minimum(chord, 1.0)))
