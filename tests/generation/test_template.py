"""What is stored beside the values follows CF and survives the trip through xarray."""

from __future__ import annotations

from types import ModuleType

import cftime
import numpy as np
import pytest
import xarray as xr

from climdiff.generation.template import coordinate_dataset, encode_times, fingerprint


def read_back(variable: xr.Variable) -> np.ndarray:
    decoder = xr.coders.CFDatetimeCoder(time_unit="ns")
    return xr.decode_cf(xr.Dataset({"time": variable}), decode_times=decoder)["time"].values


@pytest.mark.parametrize(
    ("step", "units"),
    [
        ("D", "days"),
        ("6h", "hours"),
        ("90s", "seconds"),
        ("30min", "minutes"),
        ("ms", "milliseconds"),
        ("us", "microseconds"),
    ],
)
def test_times_are_whole_numbers_in_the_coarsest_exact_unit(step: str, units: str) -> None:
    times = xr.DataArray(xr.date_range("1969-12-30", periods=5, freq=step), dims="time")
    encoded = encode_times(times)
    assert encoded.dtype == np.int64 and encoded.attrs["units"] == f"{units} since 1970-01-01"
    assert encoded.attrs["calendar"] == "proleptic_gregorian"
    np.testing.assert_array_equal(read_back(encoded), times.values)


@pytest.mark.parametrize("calendar", ["360_day", "noleap", "all_leap", "julian"])
def test_every_calendar_comes_back_with_the_same_dates(calendar: str) -> None:
    dates = xr.date_range("2000-02-27", periods=5, freq="12h", calendar=calendar, use_cftime=True)
    encoded = encode_times(xr.DataArray(dates, dims="time"))
    assert encoded.attrs["calendar"] == calendar and encoded.attrs["units"] == "hours since 1970-01-01"
    assert list(read_back(encoded)) == list(dates)


def test_far_years_keep_their_dates() -> None:
    dates = np.array([cftime.datetime(year, 2, 28, calendar="noleap") for year in (1, 850, 2300, 9000)])
    assert list(read_back(encode_times(xr.DataArray(dates, dims="time")))) == list(dates)


def test_the_calendar_of_the_source_is_kept() -> None:
    times = xr.DataArray(xr.date_range("2000-01-01", periods=2), dims="time")
    times.encoding["calendar"] = "standard"
    assert encode_times(times).attrs["calendar"] == "standard"


def test_realization_is_what_ensemble_readers_look_for(fakes: ModuleType) -> None:
    coordinates = coordinate_dataset(fakes.rotated_template(), fakes.coarse_world()["time"], 3)
    realization = coordinates["realization"]
    assert realization.dtype == np.int32 and list(realization.values) == [0, 1, 2]
    assert realization.attrs["standard_name"] == "realization" and realization.attrs["units"] == "1"
    assert "axis" not in realization.attrs


def test_variables_name_their_coordinates_and_grid_mapping(fakes: ModuleType) -> None:
    attributes = fakes.rotated_template().variable_attributes("pr")
    assert attributes["coordinates"] == "lat lon" and attributes["grid_mapping"] == "rotated_pole"
    assert attributes["lower_bound"] == 0.0 and attributes["units"] == "mm day-1"
    assert fakes.rotated_template().variable_attributes("tas")["units_metadata"] == "temperature: on_scale"


def test_global_attributes_say_what_made_the_store(fakes: ModuleType) -> None:
    attributes = fakes.rotated_template().global_attributes(fakes.PROVENANCE | {"seed": np.int64(3)})
    assert attributes["Conventions"] == "CF-1.11" and attributes["title"] == "A test ensemble"
    odd = fakes.rotated_template().global_attributes({"flag": True, "nothing": None, "sizes": {"a": (1, 2)}})
    assert odd["climdiff_flag"] == "true" and odd["climdiff_sizes"] == '{"a": [1, 2]}' and "climdiff_nothing" not in odd
    assert attributes["climdiff_version"] == "1.2.3" and type(attributes["climdiff_seed"]) is int
    assert all(attributes[name] for name in ("institution", "source", "history"))


def test_a_fingerprint_sees_values_names_and_attributes(fakes: ModuleType) -> None:
    grid = fakes.rotated_template().coordinates
    prints = {
        fingerprint(grid),
        fingerprint(grid.assign_coords(rlat=grid["rlat"] + 1e-9)),
        fingerprint(grid.rename(rlat="y")),
        fingerprint(grid.assign_coords(rlat=grid["rlat"].assign_attrs(units="radians"))),
    }
    assert len(prints) == 4 and fingerprint(grid) == fingerprint(grid.copy(deep=True))
