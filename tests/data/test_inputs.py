"""Predictors that a trained model cannot take are told with variable, dates and both values."""

from __future__ import annotations

import os
import warnings

import numpy as np
import pytest
import xarray as xr
import zarr

from climdiff.data import inputs
from climdiff.errors import DataError

WANTED = {"units": "K", "valid_min": 180.0, "valid_max": 340.0}


def predictors(values=280.0, n=4):
    times = xr.date_range("2001-01-01", periods=n, use_cftime=False)
    field = np.full((n, 2, 3), values, dtype=np.float32)
    return xr.Dataset({"tas": (("time", "y", "x"), field, {"units": "K"})}, {"time": times})


def found(problems):
    return [problem.code for problem in problems]


def test_sound_predictors_have_no_problem():
    coarse = predictors()
    assert inputs.variable_problems(coarse, "tas", WANTED, "a.nc") == []
    assert inputs.time_problems(coarse, "a.nc") == []
    inputs.refuse_missing(coarse)


def test_absent_misshapen_textual_and_foreign_units_are_told():
    coarse = predictors()
    assert found(inputs.variable_problems(coarse, "pr", WANTED, "a.nc")) == [36]
    assert found(inputs.variable_problems(coarse.expand_dims("member"), "tas", WANTED, "a.nc")) == [17]
    assert found(inputs.variable_problems(coarse.astype(str), "tas", WANTED, "a.nc")) == [17]
    coarse["tas"].attrs["units"] = "degC"
    (problem,) = inputs.variable_problems(coarse, "tas", WANTED, "a.nc")
    assert "'degC'" in problem.what
    assert "'K'" in problem.what


def test_another_spelling_of_the_units_is_the_same():
    coarse = predictors()
    for spelling in ("mm/h", "mm h-1", "mm hr-1"):
        coarse["tas"].attrs["units"] = spelling
        assert inputs.variable_problems(coarse, "tas", {"units": "mm h-1"}, "a.nc") == []


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda coarse: coarse.assign_coords(time=np.array(["one", "two", "three", "four"], dtype=object)), 26),
        (lambda coarse: coarse.drop_vars("time"), 23),
        (lambda coarse: coarse.assign_coords(time=np.arange(4.0)), 26),
        (lambda coarse: coarse.assign_coords(time=coarse["time"].where(coarse["time"] > coarse["time"][0])), 26),
        (lambda coarse: coarse.isel(time=[0, 1, 1, 2]), 22),
        (lambda coarse: coarse.isel(time=[0, 2, 1, 3]), 24),
        (lambda coarse: coarse.convert_calendar("360_day", align_on="year").isel(time=[0, 2, 1, 3]), 24),
    ],
)
def test_dates_that_are_no_rising_dates_are_told(spoil, code):
    assert found(inputs.time_problems(spoil(predictors()), "a.nc")) == [code]


def test_fault_075_missing_values_are_told_with_their_dates():
    coarse = predictors()
    coarse["tas"].values[2, 0, 0] = np.nan
    with pytest.raises(DataError, match=r"CD-075 predictors: variable 'tas' is missing or not finite on 2001-01-03"):
        inputs.refuse_missing(coarse)


def test_fault_030_values_outside_the_plausible_range_are_told():
    with pytest.raises(DataError, match=r"CD-030 a\.nc: variable 'tas' reaches from 7 to 7, plausible are 180 to 340"):
        inputs.check_ranges(predictors(7.0), {"tas": WANTED}, "a.nc")


def test_the_hash_tells_values_apart_and_not_blocks():
    one = inputs.check_ranges(predictors(280.0), {"tas": WANTED}, "a.nc", block=4)
    assert one == inputs.check_ranges(predictors(280.0), {"tas": WANTED}, "a.nc", block=1)
    assert one != inputs.check_ranges(predictors(281.0), {"tas": WANTED}, "a.nc")


