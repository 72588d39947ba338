"""Fields in any order of rows and columns come in that of a grid, to the bit."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from climdiff.grids.grid import Grid, check_same
from climdiff.grids.orientation import ordered_as, oriented


def fields(lat: np.ndarray, lon: np.ndarray) -> xr.Dataset:
    """Return a field whose values name their cells."""
    coords = {
        "lat": ("lat", lat, {"units": "degrees_north"}),
        "lon": ("lon", lon, {"units": "degrees_east"}),
    }
    values = np.arange(float(lat.size * lon.size)).reshape(lat.size, lon.size)
    return xr.Dataset({"pr": (("lat", "lon"), values)}, coords)


GLOBE = fields(np.linspace(-67.5, 67.5, 4), np.arange(0.0, 360.0, 45.0))
REGION = fields(np.linspace(40.0, 46.0, 4), np.linspace(-4.0, 4.0, 5))


def grid(values: xr.Dataset) -> Grid:
    return Grid.from_dataset(values)


@given(
    roll=st.integers(-20, 20),
    turned=st.tuples(st.booleans(), st.booleans()),
    around=st.sampled_from([0.0, 180.0, 360.0]),
    dtype=st.sampled_from(["f4", "f8"]),
)
def test_fault_014_a_globe_begun_anywhere_is_the_same_to_the_bit(
    roll: int, turned: tuple[bool, bool], around: float, dtype: str
) -> None:
    given = GLOBE.roll(lon=roll, roll_coords=True)
    given = given.isel(
        {dim: slice(None, None, -1 if is_turned else 1) for dim, is_turned in zip(("lat", "lon"), turned, strict=True)}
    )
    lon = ((given["lon"] + around) % 360 - around).astype(dtype).assign_attrs(units="degrees_east")
    given = given.assign_coords(lon=lon)
    found = oriented(given, grid(GLOBE))
    np.testing.assert_array_equal(found["pr"].values, GLOBE["pr"].values)
    check_same(grid(found), grid(GLOBE), ("given", "the model"))


@pytest.mark.parametrize("along", [("lat",), ("lon",), ("lat", "lon")])
def test_fault_013_rows_and_columns_may_run_either_way(along: tuple[str, ...]) -> None:
    turned = REGION.isel({dim: slice(None, None, -1) for dim in along})
    assert oriented(turned, grid(REGION)).identical(REGION)
    assert oriented(REGION, grid(turned)).identical(turned)


def test_fault_014_a_region_may_count_its_longitudes_from_anywhere() -> None:
    turned = REGION.assign_coords(lon=(REGION["lon"] % 360).assign_attrs(units="degrees_east"))
    assert oriented(turned, grid(REGION)) is turned
    check_same(grid(turned), grid(REGION), ("given", "the model"))


def test_dates_stay_lazy_and_other_fields_come_along() -> None:
    lazy = REGION.expand_dims(time=3).chunk(time=1).isel(lat=slice(None, None, -1)).assign(height=5.0)
    found = oriented(lazy, grid(REGION))
    assert found["pr"].chunks is not None
    assert float(found["height"]) == 5.0


def test_other_cells_stay_as_they_are() -> None:
    """They are refused by who compares the grids, with the coordinates that were given."""
    for other in (REGION.isel(lat=slice(3)), REGION.transpose("lon", "lat")):
        assert oriented(other, grid(REGION)) is other


def test_fault_036_axes_of_one_meaning_have_one_name() -> None:
    turned = REGION.rename(lat="latitude", lon="longitude").isel(latitude=slice(None, None, -1))
    assert oriented(turned, grid(REGION)).identical(REGION)
    rotated = {dim: f"grid_{'latitude' if dim == 'y' else 'longitude'}" for dim in ("y", "x")}
    given = xr.Dataset({"pr": (("y", "x"), np.ones((2, 3)))}, {"y": [1.0, 2.0], "x": [1.0, 2.0, 3.0]})
    for dim, name in rotated.items():
        given[dim].attrs["standard_name"] = name
    assert ordered_as(given, given.rename(y="rlat", x="rlon")).sizes == {"rlat": 2, "rlon": 3}


def test_a_name_that_is_taken_or_tells_no_place_stays() -> None:
    for other in (REGION.rename(lat="latitude").assign(lat=5.0), REGION.drop_vars("lat").rename(lat="y")):
        assert oriented(other, grid(REGION)) is other
    assert ordered_as(REGION, REGION.rename(lat="latitude").drop_vars("latitude")) is REGION


def test_part_of_a_circle_is_not_rolled() -> None:
    open_circle = GLOBE.isel(lon=slice(7))
    shifted = open_circle.assign_coords(lon=(open_circle["lon"] + 45).assign_attrs(units="degrees_east"))
    assert oriented(shifted, grid(open_circle)) is shifted


def test_one_row_has_no_direction() -> None:
    row = REGION.isel(lat=[0])
    assert oriented(row.isel(lon=slice(None, None, -1)), grid(row)).identical(row)


def test_axes_that_are_none_are_left_to_who_compares_them() -> None:
    """Without the checks of a grid: undated, empty, missing and repeated positions."""
    for lon in ([np.nan] * 8, [0.0] * 8, list("abcdefgh")):
        odd = GLOBE.assign_coords(lon=("lon", lon, {"units": "degrees_east"}))
        assert ordered_as(odd, GLOBE) is odd
        assert ordered_as(GLOBE, odd) is GLOBE
    assert ordered_as(GLOBE.isel(lon=[]), GLOBE.isel(lon=[])).sizes["lon"] == 0
    assert ordered_as(GLOBE.drop_vars("lat"), GLOBE.isel(lat=slice(None, None, -1))).equals(GLOBE.drop_vars("lat"))
