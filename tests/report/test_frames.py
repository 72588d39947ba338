from collections.abc import Callable

import cartopy.crs as ccrs
import numpy as np
import pyproj
import pytest
import shapely
import xarray as xr

from climdiff.grids.grid import Grid
from climdiff.report.frames import edges_in, frame_of, projection_of

LAMBERT = pyproj.CRS("+proj=lcc +lat_1=60 +lat_0=60 +lon_0=10 +R=6371000").to_cf()


def latlon_grid(lat: np.ndarray, lon: np.ndarray) -> Grid:
    coords = {
        "lat": ("lat", lat, {"units": "degrees_north", "standard_name": "latitude"}),
        "lon": ("lon", lon, {"units": "degrees_east", "standard_name": "longitude"}),
    }
    return Grid.from_dataset(xr.Dataset({"v": (("lat", "lon"), np.zeros((lat.size, lon.size)))}, coords))


def lambert_grid(per_km: float) -> Grid:
    units = "m" if per_km == 1000 else "km"
    coords = {
        "y": (
            "y",
            per_km * np.arange(-600.0, 600.0, 40.0),
            {"units": units, "standard_name": "projection_y_coordinate"},
        ),
        "x": (
            "x",
            per_km * np.arange(-400.0, 400.0, 40.0),
            {"units": units, "standard_name": "projection_x_coordinate"},
        ),
        "crs": ((), np.int32(0), LAMBERT),
    }
    values = np.zeros((coords["y"][1].size, coords["x"][1].size))
    return Grid.from_dataset(xr.Dataset({"v": (("y", "x"), values, {"grid_mapping": "crs"})}, coords))


def counted_grid(ny: int, nx: int) -> Grid:
    return Grid.from_dataset(xr.Dataset({"v": (("y", "x"), np.zeros((ny, nx)))}))


def test_a_rotated_pole_is_drawn_in_its_own_projection(rain_world: Callable[..., tuple[xr.Dataset, ...]]) -> None:
    grid = Grid.from_dataset(rain_world("rotated")[0])
    projection = projection_of(grid)
    assert isinstance(projection, ccrs.RotatedPole)
    lat, lon = grid.latlon() or (np.empty(0), np.empty(0))
    native = projection.transform_points(ccrs.PlateCarree(), lon, lat)
    assert np.allclose(native[0, :, 0], grid.x) and np.allclose(native[:, 0, 1], grid.y)


@pytest.mark.parametrize("per_km", [1.0, 1000.0])
def test_a_projected_grid_lies_where_its_mapping_says(per_km: float) -> None:
    frame = frame_of(lambert_grid(per_km))
    assert frame.projection is not None
    assert np.allclose(frame.projection.transform_point(10.0, 60.0, ccrs.PlateCarree()), 0, atol=1e-3)
    assert frame.box == pytest.approx((-420e3, 380e3, -620e3, 580e3))
    assert 0 < shapely.length(frame.coast) / 1000 < 50_000


def test_plain_distances_are_shown_in_km_without_a_coast(rain_world: Callable[..., tuple[xr.Dataset, ...]]) -> None:
    frame = frame_of(Grid.from_dataset(rain_world("plain")[0]))
    assert frame.projection is None and frame.coast.is_empty
    assert frame.box == pytest.approx((-1, 47, -1, 31))


def test_a_square_on_the_ground_is_square_on_the_map() -> None:
    frame = frame_of(latlon_grid(np.arange(59.05, 61, 0.1), np.arange(8.05, 12, 0.1)))  # cos(60) = 1/2
    assert frame.height_over_width == pytest.approx(1.0, rel=1e-3)


def test_a_map_across_the_antimeridian_is_one_piece() -> None:
    frame = frame_of(latlon_grid(np.arange(-20.0, -14.0, 0.5), np.arange(175.25, 185, 0.5)))
    west, east, _, _ = frame.box
    assert (west, east) == pytest.approx((-5, 5))
    assert -5 <= frame.coast.bounds[0] < frame.coast.bounds[2] <= 5
    assert np.all((frame.graticule[0] >= 175) | (frame.graticule[0] <= -175))
    assert frame.graticule[0].size >= 3


def test_a_coarse_grid_with_another_middle_shares_the_axes_of_the_fine_one() -> None:
    fine, coarse = (
        latlon_grid(np.arange(30.5, 40), np.arange(0.5, 10)),
        latlon_grid(np.arange(31.0, 40, 2), np.arange(361.0, 373, 2)),
    )
    x, y = edges_in(frame_of(fine), coarse)
    assert np.allclose(x, np.arange(-5, 8, 2)) and np.allclose(y, np.arange(30, 41, 2))


def test_cells_of_another_projection_keep_their_corners() -> None:
    frame = frame_of(lambert_grid(1000.0))
    x, y = edges_in(frame, latlon_grid(np.array([59.5, 60.5]), np.array([9.0, 11.0])))
    assert x.shape == y.shape == (3, 3)
    assert (x[1, 1], y[1, 1]) == pytest.approx((0, 0), abs=1e-3)  # 60 N, 10 E


def test_cells_that_are_only_counted_cover_the_same_box() -> None:
    x, y = edges_in(frame_of(counted_grid(8, 16)), counted_grid(2, 4))
    assert np.allclose(x, [-0.5, 3.5, 7.5, 11.5, 15.5]) and np.allclose(y, [-0.5, 3.5, 7.5])
