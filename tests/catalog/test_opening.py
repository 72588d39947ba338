from __future__ import annotations

import os
import sys

import numpy as np
import pytest
import xarray as xr
from obstore.exceptions import GenericError
from obstore.store import MemoryStore
from zarr.storage import ObjectStore

from climdiff.catalog import opening
from climdiff.catalog.entries import find, open_part
from climdiff.errors import DataError, SecurityError
from climdiff.grids.grid import Grid


def test_names_and_units_become_those_of_the_entry(data_set, days):
    raw = days()
    data_set(fine=raw.rename(pr="rainfall", lat="latitude"))
    opened = open_part("my-set/fine")
    assert opened.pr.dims == ("time", "latitude", "lon") and opened.pr.dtype == np.float32
    np.testing.assert_allclose(opened.pr, raw.pr.values * 86400.0, rtol=1e-6)
    np.testing.assert_allclose(opened.tas, raw.tas.values + 273.15, rtol=1e-6)
    assert opened.pr.attrs["units"] == "mm day-1" and opened.pr.attrs["lower_bound"] == 0
    assert Grid.from_dataset(opened).hash() == Grid.from_dataset(raw.rename(lat="latitude")).hash()


def test_files_are_joined_in_the_order_of_time_and_decoded_each_by_its_own_scale(data_set, days):
    whole = days(20)
    folder = data_set(fine_2=whole.isel(time=slice(10, None)))
    packed = {"dtype": "int16", "scale_factor": 1e-6, "_FillValue": -1}
    whole.isel(time=slice(0, 10)).to_netcdf(folder / "fine_10.nc", encoding={"pr": packed})
    opened = open_part("my-set/fine")
    assert opened.indexes["time"].is_monotonic_increasing
    np.testing.assert_allclose(opened.pr, whole.pr.values * 86400.0, atol=0.05)
    np.testing.assert_allclose(opened.tas.isel(time=[12, 3]), whole.tas.values[[12, 3]] + 273.15, rtol=1e-6)


def test_a_zarr_store_is_opened_like_files(data_set, days):
    folder = data_set({"urlpath: set/fine*.nc": "engine: zarr\n    urlpath: set/fine.zarr"})
    days().to_zarr(folder / "fine.zarr", zarr_format=3, consolidated=False)
    np.testing.assert_allclose(open_part("my-set/fine").tas, days().tas.values + 273.15, rtol=1e-6)
    (folder / "fine.zarr" / "zarr.json").unlink()
    with pytest.raises(DataError, match=r"CD-006 .*fine\.zarr: not a zarr store"):
        open_part("my-set/fine")


@pytest.mark.parametrize("lacks", ["a", "b", "unused"])
def test_fault_003_a_store_lacks_no_chunk_of_a_variable_of_the_entry(data_set, days, lacks):
    folder = data_set({"urlpath: set/fine*.nc": "engine: zarr\n    urlpath: set/fine.zarr\n    rename: {b: pr}"})
    raw = days().rename(pr="b", tas="a")  # the temperature is found by its standard name
    raw = raw.assign(unused=raw["a"].drop_attrs())
    raw.to_zarr(folder / "fine.zarr", zarr_format=2, encoding={name: {"_FillValue": None} for name in raw.data_vars})
    (folder / "fine.zarr" / lacks / "0.0.0").unlink()
    if lacks == "unused":
        open_part("my-set/fine")
        return
    with pytest.raises(DataError, match=rf"CD-003 .*fine\.zarr: variable '{lacks}' lacks 1 chunks"):
        open_part("my-set/fine")


@pytest.mark.parametrize("lacks", ["place", "latitude", "valid_time"])
def test_fault_003_a_store_lacks_no_chunk_of_a_coordinate(data_set, days, lacks):
    folder = data_set(
        {"urlpath: set/fine*.nc": "engine: zarr\n    urlpath: set/fine.zarr\n    auxiliary: [valid_time]"}
    )
    raw = days().assign_coords(place=(("lat", "lon"), np.ones((4, 5))))
    raw = raw.assign(  # no variable names these two as its coordinates
        latitude=(("lat", "lon"), np.ones((4, 5)), {"standard_name": "latitude"}), valid_time=("time", np.ones(20))
    )
    raw.to_zarr(folder / "fine.zarr", zarr_format=2, encoding={lacks: {"_FillValue": None}})
    open_part("my-set/fine")
    (folder / "fine.zarr" / lacks / ".".join("0" * raw[lacks].ndim)).unlink()
    with pytest.raises(DataError, match=rf"CD-003 .*fine\.zarr: variable '{lacks}' lacks 1 chunks"):
        open_part("my-set/fine")


