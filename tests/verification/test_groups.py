"""Seasons and regions: the right times and cells, on any grid, and scores that add up to the whole."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from climdiff.errors import DataError
from climdiff.grids.grid import Grid
from climdiff.verification.groups import box, by_season
from climdiff.verification.scorecard import scorecard


def grid(lon: np.ndarray) -> Grid:
    lat = np.arange(40.0, 46.0)
    return Grid.from_dataset(
        xr.Dataset(
            coords={
                "lat": ("lat", lat, {"units": "degrees_north"}),
                "lon": ("lon", lon, {"units": "degrees_east"}),
            }
        )
    )


def test_seasons_are_those_of_the_months_and_only_those_there_are():
    times = xr.DataArray(
        np.array(["2001-01-01", "2001-02-28", "2001-03-01", "2001-12-01", "2002-08-31"], "datetime64[ns]"), dims="time"
    )
    found = by_season(times)
    assert list(found) == ["DJF", "MAM", "JJA"]
    assert found["DJF"].times is not None and found["DJF"].times.tolist() == [True, True, False, True, False]


def test_a_box_is_in_degrees_and_may_cross_the_date_line():
    found = box(grid(np.arange(170.0, 190.0)), "islands", [41, 43, 178, -178])
    assert found.dims == ("lat", "lon")
    assert np.flatnonzero(found.any("lon")).tolist() == [1, 2, 3]
    assert np.flatnonzero(found.any("lat")).tolist() == [8, 9, 10, 11, 12]


def test_a_box_around_the_earth_has_all_longitudes():
    assert box(grid(np.arange(0.0, 360.0, 10.0)), "belt", [40, 46, -180, 180]).all()


def test_a_plain_grid_takes_the_units_of_its_axes():
    axes = {"y": ("y", np.arange(4) * 2000.0, {"units": "m"}), "x": ("x", np.arange(3) * 2000.0, {"units": "m"})}
    found = box(Grid.from_dataset(xr.Dataset(coords=axes)), "corner", [0, 2000, 0, 0])
    assert found.values.sum() == 2 and found.values[:2, 0].all()


def test_a_box_without_a_cell_is_refused():
    with pytest.raises(DataError, match=r"CD-020 verify\.regions: region 'sea': no cell center lies in south 0"):
        box(grid(np.arange(10.0)), "sea", [0, 5, 0, 5])


def pair() -> tuple[xr.Dataset, xr.Dataset]:
    values = np.random.default_rng(1).gamma(0.5, 2.0, (4, 24, 4, 6))
    values[0, 3, 1, 1] = np.nan
    coords = {"time": xr.date_range("2001-01-15", periods=24, freq="30D", use_cftime=False)}
    both = xr.Dataset({"pr": (("realization", "time", "y", "x"), values, {"units": "mm"})}, coords)
    return both.isel(realization=slice(1, None)), both.isel(realization=0)


def test_a_season_has_the_scores_of_its_times_alone():
    forecast, truth = pair()
    found = scorecard(forecast, truth, thresholds={"pr": [1.0]}, by_season=True)["pr"].scalars
    chosen = truth.time.dt.month.isin([6, 7, 8]).values
    alone = scorecard(forecast.isel(time=chosen), truth.isel(time=chosen), thresholds={"pr": [1.0]})["pr"].scalars
    names = [name.partition(":")[2] for name in found if name.startswith("JJA:")]
    assert {"crps_fair", "rmse", "brier_fair@1", "twcrps@1", "p90"} <= set(names)
    assert {name: found[f"JJA:{name}"] for name in names} == pytest.approx(
        {name: alone[name] for name in names}, rel=1e-12, nan_ok=True
    )


def test_a_region_has_the_scores_of_its_cells_alone_and_regions_add_up():
    forecast, truth = pair()
    west = xr.DataArray(np.arange(6) < 2, dims="x").broadcast_like(truth["pr"].isel(time=0, drop=True)).T
    regions = {"west": west, "east": ~west}
    found = scorecard(forecast, truth, regions=regions)["pr"].scalars
    alone = scorecard(forecast.isel(x=slice(2)), truth.isel(x=slice(2)))["pr"].scalars
    for name in ("crps_fair", "rmse", "mean_truth", "spread_skill", "p95"):
        assert found[f"west:{name}"] == pytest.approx(alone[name], rel=1e-12)
    n_cells = np.array([np.isfinite(truth["pr"].where(inside)).sum() for inside in regions.values()])
    assert np.average([found["west:mae"], found["east:mae"]], weights=n_cells) == pytest.approx(found["mae"])


def test_a_region_of_other_cells_is_refused():
    forecast, truth = pair()
    region = xr.DataArray(np.ones((3, 3), bool), dims=("y", "x"))
    with pytest.raises(DataError, match="CD-021 regions: region 'a' has sizes"):
        scorecard(forecast, truth, regions={"a": region})


def test_scenes_have_the_season_of_their_valid_time_not_of_the_number_they_go_by():
    forecast, truth = pair()
    scenes = np.repeat(np.array(["2021-07-14", "2021-10-02"], "datetime64[ns]"), 12)
    numbered = truth.assign_coords(
        time=xr.date_range("2000-01-01", periods=24, freq="s", use_cftime=False), valid_time=("time", scenes)
    )
    forecast = forecast.assign_coords(time=numbered["time"].drop_vars("valid_time"))
    found = scorecard(forecast, numbered, by_season=True)["pr"].scalars
    assert {name.partition(":")[0] for name in found if ":" in name} == {"JJA", "SON"}
    alone = scorecard(forecast.isel(time=slice(12)), numbered.isel(time=slice(12)))["pr"].scalars
    assert found["JJA:crps_fair"] == pytest.approx(alone["crps_fair"])
