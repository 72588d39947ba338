"""Regridding: exact for linear fields, conservative, clamped, lazy, careful with missing values."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from climdiff.grids.grid import Grid
from climdiff.grids.regrid import regrid

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