@pytest.mark.parametrize(
    ("units", "found"), [("mm fortnight-1", "units 'mm fortnight-1'"), (None, "no units"), ("m", "'m'")]
)
def test_fault_029_units_outside_the_table_are_refused(data_set, days, units, found):
    raw = days()
    raw.pr.attrs = {} if units is None else {"units": units}
    folder = data_set(fine=raw)
    with pytest.raises(DataError) as caught:
        open_part("my-set/fine")
    message = str(caught.value)
    assert message.startswith(f"CD-029 {folder}/fine.nc: variable 'pr' has ") and found in message
    assert "expected 'mm day-1'" in message and "Fix: set scale_factor" in message


def test_a_scale_in_the_entry_stands_in_for_units(data_set, days):
    raw = days()
    raw.pr.attrs = {}
    data_set({"lower_bound: 0": "scale_factor: 86400.0, lower_bound: 0"}, fine=raw)
    np.testing.assert_allclose(open_part("my-set/fine").pr, raw.pr.values * 86400.0, rtol=1e-6)


def test_fault_036_a_name_that_could_be_two_lists_the_candidates(data_set, days):
    raw = days().rename(pr="convective")
    data_set(fine=raw.assign(stratiform=raw.convective))
    with pytest.raises(
        DataError, match=r"CD-036 .*variable 'pr' is not there \(candidates are convective, stratiform\)"
    ):
        open_part("my-set/fine")


def test_fault_036_an_unselected_level_is_refused_and_a_single_one_dropped(data_set, days):
    raw = days()
    data_set(fine=raw.assign(tas=raw.tas.expand_dims(height=1)))
    assert open_part("my-set/fine").tas.dims == ("time", "lat", "lon")
    data_set(fine=raw.assign(tas=raw.tas.expand_dims(height=2)))
    with pytest.raises(DataError, match=r"CD-036 .*variable 'tas' has dimensions \('height', 'time', 'lat', 'lon'\)"):
        open_part("my-set/fine")


def test_fault_021_files_on_other_grids_are_not_joined(data_set, days):
    other = days(5, "2001-02-01")
    data_set(fine_1=days(), fine_2=other.assign_coords(lat=other.lat + 0.5))
    with pytest.raises(DataError, match=r"CD-021 .*fine_2\.nc: is on another grid than .*fine_1\.nc"):
        open_part("my-set/fine")


def test_every_broken_file_is_named_and_the_good_ones_are_not(data_set, days):
    folder = data_set(fine_1=days())
    (folder / "fine_2.nc").write_text("<!DOCTYPE html>")
    (folder / "fine_3.nc").write_bytes((folder / "fine_1.nc").read_bytes()[:3000])
    (folder / "fine_4.nc").mkdir()
    days().to_netcdf(folder / "fine_5.nc", format="NETCDF3_CLASSIC")
    os.truncate(folder / "fine_5.nc", 2000)
    with pytest.raises(DataError) as caught:
        open_part("my-set/fine")
    assert [(problem.code, problem.where[-9:]) for problem in caught.value.problems] == [
        (8, "fine_2.nc"),
        (8, "fine_3.nc"),
        (12, "fine_4.nc"),
        (7, "fine_5.nc"),
    ]


def test_all_problems_of_a_part_come_at_once(data_set, days):
    raw = days().rename(tas="a")
    raw["b"] = raw.a
    raw.pr.attrs["units"] = "furlong"
    data_set({"calendar: standard": "calendar: noleap"}, fine=raw)
    with pytest.raises(DataError) as caught:
        open_part("my-set/fine")
    assert [problem.code for problem in caught.value.problems] == [29, 36, 25]


STATIC = """
  static:
    urlpath: set/static.nc
    rename: {y: lat, x: lon}
    coordinates_from: fine
    variables:
      orog: {standard_name: surface_altitude, units: m}
"""


