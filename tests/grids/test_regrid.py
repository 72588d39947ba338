"""Regridding: exact for linear fields, conservative, clamped, lazy, careful with missing values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from climdiff.errors import DataError
from climdiff.grids.grid import Grid, to_native
from climdiff.grids.regrid import regrid
from climdiff.grids.weights import Method

LAMBERT = {
    "grid_mapping_name": "lambert_conformal_conic",
    "standard_parallel": [40.0, 50.0],
    "longitude_of_central_meridian": 5.0,
    "latitude_of_projection_origin": 45.0,
    "earth_radius": 6371229.0,
}


def latlon_grid(lat: np.ndarray, lon: np.ndarray) -> Grid:
    coordinates = {
        "lat": ("lat", lat, {"standard_name": "latitude", "units": "degrees_north"}),
        "lon": ("lon", lon, {"standard_name": "longitude", "units": "degrees_east"}),
    }
    return Grid.from_dataset(xr.Dataset(coords=coordinates))


def plain_grid(y: np.ndarray, x: np.ndarray) -> Grid:
    return Grid.from_dataset(xr.Dataset(coords={"y": ("y", y, {"units": "m"}), "x": ("x", x, {"units": "m"})}))


def lambert_grid(y: np.ndarray, x: np.ndarray, units: str = "m") -> Grid:
    coordinates = {
        "y": ("y", y, {"standard_name": "projection_y_coordinate", "units": units}),
        "x": ("x", x, {"standard_name": "projection_x_coordinate", "units": units}),
        "crs": ((), np.int32(0), LAMBERT),
    }
    return Grid.from_dataset(xr.Dataset(coords=coordinates))


def field(grid: Grid, values: np.ndarray, **attrs: str) -> xr.DataArray:
    leading = ("time",) if values.ndim == 3 else ()
    return grid.attach(xr.DataArray(values, dims=(*leading, grid.y_dim, grid.x_dim), name="pr", attrs=attrs))


def centers(low: float, high: float, n: int) -> np.ndarray:
    edges = np.linspace(low, high, n + 1)
    return (edges[1:] + edges[:-1]) / 2


@pytest.mark.parametrize(("fine_y", "fine_x"), [(24, 35), (13, 11), (6, 7)])
@pytest.mark.parametrize("turn", [1, -1])
def test_bilinear_is_exact_for_linear_fields_and_clamped_outside_the_centers(
    fine_y: int, fine_x: int, turn: int
) -> None:
    source = plain_grid(centers(0, 60, 6)[::turn], centers(0, 70, 7))
    target = plain_grid(centers(0, 60, fine_y), centers(0, 70, fine_x))
    linear = 2.0 * source.y[:, None] - 3.0 * source.x[None, :] + 1.0
    y, x = np.clip(target.y, 5, 55), np.clip(target.x, 5, 65)
    expected = 2.0 * y[:, None] - 3.0 * x[None, :] + 1.0
    np.testing.assert_allclose(regrid(field(source, linear), source, target), expected, rtol=1e-6, atol=1e-5)


@settings(deadline=None, max_examples=30)
@given(
    coarse=st.tuples(st.integers(2, 9), st.integers(2, 9)),
    fine=st.tuples(st.integers(2, 23), st.integers(2, 23)),
    is_descending=st.booleans(),
    seed=st.integers(0, 99),
)
def test_conservative_regridding_keeps_the_area_weighted_mean(
    coarse: tuple[int, int], fine: tuple[int, int], is_descending: bool, seed: int
) -> None:
    turn = -1 if is_descending else 1
    source = latlon_grid(centers(30, 72, coarse[0])[::turn], centers(-12, 33, coarse[1]))
    target = latlon_grid(centers(30, 72, fine[0]), centers(-12, 33, fine[1]))
    values = np.random.default_rng(seed).gamma(0.5, size=coarse)
    result = regrid(field(source, values), source, target, "conservative")
    before, after = (source.cell_area() * values), (target.cell_area() * result.astype(np.float64))
    np.testing.assert_allclose(after.mean(), before.mean(), rtol=1e-6)


def test_conservative_regridding_keeps_the_mean_on_a_global_grid_with_another_start() -> None:
    source = latlon_grid(centers(-90, 90, 18), centers(0, 360, 36))
    target = latlon_grid(centers(90, -90, 25), centers(-187, 173, 50))
    values = np.random.default_rng(0).normal(5.0, 1.0, size=source.shape)
    result = regrid(field(source, values), source, target, "conservative").astype(np.float64)
    np.testing.assert_allclose((target.cell_area() * result).mean(), (source.cell_area() * values).mean(), rtol=1e-6)


def test_conservative_regridding_of_whole_blocks_is_their_mean() -> None:
    fine, coarse = plain_grid(centers(0, 12, 12), centers(0, 20, 20)), plain_grid(centers(0, 12, 3), centers(0, 20, 5))
    values = np.random.default_rng(0).normal(size=(2, 12, 20))
    expected = values.reshape(2, 3, 4, 5, 4).mean(axis=(2, 4))
    np.testing.assert_allclose(
        regrid(field(fine, values), fine, coarse, "conservative"), expected, rtol=1e-6, atol=1e-7
    )


def test_nearest_takes_the_value_of_the_cell_around() -> None:
    coarse, fine = plain_grid(centers(0, 12, 3), centers(0, 20, 5)), plain_grid(centers(0, 12, 12), centers(0, 20, 20))
    values = np.arange(15.0).reshape(3, 5)
    expected = np.kron(values, np.ones((4, 4)))
    np.testing.assert_array_equal(regrid(field(coarse, values), coarse, fine, "nearest"), expected)


@pytest.mark.parametrize("method", ["bilinear", "conservative", "nearest"])
def test_a_turned_source_gives_the_same_bits(method: Method) -> None:
    lat, lon = centers(30, 45, 5), centers(-10, 8, 6)
    target = latlon_grid(centers(30, 45, 16), centers(-10, 8, 23))
    values = np.random.default_rng(0).normal(size=(5, 6))
    up, down = latlon_grid(lat, lon), latlon_grid(lat[::-1], lon)
    expected = regrid(field(up, values), up, target, method)
    np.testing.assert_array_equal(regrid(field(down, values[::-1]), down, target, method), expected)


@pytest.mark.parametrize("method", ["bilinear", "conservative", "nearest"])
@pytest.mark.parametrize("roll", [0, 7, 18, 35])
def test_a_rolled_globe_gives_the_same_field_without_a_seam(method: Method, roll: int) -> None:
    lat, lon = centers(-90, 90, 18), centers(0, 360, 36)
    values = np.broadcast_to(np.cos(np.radians(lat))[:, None], (18, 36)) + 0.1 * np.sin(np.radians(lon))
    whole = latlon_grid(lat, lon)
    rolled = latlon_grid(lat, (np.roll(lon, roll) + 180) % 360 - 180)
    target = latlon_grid(centers(20, 40, 7), centers(350, 370, 11))
    expected = regrid(field(whole, values), whole, target, method)
    result = regrid(field(rolled, np.roll(values, roll, axis=1)), rolled, target, method)
    np.testing.assert_allclose(result, expected, rtol=1e-6)


def test_bilinear_on_a_globe_joins_the_last_and_the_first_column() -> None:
    source = latlon_grid(centers(-90, 90, 4), centers(0, 360, 4))
    values = np.tile([1.0, 2.0, 3.0, 5.0], (4, 1))
    target = latlon_grid(np.array([-10.0, 10.0]), np.array([-22.5, 0.0, 22.5]))
    np.testing.assert_allclose(regrid(field(source, values), source, target)[0], [4.0, 3.0, 2.0], rtol=1e-6)


def test_regional_longitudes_in_two_conventions_meet() -> None:
    source = latlon_grid(centers(40, 44, 4), np.array([357.0, 358.0, 359.0, 0.0, 1.0]))
    target = latlon_grid(centers(40, 44, 8), np.array([-2.5, -1.0, 0.5]))
    values = np.broadcast_to(np.arange(-3.0, 2.0), (4, 5))
    np.testing.assert_allclose(regrid(field(source, values), source, target)[3], [-2.5, -1.0, 0.5], rtol=1e-6)


def test_missing_values_lend_their_weight_to_the_others() -> None:
    source, target = plain_grid(centers(0, 4, 2), centers(0, 8, 4)), plain_grid(centers(0, 4, 4), centers(0, 8, 8))
    values = np.full((2, 4), 3.0)
    values[:, 2:] = np.nan
    result = regrid(field(source, values), source, target)
    assert bool((result[:, :5] == 3.0).all())
    assert bool(result[:, 5:].isnull().all())
    values[:, 1] = np.nan
    blocks = regrid(field(source, values), source, plain_grid(centers(0, 4, 2), centers(0, 8, 2)), "conservative")
    np.testing.assert_array_equal(blocks, [[3.0, np.nan]] * 2)


def test_a_field_has_the_same_bits_beside_a_field_with_missing_values() -> None:
    source, target = plain_grid(centers(0, 6, 6), centers(0, 7, 7)), plain_grid(centers(0, 6, 17), centers(0, 7, 19))
    values = np.random.default_rng(0).gamma(0.3, 9.0, size=(5, 6, 7))
    values[3, 2, 2] = np.nan
    together = regrid(field(source, values), source, target, "conservative")
    for index in range(5):
        alone = regrid(field(source, values[index]), source, target, "conservative")
        np.testing.assert_array_equal(together[index], alone)


def test_leading_dimensions_attributes_and_other_variables_are_kept() -> None:
    source = latlon_grid(centers(0, 6, 3), centers(0, 8, 4))
    target = latlon_grid(centers(0, 6, 6), centers(0, 8, 8))
    times = np.array(["2000-01-01", "2000-01-02"], dtype="datetime64[ns]")
    ds = xr.Dataset(
        {
            "pr": (("realization", "time", "lat", "lon"), np.ones((3, 2, 3, 4)), {"units": "mm h-1"}),
            "co2": (("time",), [1.0, 2.0]),
            "lat_bnds": (("lat", "bnds"), np.zeros((3, 2))),
        },
        coords={"time": times, "event": ("time", [7, 8]), **source.coordinates.coords},
        attrs={"title": "t"},
    )
    result = regrid(ds, source, target)
    assert result["pr"].dims == ("realization", "time", "lat", "lon")
    assert result["pr"].dtype == np.float32
    assert result["pr"].attrs == {"units": "mm h-1"}
    assert result.attrs == {"title": "t"}
    assert set(result.variables) == {"pr", "co2", "time", "event", "lat", "lon"}
    np.testing.assert_array_equal(result["lat"], target.y)


def test_dask_arrays_stay_lazy_and_give_the_same_numbers() -> None:
    source, target = plain_grid(centers(0, 6, 6), centers(0, 7, 7)), plain_grid(centers(0, 6, 17), centers(0, 7, 19))
    values = field(source, np.random.default_rng(0).normal(size=(5, 6, 7)))
    lazy = regrid(values.chunk({"time": 2, "y": 3, "x": 4}), source, target)
    assert lazy.chunks == ((2, 2, 1), (17,), (19,))
    assert lazy.dtype == np.float32
    np.testing.assert_array_equal(lazy.compute(scheduler="synchronous"), regrid(values, source, target))


@pytest.mark.parametrize("units", ["m", "km"])
def test_a_globe_is_interpolated_to_a_map_through_latitude_and_longitude(units: str) -> None:
    source = latlon_grid(centers(30, 60, 30), centers(-20, 30, 50))
    size = 1.0 if units == "km" else 1000.0
    target = lambert_grid(size * 20.0 * np.arange(-9, 10), size * 20.0 * np.arange(-7, 8), units)
    lat, lon = np.meshgrid(source.y, source.x, indexing="ij")
    flat = target.latlon()
    assert flat is not None
    for values, expected in ((lat, flat[0]), (lon, flat[1])):
        result = regrid(field(source, values), source, target)
        np.testing.assert_allclose(result, expected, atol=1e-4)
    assert result.attrs["grid_mapping"] == "crs"


def test_a_map_is_interpolated_to_latitude_and_longitude_in_its_own_coordinates() -> None:
    source = lambert_grid(20e3 * np.arange(-19, 20), 20e3 * np.arange(-17, 18))
    target = latlon_grid(centers(43, 47, 9), centers(3, 7, 8))
    y, x = to_native(source, *np.meshgrid(target.y, target.x, indexing="ij"))
    linear = field(source, 2e-5 * source.y[:, None] - 3e-5 * source.x)
    np.testing.assert_allclose(regrid(linear, source, target), 2e-5 * y - 3e-5 * x, atol=1e-6)
    nearest = regrid(linear, source, target, "nearest")
    assert float(np.abs(nearest - regrid(linear, source, target)).max()) <= 10e3 * 5e-5


def test_conservation_between_different_maps_is_refused() -> None:
    source, target = (
        latlon_grid(centers(30, 60, 30), centers(-20, 30, 50)),
        lambert_grid(np.arange(3.0), np.arange(4.0)),
    )
    with pytest.raises(
        DataError, match=r"CD-020 regrid: conservative regridding from a latlon to a projected.*Fix: use"
    ):
        regrid(field(source, np.zeros(source.shape)), source, target, "conservative")


def test_grids_that_do_not_meet_are_refused_with_both_extents() -> None:
    source, target = (
        latlon_grid(centers(30, 60, 30), centers(-20, 30, 50)),
        latlon_grid(centers(0, 9, 3), centers(0, 9, 4)),
    )
    with pytest.raises(DataError, match=r"CD-073 regrid: all cells .*lat 0 to 9, lon 0 to 9 .*within lat 30 to 60"):
        regrid(field(source, np.zeros(source.shape)), source, target)
    wide = latlon_grid(centers(30, 70, 10), centers(0, 9, 4))
    with pytest.raises(DataError, match=r"CD-073 regrid: some cells .*lat 30 to 70"):
        regrid(field(source, np.zeros(source.shape)), source, wide, "conservative")


def test_grids_without_a_place_cannot_be_related_unless_they_have_the_same_cells() -> None:
    few, many = (Grid.from_dataset(xr.Dataset({"pr": (("y", "x"), np.zeros((n, n)))})) for n in (4, 8))
    with pytest.raises(
        DataError, match=r"CD-017 regrid: how a plain grid \(4, 4\) lies on a plain grid \(8, 8\) is unknown"
    ):
        regrid(field(few, np.zeros((4, 4))), few, many)
    values = np.random.default_rng(0).normal(size=(4, 4)).astype(np.float32)
    np.testing.assert_array_equal(regrid(field(few, values), few, few), values)


@pytest.mark.data
def test_real_rain_interpolated_has_the_published_error(real_data: Path) -> None:
    folder = real_data / "radar2km_dev"
    with xr.open_dataset(folder / "test_coarse.nc") as coarse, xr.open_dataset(folder / "test_fine.nc") as fine:
        grids = Grid.from_dataset(coarse), Grid.from_dataset(fine)
        error = np.abs(regrid(coarse["pr"], *grids) - fine["pr"].astype(np.float32)).mean()
        assert float(error) == pytest.approx(0.240, abs=0.001)
        blocks = regrid(fine["pr"], grids[1], grids[0], "conservative")
        np.testing.assert_allclose(blocks, coarse["pr"], atol=1e-5)


@pytest.mark.data
def test_real_rotated_fields_have_the_published_error_and_reach_true_latitudes(real_data: Path) -> None:
    folder = real_data / "iberia_racmo_eur44"
    coarse = xr.open_dataset(folder / "coarse_historical_1983-2002.nc", chunks=None)
    fine = xr.open_dataset(folder / "fine_historical_1983-2002.nc", chunks=None)
    grids = Grid.from_dataset(coarse), Grid.from_dataset(fine)
    test = {"time": slice("1997-12-01", "2002-02-28")}
    error = np.abs(regrid(coarse["tas"].sel(test), *grids) - fine["tas"].sel(test).astype(np.float32)).mean()
    assert float(error) == pytest.approx(1.306, abs=0.005)
    target = latlon_grid(centers(36, 42, 12), centers(-8, 0, 16))
    np.testing.assert_allclose(
        regrid(fine["lat"], grids[1], target), np.broadcast_to(target.y[:, None], (12, 16)), atol=0.01
    )