def test_a_bound_that_float32_cannot_hold_is_met_by_its_neighbour():
    coarse = predictors(np.float32(0.1))
    inputs.check_ranges(coarse, {"tas": {"valid_min": 0.0, "valid_max": 0.1}}, "a.nc")


def test_fault_008_what_is_no_file_is_told_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.nc")
    with pytest.raises(DataError, match=r"CD-008 .*pipe.nc: is neither a file nor a folder"):
        inputs.open_file(tmp_path / "pipe.nc")


def test_fault_007_part_of_a_classic_file_is_not_read_as_zeros(tmp_path):
    path = tmp_path / "a.nc"
    predictors().to_netcdf(path, format="NETCDF3_CLASSIC")
    assert inputs.open_file(path)["tas"].min() == 280
    os.truncate(path, path.stat().st_size - 100)
    with pytest.raises(DataError, match=r"CD-007 .*a\.nc: is cut off: \d+ bytes, its header promises \d+\. Fix: "):
        inputs.open_file(path)


@pytest.mark.parametrize("name", ["y", "lat"])
def test_fault_005_damaged_coordinates_are_told_when_a_store_is_opened(tmp_path, name):
    path = tmp_path / "a.zarr"
    predictors().assign_coords(y=[1.0, 2.0], lat=(("y", "x"), np.full((2, 3), 45.0))).to_zarr(path, zarr_format=3)
    (chunk,) = (file for file in (path / name / "c").rglob("*") if file.is_file())
    os.truncate(chunk, chunk.stat().st_size // 2)
    with pytest.raises(
        DataError, match=r"CD-005 .*a\.zarr: values cannot be read .*decompression.*Fix: fetch or write"
    ):
        inputs.open_file(path, chunks={})


def test_fault_003_a_chunk_that_would_be_read_as_a_number_has_to_be_there(tmp_path):
    path = tmp_path / "a.zarr"
    predictors().to_zarr(path, zarr_format=2, encoding={"tas": {"_FillValue": None}})
    assert inputs.open_file(path)["tas"].min() == 280
    (path / "tas" / "0.0.0").unlink()
    with pytest.raises(DataError, match=r"CD-003 .*a\.zarr: variable 'tas' lacks 1 chunks, .* as 0\. Fix: "):
        inputs.open_file(path)


def test_fault_003_a_coordinate_lacks_no_chunk_that_would_be_read_as_a_number(tmp_path):
    path = tmp_path / "a.zarr"
    places = {"lat": (("y", "x"), np.full((2, 3), 45.0))}
    encoding = {"lat": {"chunks": (1, 3), "_FillValue": None}}
    predictors().assign_coords(places).to_zarr(path, zarr_format=2, encoding=encoding)
    assert inputs.open_file(path)["lat"].min() == 45
    (path / "lat" / "1.0").unlink()
    with pytest.raises(DataError, match=r"CD-003 .*a\.zarr: variable 'lat' lacks 1 chunks, the first is \(1, 0\)"):
        inputs.open_file(path)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("is_consolidated", [True, False])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_store_is_opened_without_a_warning(tmp_path, zarr_format, is_consolidated):
    predictors().to_zarr(tmp_path / "a.zarr", zarr_format=zarr_format, consolidated=False)
    if is_consolidated:
        with warnings.catch_warnings(action="ignore"):
            zarr.consolidate_metadata(tmp_path / "a.zarr")
    assert inputs.open_file(tmp_path / "a.zarr").load().equals(predictors())


@pytest.mark.parametrize(("name", "value"), [("units", 1e300), ("scale_factor", "two")])
def test_fault_008_attributes_that_cannot_be_used_are_told(tmp_path, name, value):
    times = xr.DataArray(np.array([0.0, 1e300]), dims="time", attrs={"units": "days since 2000-01-01"})
    field = xr.DataArray(np.zeros(2), dims="time", attrs={"scale_factor": "two"} if name == "scale_factor" else {})
    dates = times if name == "units" else times * [0.0, 1e-300]
    xr.Dataset({"pr": field}, {"time": dates.assign_attrs(times.attrs)}).to_netcdf(tmp_path / "a.nc")
    with pytest.raises(DataError, match=r"CD-00[58]"):
        inputs.in_memory(inputs.open_file(tmp_path / "a.nc"), "a.nc")


def test_fault_036_two_predictors_of_a_kind_are_not_told_from_each_other():
    kinds = {name: {"standard_name": "air_temperature"} for name in ("ta500", "ta850")}
    coarse = predictors().rename(tas="ta")
    coarse["ta"].attrs["standard_name"] = "air_temperature"
    assert inputs.resolved(coarse, kinds).identical(coarse)
    assert "ta500" in inputs.resolved(coarse, {"ta500": kinds["ta500"]})


RAIN = {"units": "mm day-1", "standard_name": "lwe_precipitation_rate", "lower_bound": 0.0}


@pytest.mark.parametrize("stand_in", [-9999.0, 1e20, 9.96921e36])
def test_fault_032_values_that_stand_for_missing_ones_are_told(stand_in):
    coarse = predictors()
    coarse["tas"].values[1, 0, 0] = stand_in
    with pytest.raises(DataError, match=r"CD-032 a\.nc: variable 'tas' has values that stand for missing ones"):
        inputs.check_ranges(coarse, {"tas": {"units": "K"}}, "a.nc")


def test_fault_030_degrees_celsius_under_the_name_of_kelvin_are_told():
    coarse = predictors(12.0)
    (problem,) = inputs.value_problems(coarse["tas"], {"units": "K", "standard_name": "air_temperature"}, "a.nc")
    assert problem.code == 30
    assert "looks like 273.15 too small" in problem.what
    unchecked = {"units": "K", "standard_name": "air_temperature", "is_plausibility_checked": "false"}
    assert inputs.value_problems(coarse["tas"], unchecked, "a.nc") == []


def test_fault_030_a_flux_under_the_name_of_a_rate_is_told_and_a_dry_month_passes():
    flux = predictors(4.0 / 86400.0, n=40).rename(tas="pr")["pr"]
    (problem,) = inputs.value_problems(flux, RAIN, "a.nc")
    assert "looks like a factor 86 400 too small" in problem.what
    assert inputs.value_problems(flux[:29], RAIN, "a.nc") == []


def test_predictors_may_pass_the_bounds_of_targets_by_rounding_and_targets_not():
    coarse = predictors(-1e-10).rename(tas="pr")
    inputs.check_ranges(coarse, {"pr": RAIN}, "a.nc")
    assert found(inputs.value_problems(coarse["pr"], RAIN, "a.nc")) == [30]


def test_stations_first_are_values_as_well():
    coarse = predictors().isel(x=0, drop=True)["tas"].transpose("y", "time")
    assert inputs.value_problems(coarse, WANTED, "gauges.nc") == []


@pytest.mark.parametrize("key", ["units", "standard_name", "long_name", "axis"])
def test_fault_017_an_attribute_that_is_a_list_is_told(tmp_path, key):
    spoiled = predictors()
    spoiled["tas"].attrs[key] = np.array([1, 2])
    spoiled.to_netcdf(tmp_path / "a.nc")
    with pytest.raises(DataError) as caught:
        inputs.open_file(tmp_path / "a.nc")
    assert str(caught.value) == (
        f"CD-017 {tmp_path / 'a.nc'}: variable 'tas': attribute '{key}' is of type ndarray, expected a text. "
        "Fix: set it to one text."
    )


def test_fault_008_a_grid_mapping_that_is_a_list_is_told(tmp_path):
    predictors()["tas"].assign_attrs(grid_mapping=np.array([1, 2])).to_netcdf(tmp_path / "a.nc")
    with pytest.raises(DataError, match=r"CD-008 .*a\.nc: cannot be opened as netCDF"):
        inputs.open_file(tmp_path / "a.nc")
