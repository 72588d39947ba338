"""Stations, a row and a column are scored as they are, and laid on a grid of one row or column to be mapped."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from climdiff.errors import DataError
from climdiff.verification.cells import grid_of, laid_on

LAT = ("lat", [40.0, 50.0, 60.0], {"units": "degrees_north"})
LON = ("lon", [5.0, 6.0], {"units": "degrees_east"})
TIMES = np.array(["2001-01-01", "2001-01-02"], "datetime64[ns]")
FIELDS = xr.Dataset(
    {"pr": (("time", "lat", "lon"), np.arange(12.0).reshape(2, 3, 2))}, {"time": TIMES, "lat": LAT, "lon": LON}
)
PLACES = {"lat": xr.DataArray([2, 0, 1], dims="station"), "lon": xr.DataArray([0, 1, 0], dims="station")}


@pytest.mark.parametrize(
    ("places", "dims", "shape"),
    [({}, ("lat", "lon"), (3, 2)), ({"lat": 1}, ("lat", "lon"), (1, 2)), ({"lon": 0}, ("lat", "lon"), (3, 1))],
)
def test_a_row_and_a_column_lie_where_they_are(places, dims, shape):
    some = FIELDS.isel(places)
    grid = grid_of(some, ["pr"])
    assert (grid.y_dim, grid.x_dim) == dims
    assert grid.shape == shape
    whole = grid_of(FIELDS, ["pr"]).cell_area()
    ratio = whole.isel(places) / grid.cell_area().isel(dict.fromkeys(places, 0))
    assert float(ratio.max()) == pytest.approx(float(ratio.min()), rel=1e-12)
    np.testing.assert_array_equal(laid_on(grid, some)["pr"].squeeze(), some["pr"])
    assert set(laid_on(grid, some)["pr"].dims) == {"time", "lat", "lon"}


@pytest.mark.parametrize(
    "some",
    [
        FIELDS.isel(PLACES),
        FIELDS.isel(PLACES).drop_vars(["lat", "lon"]),
        FIELDS.isel(PLACES).assign_coords(station=["c", "a", "b"]),
        FIELDS.isel(PLACES).assign_coords(station=[3, 700, 10]).rename(station="x"),
        FIELDS.isel(lon=0, drop=True),
    ],
)
def test_what_has_no_place_on_two_axes_is_counted_in_one_row(some):
    grid = grid_of(some, ["pr"])
    assert grid.is_counted
    assert grid.shape == (1, 3)
    assert (grid.cell_area() == 1).all()
    shown = laid_on(grid, some)["pr"].transpose("time", grid.y_dim, grid.x_dim)
    np.testing.assert_array_equal(shown[:, 0], some["pr"])


def test_a_single_place_is_refused_as_before():
    with pytest.raises(DataError, match=r"CD-036 truth: no horizontal dimensions"):
        grid_of(FIELDS.isel(lat=0, lon=0), ["pr"])
