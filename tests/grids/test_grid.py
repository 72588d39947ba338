"""A grid is found in a data set, hashed by position, and attached to fields."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from climdiff.errors import DataError
from climdiff.grids.grid import Grid, check_same, to_native

ROTATED = {
    "grid_mapping_name": "rotated_latitude_longitude",
    "grid_north_pole_latitude": 39.25,
    "grid_north_pole_longitude": -162.0,
}
NORTH = {"standard_name": "latitude", "units": "degrees_north"}
EAST = {"standard_name": "longitude", "units": "degrees_east"}


def latlon(lat: np.ndarray, lon: np.ndarray, where: str = "f.nc") -> Grid:
    return Grid.from_dataset(xr.Dataset(coords={"lat": ("lat", lat, NORTH), "lon": ("lon", lon, EAST)}), where)


def plain(y: np.ndarray, x: np.ndarray, units: str = "m") -> Grid:
    coords = {"y": ("y", y, {"units": units}), "x": ("x", x, {"units": units})}
    return Grid.from_dataset(xr.Dataset(coords=coords))


def rotated(mapping: dict[str, object] = ROTATED, **extra: object) -> xr.Dataset:
    coords = {
        "rlat": ("rlat", np.arange(-5.0, 5.0), {"standard_name": "grid_latitude", "units": "degrees"}),
        "rlon": ("rlon", np.arange(-8.0, 4.0), {"standard_name": "grid_longitude", "units": "degrees"}),
        "rotated_pole": ((), np.int32(0), mapping),
    }
    return xr.Dataset(coords={**coords, **extra})


def lambert(units: str) -> Grid:
    mapping = {
        "grid_mapping_name": "lambert_conformal_conic",
        "standard_parallel": [40.0, 50.0],
        "longitude_of_central_meridian": 5.0,
        "latitude_of_projection_origin": 45.0,
        "earth_radius": 6371229.0,
    }
    size = 1.0 if units == "km" else 1000.0
    coords = {
        "y": ("y", size * 12.0 * np.arange(5), {"standard_name": "projection_y_coordinate", "units": units}),
        "x": ("x", size * 12.0 * np.arange(7), {"standard_name": "projection_x_coordinate", "units": units}),
        "crs": ((), np.int32(0), mapping),
    }
    return Grid.from_dataset(xr.Dataset(coords=coords), "f.nc")


def test_the_four_kinds_of_grid_are_told_apart() -> None:
    grids = [latlon(np.arange(5.0), np.arange(6.0)), Grid.from_dataset(rotated()), lambert("m")]
    grids.append(plain(np.arange(4.0), np.arange(3.0)))
    assert [grid.kind for grid in grids] == ["latlon", "rotated", "projected", "plain"]
    assert [grid.shape for grid in grids] == [(5, 6), (10, 12), (5, 7), (4, 3)]


def test_spacing_in_km_is_the_side_of_the_middle_cell() -> None:
    degree = 6371.0 * np.pi / 180
    assert latlon(np.arange(50.0, 71.0), np.arange(6.0)).spacing_km == pytest.approx(degree * np.sqrt(0.5), rel=1e-12)
    assert lambert("km").spacing_km == pytest.approx(12.0)
    assert plain(np.arange(3) * 2000.0, np.arange(3) * 8000.0).spacing_km == pytest.approx(4.0)
    assert Grid.from_dataset(xr.Dataset({"pr": (("y", "x"), np.zeros((2, 3)))})).spacing_km is None


def test_dimensions_without_coordinates_count_their_cells() -> None:
    grid = Grid.from_dataset(xr.Dataset({"pr": (("time", "y", "x"), np.zeros((2, 3, 4)))}))
    assert (grid.kind, grid.shape, grid.is_counted) == ("plain", (3, 4), True)
    np.testing.assert_array_equal(grid.x, [0, 1, 2, 3])
    assert grid.latlon() is None


@pytest.mark.parametrize("grid", [latlon(np.arange(5.0), np.arange(6.0)), Grid.from_dataset(rotated()), lambert("km")])
def test_a_grid_comes_back_from_its_coordinates_and_from_a_file(grid: Grid, tmp_path: Path) -> None:
    assert Grid.from_dataset(grid.to_dataset()).hash() == grid.hash()
    grid.to_dataset().to_netcdf(tmp_path / "grid.nc")
    grid.attach(xr.Dataset({"pr": ((grid.y_dim, grid.x_dim), np.zeros(grid.shape))})).to_zarr(
        tmp_path / "pr.zarr", consolidated=False
    )
    with xr.open_dataset(tmp_path / "grid.nc") as ds:
        assert Grid.from_dataset(ds).hash() == grid.hash()
    assert Grid.from_dataset(xr.open_zarr(tmp_path / "pr.zarr", chunks=None, consolidated=False)).hash() == grid.hash()


def test_the_hash_sees_positions_and_not_how_they_are_written() -> None:
    lat, lon = np.arange(30.05, 45, 0.1), np.arange(-9.95, 5, 0.1)
    grid = latlon(lat, lon)
    assert latlon(lat.astype(np.float32), lon.astype(np.float32)).hash() == grid.hash()
    assert latlon(lat, np.mod(lon, 360.0)).hash() == grid.hash()
    assert lambert("m").hash() == lambert("km").hash()


def test_the_hash_sees_a_shift_a_turn_a_name_and_a_pole() -> None:
    lat, lon = np.arange(30.0, 45), np.arange(-10.0, 5)
    hashes = {latlon(lat, lon).hash(), latlon(lat[::-1], lon).hash(), latlon(lat, lon + 0.5).hash()}
    hashes |= {latlon(lat, lon + 1.0).hash(), latlon(lat * 1.01, lon).hash(), plain(lat, lon).hash()}
    hashes |= {Grid.from_dataset(rotated()).hash()}
    hashes |= {Grid.from_dataset(rotated(ROTATED | {"grid_north_pole_latitude": 40.0})).hash()}
    assert len(hashes) == 8


def test_a_grid_shifted_by_half_a_cell_is_not_the_same_grid() -> None:
    lat, lon = np.arange(30.0, 45), np.arange(-10.0, 5)
    check_same(latlon(lat, lon), latlon(lat + 1e-5, lon), ("a.nc", "b.nc"))
    with pytest.raises(DataError, match=r"CD-021 a.nc: coordinate 'lon' at index 0 is -10, but -9.5 in b.nc.*Fix"):
        check_same(latlon(lat, lon), latlon(lat, lon + 0.5), ("a.nc", "b.nc"))
    with pytest.raises(DataError, match=r"CD-021 a.nc: the grid is \(15, 15\), but \(14, 15\) in b.nc"):
        check_same(latlon(lat, lon), latlon(lat[1:], lon), ("a.nc", "b.nc"))
    with pytest.raises(DataError, match=r"CD-021 a.nc: dimensions are"):
        check_same(latlon(lat, lon), plain(lat, lon), ("a.nc", "b.nc"))
    other = Grid.from_dataset(rotated(ROTATED | {"grid_north_pole_latitude": 40.0}))
    with pytest.raises(DataError, match=r"CD-021 a.nc: the grid mapping is"):
        check_same(Grid.from_dataset(rotated()), other, ("a.nc", "b.nc"))


@pytest.mark.parametrize(
    "more",
    [
        {"north_pole_grid_longitude": 0.0, "longitude_of_prime_meridian": 0.0},
        {"grid_north_pole_longitude": 198.0},
        {"grid_north_pole_latitude": [39.25]},
        {"earth_radius": 6371229.0, "proj4": "+proj=ob_tran", "crs_wkt": "GEOGCRS[]"},
    ],
)
def test_fault_073_the_same_pole_said_otherwise_is_the_same_grid(more: dict[str, object]) -> None:
    check_same(Grid.from_dataset(rotated(ROTATED | more)), Grid.from_dataset(rotated()), ("a.nc", "b.nc"))


def test_fault_016_a_pole_in_float32_is_the_same_pole() -> None:
    pole = {"grid_north_pole_latitude": 39.3, "grid_north_pole_longitude": 18.3}
    narrow = {"grid_north_pole_latitude": np.float32(39.3), "grid_north_pole_longitude": np.float32(378.3)}
    grids = [Grid.from_dataset(rotated(ROTATED | each)) for each in (pole, narrow)]
    check_same(*grids, ("a.nc", "b.nc"))


@pytest.mark.parametrize("more", [{"north_pole_grid_longitude": 1.0}, {"grid_north_pole_longitude": 162.0}])
def test_fault_073_another_turn_of_the_pole_is_another_grid(more: dict[str, object]) -> None:
    with pytest.raises(DataError, match=r"CD-021 a\.nc: the grid mapping is"):
        check_same(Grid.from_dataset(rotated(ROTATED | more)), Grid.from_dataset(rotated()), ("a.nc", "b.nc"))


def test_the_whole_sphere_has_exact_cell_areas() -> None:
    grid = latlon(np.arange(-85.0, 90, 10), np.arange(0.0, 360, 10))
    np.testing.assert_array_equal(grid.bounds_y(), np.arange(-90.0, 91, 10))
    area = grid.cell_area()
    assert float(area.mean()) == pytest.approx(1.0, abs=1e-14)
    # A cap north of 60 degrees is (1 - sin 60) / 2 of the sphere.
    cap = area.sel(lat=slice(60, 90)).sum() / area.sum()
    assert float(cap) == pytest.approx((1 - np.sin(np.radians(60))) / 2, rel=1e-12)
    np.testing.assert_allclose(lambert("m").cell_area(), 1.0)


def test_attach_replaces_coordinates_and_leaves_the_input_alone() -> None:
    grid = Grid.from_dataset(rotated())
    ds = xr.Dataset({"pr": (("time", "rlat", "rlon"), np.zeros((2, 10, 12)), {"grid_mapping": "old"}), "n": 1})
    labelled = grid.attach(ds)
    assert labelled["pr"].attrs["grid_mapping"] == "rotated_pole"
    assert "grid_mapping" not in labelled["n"].attrs
    assert ds["pr"].attrs == {"grid_mapping": "old"}
    assert set(labelled.coords) == {"rlat", "rlon", "rotated_pole"}


def test_native_positions_of_the_own_latitudes_and_longitudes_are_the_axes() -> None:
    for grid in (Grid.from_dataset(rotated()), lambert("km"), lambert("m")):
        flat = grid.latlon()
        assert flat is not None
        y, x = to_native(grid, *flat)
        np.testing.assert_allclose(y, np.broadcast_to(grid.y[:, None], grid.shape), atol=1e-6)
        np.testing.assert_allclose(x, np.broadcast_to(grid.x, grid.shape), atol=1e-6)


def test_two_dimensional_coordinates_that_contradict_the_mapping_are_refused() -> None:
    flat = Grid.from_dataset(rotated()).latlon()
    assert flat is not None
    extra = {"lat": (("rlat", "rlon"), flat[0], NORTH), "lon": (("rlat", "rlon"), flat[1], EAST)}
    assert Grid.from_dataset(rotated(**extra)).kind == "rotated"
    with pytest.raises(DataError, match=r"CD-017 f.nc: latitude and longitude are up to .* km away"):
        Grid.from_dataset(rotated(ROTATED | {"grid_north_pole_latitude": 45.0}, **extra), "f.nc")


def test_a_map_without_known_units_is_refused() -> None:
    with pytest.raises(DataError, match=r"CD-017 f.nc: coordinates 'y' and 'x' of a map have units .*'furlong'"):
        lambert("furlong")


def test_swapped_latitude_and_longitude_are_refused() -> None:
    with pytest.raises(DataError, match=r"CD-017 f.nc: coordinate 'lat' runs from 0 to 350 degrees.*swapped"):
        latlon(np.arange(0.0, 360, 10), np.arange(-80.0, 81, 10))


def test_longitudes_keep_their_labels_and_are_unwrapped_in_the_grid() -> None:
    grid = latlon(np.arange(5.0), np.array([358.0, 359.0, 0.0, 1.0]))
    np.testing.assert_array_equal(grid.x, [358, 359, 360, 361])
    np.testing.assert_array_equal(grid.to_dataset()["lon"], [358, 359, 0, 1])


@pytest.mark.data
def test_real_grids_are_read_as_what_they_are(real_data: Path) -> None:
    with xr.open_dataset(real_data / "iberia_racmo_eur44" / "fine_historical_1983-2002.nc") as ds:
        grid = Grid.from_dataset(ds)
        assert (grid.kind, grid.shape) == ("rotated", (28, 28))
        assert grid.spacing_km == pytest.approx(0.44 * 6371 * np.pi / 180, rel=0.02)
        assert set(grid.coordinates.coords) == {"rlat", "rlon", "lat", "lon", "rotated_pole"}
    with xr.open_dataset(real_data / "radar2km_dev" / "test_fine.nc") as ds:
        grid = Grid.from_dataset(ds)
        assert (grid.kind, grid.shape, grid.spacing_km, grid.latlon()) == ("plain", (64, 64), 2.0, None)
