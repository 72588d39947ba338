"""Stations lie in the right cells, their errors go through the transform, and what cannot be used is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from climdiff.data.encoder import fit_encoder
from climdiff.data.observations import Observations
from climdiff.data.pairs import align
from climdiff.errors import DataError
from climdiff.grids.grid import Grid
from climdiff.transforms.pipeline import Pipeline
from climdiff.transforms.precipitation import Log1p
from climdiff.transforms.residual import Residual

TARGETS = {"pr": {"units": "mm day-1", "lower_bound": 0, "valid_max": 500.0}}
DAYS = np.datetime64("2001-01-01") + np.arange(3)


def latlon(lat, lon):
    return Grid.from_dataset(
        xr.Dataset(coords={"lat": ("lat", lat, {"units": "degrees_north"}),
                           "lon": ("lon", lon, {"units": "degrees_east"})})
    )  # fmt: skip


def stations(values, error=0.5, times=DAYS, **positions):
    """Return a data set of stations, values (time, station)."""
    attrs = {"units": "mm day-1"}
    units = {"lat": "degrees_north", "lon": "degrees_east"}
    values = np.asarray(values, np.float64)
    return xr.Dataset(
        {"pr": (("time", "station"), values, attrs), "pr_error": ((), error, attrs) if np.ndim(error) == 0
         else (("time", "station"), np.asarray(error, float), attrs)},
        coords={"time": times, **{name: ("station", np.asarray(where, float), {"units": units.get(name, "km")})
                                  for name, where in positions.items()}},
    )  # fmt: skip


def found(data, grid):
    return Observations.from_dataset(data, grid, TARGETS, "gauges.nc")


@pytest.mark.parametrize("flip", [False, True], ids=["north up", "north down"])
def test_stations_lie_in_the_cell_around_them_in_any_convention(flip):
    lat, lon = np.arange(40.0, 44.0), np.arange(-3.0, 3.0)
    grid = latlon(lat[::-1] if flip else lat, lon)
    data = stations(np.ones((3, 4)), lat=[40.2, 43.4, 41.51, 39.5], lon=[357.0, 2.49, 0.0, -3.5])
    rows = np.array([0, 3, 2, 0])
    rows = 3 - rows if flip else rows
    columns = np.array([0, 5, 3, 0])
    expected = np.unique(rows * 6 + columns)
    np.testing.assert_array_equal(found(data, grid).cells, expected)


def test_stations_lie_in_cells_of_a_rotated_grid(real_data, monkeypatch):
    from climdiff.catalog.entries import open_part

    monkeypatch.setenv("CLIMDIFF_DATA", str(real_data))
    grid = Grid.from_dataset(open_part("racmo-iberia/fine"))
    lat, lon = grid.latlon()
    data = stations(np.arange(3.0)[None].repeat(3, 0), lat=lat[[0, 5, 20], [27, 3, 11]],
                    lon=lon[[0, 5, 20], [27, 3, 11]] + 360)  # fmt: skip
    np.testing.assert_array_equal(found(data, grid).cells, [27, 5 * 28 + 3, 20 * 28 + 11])


def test_positions_may_be_those_of_the_axes():
    grid = Grid.from_dataset(xr.Dataset(coords={"y": ("y", np.arange(4) * 2.0, {"units": "km"}),
                                                "x": ("x", np.arange(5) * 2.0, {"units": "km"})}))  # fmt: skip
    np.testing.assert_array_equal(found(stations(np.ones((3, 2)), y=[0.9, 6.9], x=[8.9, -1.0]), grid).cells, [4, 15])


def test_stations_in_one_cell_are_one_observation_with_a_smaller_error():
    grid = latlon(np.arange(40.0, 44.0), np.arange(-3.0, 3.0))
    values = [[1.0, 4.0, 7.0], [2.0, np.nan, 7.0], [np.nan, np.nan, 7.0]]
    errors = [[1.0, 0.5, 1.0]] * 3
    pooled = found(stations(values, errors, lat=[41.0, 41.2, 43.0], lon=[0.0, 0.1, 0.0]), grid)
    np.testing.assert_allclose(pooled.values["pr"][:, 0], [(1 + 4 * 4) / 5, 2.0, np.nan])
    np.testing.assert_allclose(pooled.errors["pr"][:, 0], [5**-0.5, 1.0, np.nan])
    np.testing.assert_allclose(pooled.values["pr"][:, 1], 7.0)


@pytest.fixture
def pairs():
    lat, lon = np.arange(40.0, 44.0), np.arange(-3.0, 3.0)
    values = np.random.default_rng(0).gamma(0.5, 8.0, (3, 4, 6)).astype(np.float32)
    coords = {"time": DAYS, "lat": ("lat", lat, {"units": "degrees_north"}),
              "lon": ("lon", lon, {"units": "degrees_east"})}  # fmt: skip
    fine = xr.Dataset({"pr": (("time", "lat", "lon"), values)}, coords)
    return align(fine, fine, None)


def test_errors_go_through_the_transform(pairs):
    """For log1p minus a guess: the value is log1p(v) - log1p(g), a small error is divided by 1 + v."""
    encoder = fit_encoder(
        pairs, Pipeline({"pr": (Log1p(1.0), Residual())}), Pipeline({"pr": (Log1p(1.0),)}),
        targets=("pr",), predictors=("pr",), calendar=False, position=False,
    )  # fmt: skip
    guess = pairs.guess(slice(None))
    values = np.array([[0.0, 20.0], [3.0, np.nan], [np.nan, 1.0]])
    data = stations(values, 0.01, lat=[40.0, 42.0], lon=[-3.0, 1.0])
    places, scaled, variances = found(data, encoder.grid).in_network_space(encoder, guess, [2, 0, 0, 1])
    cells = [0, 2 * 6 + 4]
    np.testing.assert_array_equal(places, cells)
    g = guess["pr"].values.reshape(3, -1)[:, cells]
    order = [2, 0, 0, 1]
    np.testing.assert_allclose(scaled, (np.log1p(values) - np.log1p(g))[order], rtol=0, atol=2e-6)
    np.testing.assert_allclose(variances**0.5, (0.01 / (1 + values))[order], rtol=0.006)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.assign_coords(lat=d.lat + 10), "CD-073 gauges.nc: 2 of 2 stations are outside the domain, the "
                                                     "first, number 0, at lat 50, lon 0; it reaches from lat 39.5"),
        (lambda d: d.assign(pr=d.pr.assign_attrs(units="mm h-1")), r"CD-029 .*'pr' has units 'mm h-1', .* 'mm day-1'"),
        (lambda d: d.assign(pr_error=d.pr_error.assign_attrs(units="m")), "CD-029 .*'pr_error' has units 'm'"),
        (lambda d: d.drop_vars("pr_error"), "CD-036 .*'pr_error', the standard deviation of the error of 'pr', is abs"),
        (lambda d: d.assign(pr_error=d.pr_error * 0), "CD-030 .*6 values of 'pr' have an error that is not a positive"),
        (lambda d: d.assign(pr=(d.pr - 3).assign_attrs(d.pr.attrs)), "CD-030 .*'pr' reaches from -2 to -2, plausible"),
        (lambda d: d.rename(pr="rain"), "CD-036 .*has none of the variables pr; found rain, pr_error"),
        (lambda d: d.drop_vars("lat"), "CD-036 .*no positions: expected latitude and longitude, or 'lat' and 'lon'"),
        (lambda d: d.rename(station="x"), "CD-017 .*'pr' has dimensions .* expected time and station"),
        (lambda d: d.isel(time=[1, 0, 2]), "CD-024 .*dates go back"),
        (lambda d: d.isel(station=slice(0, 0)), "CD-033 gauges.nc: not one value of pr"),
        (lambda d: d.assign_coords(lat=("station", ["40N", "42N"], {"units": "degrees_north"})),
         "CD-017 gauges.nc: positions 'lat' have type <U3, expected numbers"),
        (lambda d: d.assign_coords(time=pd.DatetimeIndex(DAYS).tz_localize("UTC")),
         r"CD-026 gauges.nc: coordinate 'time' has type datetime64\[.*UTC\], expected plain dates"),
        (lambda d: d.assign_coords(lat=("station", [40.0, 42.0], {"units": "km"}),
                                   lon=("station", [0.0, 1.0], {"units": "km"})),
         "CD-029 gauges.nc: positions 'lat' have units 'km', the grid has 'degrees_north'"),
        (lambda d: d.assign(pr_error=d.pr_error.expand_dims(level=3)), "CD-017 .*'pr_error' has dimensions .'level'"),
        (lambda d: d.assign(pr=d.pr.astype(str).assign_attrs(d.pr.attrs)), "CD-017 .*'pr' has type <U.*expected numb"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_one_clear_line(change, message):
    grid = latlon(np.arange(40.0, 44.0), np.arange(-3.0, 3.0))
    data = stations(np.ones((3, 2)), lat=[40.0, 42.0], lon=[0.0, 1.0])
    with pytest.raises(DataError, match=message):
        found(change(data), grid)


def test_fault_025_dates_of_another_calendar_are_told():
    grid = latlon(np.arange(40.0, 44.0), np.arange(-3.0, 3.0))
    there = found(stations(np.ones((3, 1)), lat=[41.0], lon=[0.0]), grid)
    times = xr.date_range("2001-01-01", periods=3, calendar="noleap", use_cftime=True)
    with pytest.raises(DataError, match="CD-025 observations: dates are of calendar 'standard'"):
        there.observed(xr.DataArray(times, dims="time"))


def test_dates_with_any_value_are_observed():
    grid = latlon(np.arange(40.0, 44.0), np.arange(-3.0, 3.0))
    there = found(stations([[1.0], [np.nan], [2.0]], lat=[41.0], lon=[0.0]), grid)
    times = xr.DataArray(np.datetime64("2000-12-31") + np.arange(5), dims="time")
    np.testing.assert_array_equal(there.observed(times), [False, True, False, True, False])


def test_tiny_errors_pool_as_any_others():
    """Squares of 1e-170 vanish; weights are relative to the surest station of a cell."""
    grid = latlon(np.arange(40.0, 44.0), np.arange(0.0, 4.0))
    data = stations([[1.0, 5.0, 7.0]] * 3, [[1e-170, 0.5, 0.5]] * 3, lat=[41, 41, 42], lon=[1, 1, 2])
    there = found(data, grid)
    np.testing.assert_allclose(there.values["pr"], [[1.0, 7.0]] * 3)
    np.testing.assert_allclose(there.errors["pr"], [[1e-170, 0.5]] * 3)
    alike = found(stations([[1.0, 5.0]] * 3, [[1e-170, 1e-170]] * 3, lat=[41, 41], lon=[1, 1]), grid)
    np.testing.assert_allclose(alike.values["pr"], [[3.0]] * 3)
    np.testing.assert_allclose(alike.errors["pr"], [[1e-170 / 2**0.5]] * 3)
