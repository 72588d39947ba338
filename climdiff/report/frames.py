"""The coordinate system of a map: projection, box, coast and graticule of a grid, and the cells of others within it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import cartopy.crs as ccrs
import numpy as np
import pyproj
import shapely
from matplotlib.ticker import MaxNLocator

from climdiff.grids.grid import Grid
from climdiff.grids.projection import meters
from climdiff.report.coastline import coastline_around


@dataclass(frozen=True)
class Frame:
    """The coordinate system and box in which all panels of a figure are drawn."""

    grid: Grid
    projection: ccrs.Projection | None
    box: tuple[float, float, float, float]  # west, east, south, north in the units of the map
    aspect: float  # height of one unit of y over that of x
    coast: shapely.Geometry
    graticule: tuple[np.ndarray, np.ndarray]  # longitudes in -180..180 and latitudes of the lines drawn

    @property
    def height_over_width(self) -> float:
        """The shape of a panel."""
        west, east, south, north = self.box
        return (north - south) / (east - west) * self.aspect


def projection_of(grid: Grid) -> ccrs.Projection | None:
    """Return the coordinate system in which `grid` is a rectangle, or None where its axes are plain distances."""
    attributes: dict[str, Any] = dict(grid.mapping or {})
    match grid.kind:
        case "latlon":
            return ccrs.PlateCarree(central_longitude=_middle(grid.bounds_x()))
        case "rotated":
            return ccrs.RotatedPole(
                pole_longitude=float(attributes["grid_north_pole_longitude"]),
                pole_latitude=float(attributes["grid_north_pole_latitude"]),
                central_rotated_longitude=float(attributes.get("north_pole_grid_longitude", 0.0)),
            )
        case "projected":
            projection = ccrs.Projection(pyproj.CRS.from_cf(attributes))
            x, y = _native_edges(grid)
            projection.bounds = [x.min(), x.max(), y.min(), y.max()]
            return projection
    return None


def frame_of(grid: Grid) -> Frame:
    """Return the frame of a map of `grid`: its projection, its box, and the coast within it.

    A latitude-longitude grid of less than 60 degrees stays a rectangle with true proportions at its middle latitude.
    """
    projection = projection_of(grid)
    x, y = _native_edges(grid)
    west, east, south, north = float(x.min()), float(x.max()), float(y.min()), float(y.max())
    where = grid.latlon()
    coast: shapely.Geometry = shapely.MultiLineString()
    graticule = np.empty(0), np.empty(0)
    if projection is not None and where is not None:
        coast = projection.project_geometry(coastline_around(*where), ccrs.PlateCarree())
        coast = shapely.clip_by_rect(coast, west, south, east, north).simplify((east - west) / 1000)
        graticule = _graticule(*where)
    is_local = grid.kind == "latlon" and north - south < 60
    aspect = 1.0 / float(np.cos(np.deg2rad((south + north) / 2))) if is_local else 1.0
    return Frame(grid, projection, (west, east, south, north), aspect, coast, graticule)


def edges_in(frame: Frame, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Return the cell edges of `grid` in the coordinates of the frame: 1-D where both share a system, else 2-D."""
    west, east, south, north = frame.box
    if grid.is_counted:
        return np.linspace(west, east, grid.x.size + 1), np.linspace(south, north, grid.y.size + 1)
    if grid.kind == "latlon" and frame.grid.kind == "latlon":
        shift = _middle(grid.bounds_x()) - _middle(frame.grid.bounds_x())
        return _native_edges(grid)[0] + (shift + 180.0) % 360.0 - 180.0, _native_edges(grid)[1]
    x, y = _native_edges(grid)
    own = projection_of(grid)
    if own is None or frame.projection is None or own.to_wkt() == frame.projection.to_wkt():
        return x, y
    mesh = frame.projection.transform_points(own, *np.meshgrid(x, y))
    return mesh[..., 0], mesh[..., 1]


def _native_edges(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Return the cell edges (x, y) in map units: degrees about the middle, metres, or kilometres without projection."""
    x, y = grid.bounds_x(), grid.bounds_y()
    if grid.kind == "latlon":
        return x - _middle(x), y
    if grid.kind == "rotated":
        return x, y
    in_meters = meters(_axis_units(grid, "x")), meters(_axis_units(grid, "y"))
    per_unit = 1000.0 if grid.kind == "plain" else 1.0
    return x * (in_meters[0] or per_unit) / per_unit, y * (in_meters[1] or per_unit) / per_unit


def _axis_units(grid: Grid, axis: Literal["x", "y"]) -> str:
    return str(grid.axis(axis).attrs.get("units", ""))


def _middle(edges: np.ndarray) -> float:
    return float(edges[0] + edges[-1]) / 2


def _graticule(lat: np.ndarray, lon: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return round longitudes, in -180..180 also where the points lie across 180 degrees, and round latitudes."""
    locator = MaxNLocator(4, steps=[1, 2, 3, 5, 6, 10])
    start = float(lon.flat[0])
    east_of_start = (lon - start + 180.0) % 360.0 - 180.0
    if np.ptp(east_of_start) > 180.0 and np.ptp(lon) < 360.0:
        east_of_start = lon - start
    west, east = start + float(east_of_start.min()), start + float(east_of_start.max())
    longitudes = np.asarray([turn for turn in locator.tick_values(west, east) if west <= turn <= east])
    latitudes = np.asarray(locator.tick_values(float(lat.min()), float(lat.max())))
    return np.unique((longitudes + 180.0) % 360.0 - 180.0), latitudes
