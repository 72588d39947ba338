"""Points are found between the cells of a grid without a mapping."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from climdiff.grids.curvilinear import fractional_index
from climdiff.grids.grid import Grid
from climdiff.grids.regrid import regrid
from climdiff.grids.weights import has_same_axes

NORTH, EAST = {"units": "degrees_north"}, {"units": "degrees_east"}


def turned(ny: int, nx: int, step_km: float, start_km: tuple[float, float] = (0.0, 0.0)) -> Grid:
    """Return cells at polar distances around 70 N, 175 E, turned by 30 degrees, across the antimeridian."""
    y, x = np.meshgrid(start_km[0] + step_km * np.arange(ny), start_km[1] + step_km * np.arange(nx), indexing="ij")
    north, east = y * np.cos(np.radians(30)) - x * np.sin(np.radians(30)), y * 0.5 + x * np.cos(np.radians(30))
    lat = 70 + north / 111.2
    lon = (175 + east / (111.2 * np.cos(np.radians(lat))) + 180) % 360 - 180
    flat = {"XLAT": (("south_north", "west_east"), lat, NORTH), "XLONG": (("south_north", "west_east"), lon, EAST)}
    return Grid.from_dataset(xr.Dataset({"pr": (("south_north", "west_east"), 0 * lat)}, coords=flat))


def test_centers_are_found_at_whole_numbers_and_the_middle_of_cells_between() -> None:
    lat, lon = np.meshgrid(np.arange(-2.0, 3.0), np.arange(178.0, 184.0), indexing="ij")
    row, column = fractional_index((lat, lon), lat, lon - 360.0)
    np.testing.assert_allclose(row, np.broadcast_to(np.arange(5.0)[:, None], (5, 6)), atol=1e-9)
    np.testing.assert_allclose(column, np.broadcast_to(np.arange(6.0), (5, 6)), atol=1e-9)
    row, column = fractional_index((lat, lon), np.array([0.0, -0.5]), np.array([180.5, -178.5]))
    np.testing.assert_allclose(row, [2.0, 1.5], atol=1e-3)
    np.testing.assert_allclose(column, [2.5, 3.5], atol=1e-3)


def test_points_beyond_the_edge_get_indices_beyond_the_edge() -> None:
    lat, lon = np.meshgrid(np.arange(5.0), np.arange(6.0), indexing="ij")
    row, column = fractional_index((lat, lon), np.array([-0.4, 50.0]), np.array([5.3, 3.0]))
    np.testing.assert_allclose([row[0], column[0]], [-0.4, 5.3], atol=1e-3)
    assert row[1] == 5.0


def test_fields_on_cells_without_a_mapping_are_interpolated_to_a_finer_grid() -> None:
    coarse, fine = turned(12, 15, 40.0), turned(20, 25, 10.0, (100.0, 120.0))
    assert (coarse.kind, coarse.shape) == ("plain", (12, 15))
    assert not has_same_axes(coarse, fine)
    known, wanted = coarse.latlon(), fine.latlon()
    assert known is not None
    assert wanted is not None
    result = regrid(coarse.attach(xr.DataArray(known[0], dims=("south_north", "west_east"))), coarse, fine)
    np.testing.assert_allclose(result, wanted[0], atol=0.01)


def test_cells_of_the_same_number_elsewhere_are_not_the_same_axes() -> None:
    here, there = turned(6, 7, 40.0), turned(6, 7, 40.0, (80.0, 0.0))
    assert has_same_axes(here, turned(6, 7, 40.0))
    assert not has_same_axes(here, there)
    assert here.hash() != there.hash()
    values = here.attach(xr.DataArray(np.arange(42.0).reshape(6, 7), dims=("south_north", "west_east")))
    result = regrid(values, here, there)
    assert float(result[0, 3]) == pytest.approx(float(values[2, 3]), abs=0.5)