def test_static_fields_without_coordinates_get_those_of_another_part(data_set, days):
    heights = xr.Dataset({"orog": (("y", "x"), np.linspace(0, 900, 20).reshape(4, 5), {"units": "m"})})
    with_static = {
        "{standard_name: air_temperature, units: K}\n": "{standard_name: air_temperature, units: K}" + STATIC
    }
    data_set(with_static, fine=days(), static=heights)
    static, fine = open_part("my-set/static"), open_part("my-set/fine")
    assert Grid.from_dataset(static).hash() == Grid.from_dataset(fine).hash()
    np.testing.assert_allclose(static.orog, heights.orog.values, rtol=1e-6)


def test_fault_035_static_fields_of_another_shape_are_refused(data_set, days):
    heights = xr.Dataset({"orog": (("y", "x"), np.linspace(0, 900, 12).reshape(3, 4), {"units": "m"})})
    with_static = {
        "{standard_name: air_temperature, units: K}\n": "{standard_name: air_temperature, units: K}" + STATIC
    }
    data_set(with_static, fine=days(), static=heights)
    with pytest.raises(
        DataError, match=r"CD-035 .*static\.nc: has cells lat x lon = 3 x 4, but fine has lat x lon = 4 x 5"
    ):
        open_part("my-set/static")


def test_a_remote_store_needs_the_cloud_extra_and_an_allowed_address(data_set, monkeypatch):
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    data_set({"urlpath: set/fine*.nc": "engine: zarr\n    urlpath: https://host.invalid/x.zarr"})
    with pytest.raises(
        DataError, match=r"remote stores need the library obstore. Fix: pip install 'climdiff\[cloud\]'"
    ):
        open_part("my-set/fine")
    data_set({"urlpath: set/fine*.nc": "urlpath: https://host.invalid/x.nc"})
    with pytest.raises(DataError, match="engine netcdf4 cannot read a remote address"):
        open_part("my-set/fine")
    data_set({"urlpath: set/fine*.nc": "urlpath: file:///etc/passwd"})
    with pytest.raises(SecurityError, match="CD-042"):
        open_part("my-set/fine")


def test_a_remote_store_is_read_like_files(data_set, days, monkeypatch):
    memory = MemoryStore()
    monkeypatch.setattr("obstore.store.from_url", lambda url: memory)
    data_set({"urlpath: set/fine*.nc": "engine: zarr\n    urlpath: s3://bucket/x.zarr"})
    with pytest.raises(DataError, match=r"CD-012 s3://bucket/x\.zarr: no zarr store that can be read: .*Fix: check"):
        open_part("my-set/fine")
    days().to_zarr(ObjectStore(memory), zarr_format=3, consolidated=False)
    opened = open_part("my-set/fine")
    np.testing.assert_allclose(opened.tas, days().tas.values + 273.15, rtol=1e-6)


def test_a_host_that_does_not_answer_is_one_line(data_set, monkeypatch):
    def from_url(url):
        raise GenericError("Generic HTTP error: no route to host\nDebug source: ...")

    monkeypatch.setattr("obstore.store.from_url", from_url)
    data_set({"urlpath: set/fine*.nc": "engine: zarr\n    urlpath: https://host.invalid/x.zarr"})
    with pytest.raises(DataError, match=r"can be read: Generic HTTP error: no route to host\. Fix: check address"):
        open_part("my-set/fine")


def test_auxiliary_coordinates_follow_their_times(data_set, days):
    raw = days(4)
    raw = raw.assign_coords(event=("time", [3, 1, 2, 0])).isel(time=[2, 0, 1, 3])
    data_set({"time_step: 1": "auxiliary: [event]"}, fine=raw)
    np.testing.assert_array_equal(open_part("my-set/fine").event, [3, 1, 2, 0])


def test_opening_reads_no_field(data_set, days, monkeypatch):
    data_set(fine=days())
    monkeypatch.setattr("climdiff.catalog.lazy.Source.read", None)
    assert opening.open_files(find("my-set"), "fine", None).dataset.pr.shape == (20, 4, 5)


@pytest.mark.parametrize("calendar", ["noleap", "360_day"])
def test_fault_026_other_calendars_keep_their_dates(data_set, days, calendar):
    dates = xr.date_range("2001-02-20", periods=20, calendar=calendar, use_cftime=True)
    data_set({"calendar: standard": f"calendar: {calendar}"}, fine=days().assign_coords(time=dates))
    opened = open_part("my-set/fine")
    assert opened.time.dt.calendar == calendar
    assert list(opened.time.values) == list(dates)
