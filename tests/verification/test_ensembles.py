"""Pairing of forecast and truth: any CF ensemble, and every reason to refuse one."""

from __future__ import annotations

from pathlib import Path

import dask.array
import numpy as np
import pytest
import xarray as xr

from climdiff.errors import DataError
from climdiff.verification import ensembles


def truth(n_times: int = 4) -> xr.Dataset:
    times = xr.date_range("2001-01-30", periods=n_times, freq="D", use_cftime=False)
    values = np.random.default_rng(1).random((n_times, 3, 5), np.float32)
    coords = {"time": times, "lat": [40.0, 41.0, 42.0], "lon": np.arange(5) * 0.5}
    return xr.Dataset({"pr": (("time", "lat", "lon"), values, {"units": "mm/day"})}, coords)


def forecast(n_members: int = 3, n_times: int = 4) -> xr.Dataset:
    members = xr.concat([truth(n_times) + i for i in range(n_members)], "realization")
    members["pr"].attrs["units"] = "mm/day"
    return members


def problems(ensemble: xr.Dataset, reference: xr.Dataset) -> list[str]:
    with pytest.raises(DataError) as caught:
        ensembles.match(ensemble, reference)
    assert caught.value.exit_code == 3
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize("name", ["realization", "number", "member", "ensemble", "Member"])
def test_members_are_found_by_name(name: str):
    found = ensembles.match(forecast().rename(realization=name), truth())["pr"]
    assert found.n_members == 3 and found.realization == name


@pytest.mark.parametrize("attrs", [{"standard_name": "realization"}, {"axis": "E"}])
def test_members_are_found_by_cf_attributes(attrs: dict[str, str]):
    ensemble = forecast().rename(realization="k").assign_coords(k=("k", [0, 1, 2], attrs))
    assert ensembles.match(ensemble, truth())["pr"].n_members == 3


def test_a_forecast_without_members_is_one_member():
    found = ensembles.match(truth(), truth())["pr"]
    ((_, members, observed),) = found.blocks()
    assert found.n_members == 1 and members.shape == (1, *observed.shape)


def test_dimension_order_and_axis_direction_follow_the_truth():
    turned = forecast().transpose("lon", "lat", "time", "realization").isel(lat=slice(None, None, -1))
    ((_, members, observed),) = ensembles.match(turned, truth())["pr"].blocks()
    np.testing.assert_array_equal(members, forecast()["pr"].values)
    np.testing.assert_array_equal(observed, truth()["pr"].values)


@pytest.mark.parametrize("first", [-10.0, 170.0, 350.0])
def test_fault_014_longitudes_count_from_anywhere(first: float):
    reference = truth().assign_coords(lon=first + np.arange(5.0))
    around = (reference["lon"] % 360 + 180) % 360 - 180
    for lon in (around, around % 360, around + 360):
        ensemble = forecast().assign_coords(lon=lon.values)
        for given in (ensemble, ensemble.isel(lon=slice(None, None, -1))):
            ((_, members, _),) = ensembles.match(given, reference)["pr"].blocks()
            np.testing.assert_array_equal(members, forecast()["pr"].values)
    (message,) = problems(forecast().assign_coords(lon=(around + 0.5).values), reference)
    assert message.startswith("CD-021 forecast: variable 'pr', coordinate 'lon': ")


@pytest.mark.parametrize("dims", [("lat", "lon"), ("rlat", "rlon")])
def test_fault_014_a_globe_begins_anywhere(dims: tuple[str, str]):
    names = {} if dims[1] == "lon" else {"standard_name": "grid_longitude"}
    reference = truth().assign_coords(lon=("lon", np.arange(0.0, 360, 72), names))
    ensemble = forecast().assign_coords(lon=reference["lon"]).roll(lon=2, roll_coords=True)
    ensemble = ensemble.assign_coords(lon=("lon", (ensemble["lon"].values + 180) % 360 - 180, names))
    reference, ensemble = (side.rename(lat=dims[0], lon=dims[1]) for side in (reference, ensemble))
    ((_, members, _),) = ensembles.match(ensemble, reference)["pr"].blocks()
    np.testing.assert_array_equal(members, forecast()["pr"].values)


def test_fault_014_curvilinear_longitudes_count_from_anywhere():
    east = np.add.outer(np.zeros(3), np.arange(-2.0, 3.0))
    reference = truth().drop_vars(["lat", "lon"]).assign_coords(longitude=(("lat", "lon"), east))
    ensemble = forecast().drop_vars(["lat", "lon"]).assign_coords(longitude=(("lat", "lon"), east % 360))
    assert ensembles.match(ensemble, reference)


def test_axes_that_the_truth_lacks_and_those_of_a_map_stay_as_they_are():
    bare = truth().drop_vars(["lat", "lon"])
    maps = [side.rename(lat="y", lon="x").assign_coords(x=350 + 8.0 * np.arange(5)) for side in (forecast(), truth())]
    for given, reference in ((forecast(), bare), (forecast().isel(lat=slice(None, None, -1)), bare), maps):
        ((_, members, _),) = ensembles.match(given, reference)["pr"].blocks()
        np.testing.assert_array_equal(members, given["pr"].values)
    shifted = maps[0].assign_coords(x=maps[0]["x"] - 360)  # no circle
    assert problems(shifted, maps[1])[0].startswith("CD-021 forecast: variable 'pr', coordinate 'x': -10 in the")


def test_nothing_is_read_before_the_blocks_are(tmp_path: Path):
    for n, values in enumerate(
        (forecast().transpose("time", "realization", "lat", "lon"), forecast().isel(realization=0))
    ):
        values.to_netcdf(tmp_path / f"{n}.nc")
        with xr.open_dataset(tmp_path / f"{n}.nc", chunks=None) as lazy:
            found = ensembles.match(lazy, truth())["pr"]
            assert not found.forecast.variable._in_memory
            assert next(found.blocks())[1].shape[1:] == (4, 3, 5)
            assert not lazy["pr"].variable._in_memory


def test_an_error_of_fields_that_are_made_as_they_are_read_is_no_damage():
    def draw() -> np.ndarray:
        raise RuntimeError("out of memory")

    lazy = truth()
    made = dask.array.from_delayed(dask.delayed(draw)(), lazy["pr"].shape, np.float32)
    lazy["pr"] = (lazy["pr"].dims, made, lazy["pr"].attrs)
    with pytest.raises(RuntimeError, match="out of memory"):
        next(ensembles.match(lazy, truth())["pr"].blocks())


def test_time_may_have_another_name():
    found = ensembles.match(forecast().rename(time="date"), truth().rename(time="date"))["pr"]
    assert found.times.name == "date"


def test_coordinate_bounds_are_not_scored():
    reference = truth()
    reference["time_bnds"] = (("time", "bnds"), np.zeros((4, 2)))
    reference["time"].attrs["bounds"] = "time_bnds"
    ensemble = forecast()
    ensemble["time_bnds"] = reference["time_bnds"]
    assert list(ensembles.match(ensemble, reference)) == ["pr"]


@pytest.mark.parametrize("calendar", ["standard", "360_day"])
def test_fault_017_dates_and_durations_are_not_scored_and_need_no_attribute(calendar: str):
    reference, ensemble = truth(), forecast()
    for side in (reference, ensemble):
        times = xr.date_range("2001-01-30", periods=4, calendar=calendar, use_cftime=calendar != "standard")
        side["time_bnds"] = (("time", "bnds"), np.stack([times, times], axis=1))
        side["lead"] = (("time", "bnds"), np.zeros((4, 2), "timedelta64[ns]"))
    assert list(ensembles.match(ensemble, reference)) == ["pr"]
    reference["name"] = (("time", "bnds"), np.full((4, 2), "text", object))
    ensemble["name"] = reference["name"]
    assert problems(ensemble, reference)[0].startswith("CD-017 forecast: variable 'name' has type object, expected num")


def test_float32_coordinates_match_float64_ones():
    ensemble = forecast()
    ensemble = ensemble.assign_coords(lon=(ensemble["lon"] + 0.1).astype(np.float32))
    reference = truth()
    reference = reference.assign_coords(lon=reference["lon"] + 0.1)
    assert ensembles.match(ensemble, reference)


def test_no_common_variable_names_both_sides():
    (message,) = problems(forecast().rename(pr="tp"), truth())
    assert message.startswith("CD-036 forecast: no variable in common: forecast has ['tp'], truth ['pr']. Fix:")


def test_an_unknown_dimension_is_refused():
    (message,) = problems(forecast().expand_dims(lead_time=2), truth())
    assert message.startswith(
        "CD-036 forecast: variable 'pr': dimensions ('lead_time', 'realization', 'time', 'lat', 'lon')"
    )


@pytest.mark.parametrize("units", ["kg m-2 s-1", None])
def test_other_units_are_refused(units: str | None):
    ensemble = forecast()
    ensemble["pr"].attrs = {"units": units} if units else {}
    (message,) = problems(ensemble, truth())
    assert message.startswith(f"CD-029 forecast: variable 'pr': forecast has units {units!r}, truth has 'mm/day'. Fix:")


@pytest.mark.parametrize("units", ["mm day-1", "kg m-2 d-1"])
def test_fault_029_another_spelling_of_the_units_is_the_same(units: str):
    ensemble = forecast()
    ensemble["pr"].attrs["units"] = units
    assert ensembles.match(ensemble, truth())["pr"].forecast.attrs["units"] == units


def test_missing_and_extra_times_are_named():
    (message,) = problems(forecast().isel(time=slice(0, 3)), truth().isel(time=slice(1, 4)))
    assert message.startswith(
        "CD-023 forecast and truth: coordinate 'time': 1 of 3 times are only in forecast (2001-01-30)"
    )
    assert "1 of 3 times are only in truth (2001-02-02)" in message


def test_a_time_axis_half_a_day_off_is_refused():
    shifted = forecast().assign_coords(time=truth()["time"] + np.timedelta64(12, "h"))
    (message,) = problems(shifted, truth())
    assert message.startswith(
        "CD-027 forecast and truth: coordinate 'time': the same dates but truth is labelled -12 h"
    )


def test_repeated_times_are_refused():
    (message,) = problems(forecast().isel(time=[0, 1, 1, 3]), truth())
    assert message.startswith("CD-022 forecast: coordinate 'time': 1 of 3 dates appear more than once: 2001-01-31")


def test_no_times_at_all_are_refused():
    (message,) = problems(forecast().isel(time=slice(0)), truth())
    assert message.startswith("CD-023 forecast: variable 'pr': no times to score")


def test_times_are_paired_by_date_whatever_their_order():
    found = ensembles.match(forecast().isel(time=[1, 0, 3, 2]), truth().isel(time=[3, 2, 1, 0]))["pr"]
    np.testing.assert_array_equal(found.forecast.values, forecast()["pr"].values)
    np.testing.assert_array_equal(found.truth.values, truth()["pr"].values)


def test_other_calendars_are_refused():
    (message,) = problems(forecast().convert_calendar("noleap"), truth())
    assert message.startswith(
        "CD-025 forecast and truth: coordinate 'time' has calendar 'noleap' (4 dates) in forecast"
    )


def test_equal_times_of_a_model_calendar_match():
    calendar = {"calendar": "360_day", "align_on": "date"}
    assert ensembles.match(forecast().convert_calendar(**calendar), truth().convert_calendar(**calendar))


def test_cells_elsewhere_are_refused():
    (message,) = problems(forecast().assign_coords(lon=np.arange(5) * 0.5 + 0.25), truth())
    assert "CD-021 forecast: variable 'pr', coordinate 'lon': 0.25 in the forecast, 0 in the truth" in message


def test_fault_021_stations_in_another_order_are_refused():
    sides = [each.stack(station=("lat", "lon")).reset_index("station", drop=True) for each in (forecast(), truth())]
    ensemble, reference = (each.assign_coords(station=list("abcdefghijklmno")) for each in sides)
    assert ensembles.match(ensemble, reference)["pr"].cells == {"station": 15}
    (message,) = problems(ensemble, reference.isel(station=slice(None, None, -1)))
    assert message.startswith("CD-021 forecast: variable 'pr', coordinate 'station': other names, or in another order")


def test_curvilinear_cells_elsewhere_are_refused():
    position = np.add.outer(np.arange(3.0), np.arange(5.0) * 0.01)
    ensemble = forecast().drop_vars(["lat", "lon"]).assign_coords(latitude=(("lat", "lon"), position + 0.1))
    reference = truth().drop_vars(["lat", "lon"]).assign_coords(latitude=(("lat", "lon"), position))
    (message,) = problems(ensemble, reference)
    assert "coordinate 'latitude': 0.1 in the forecast, 0 in the truth" in message


def test_another_number_of_cells_is_refused():
    (message,) = problems(forecast().isel(lon=slice(0, 4)), truth())
    assert "CD-021" in message and "4 cells in the forecast, 5 in the truth" in message


def test_everything_wrong_is_said_at_once():
    ensemble = forecast().isel(lon=slice(0, 4), time=slice(0, 3))
    ensemble["pr"].attrs["units"] = "m"
    assert [message[:6] for message in problems(ensemble, truth())] == ["CD-029", "CD-023", "CD-021"]


def test_blocks_hold_whole_chunks_within_the_budget(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ensembles, "BLOCK_BYTES", 3 * 15 * 4 * 11)  # eleven times of three float32 members
    found = ensembles.match(forecast(3, 40).chunk(time=5), truth(40))["pr"]
    spans = [span for span, _, _ in found.blocks()]
    assert [span.stop - span.start for span in spans] == [10, 10, 10, 10]
    assert [span.start for span in spans] == [0, 10, 20, 30]


def test_a_block_has_one_float_type_and_at_least_one_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ensembles, "BLOCK_BYTES", 1)
    found = ensembles.match(forecast().astype(np.float64, keep_attrs=True), truth())["pr"]
    blocks = list(found.blocks())
    assert len(blocks) == 4
    assert blocks[0][1].dtype == blocks[0][2].dtype == np.float32


def test_incomplete_times_are_those_where_members_disagree_about_missing_cells():
    members, observed = np.zeros((3, 5, 2)), np.zeros((5, 2))
    members[1, 1, 0] = np.nan  # one member misses a cell
    members[:, 2, 0] = np.nan  # all miss a cell the truth has
    members[:, 3, 0] = observed[3, 0] = np.nan  # nobody has it: masked
    members[0, 4, 1] = np.inf
    np.testing.assert_array_equal(ensembles.incomplete(members, observed), [False, True, True, False, True])


def test_an_ensemble_without_members_is_refused():
    (line,) = problems(forecast().isel(realization=slice(0, 0)), truth())
    assert "no members, dimension 'realization' has length 0" in line


def test_members_on_two_dimensions_are_refused():
    ensemble, reference = forecast(), truth()
    ensemble["tas"] = ensemble["pr"].rename(realization="number")
    reference["tas"] = reference["pr"]
    (line,) = problems(ensemble, reference)
    assert "by 'realization' in variable 'pr' and by 'number' in variable 'tas'" in line


def test_times_on_two_dimensions_are_refused():
    ensemble, reference = forecast(), truth()
    for side in (ensemble, reference):
        side["tas"] = side["pr"].rename(time="date")
    (line,) = problems(ensemble, reference)
    assert line.startswith(
        "CD-036 forecast: times are counted by 'time' in variable 'pr' and by 'date' in variable 'tas'. Fix: give them"
    )


def test_fault_017_values_that_are_no_numbers_are_refused_on_either_side():
    dates, text = forecast().astype("datetime64[ns]"), truth().astype(str)
    lines = problems(dates, text)
    assert lines[0].startswith("CD-017 forecast: variable 'pr' has type datetime64[ns], expected numbers. Fix: convert")
    assert lines[1].startswith("CD-017 truth: variable 'pr' has type <U")


def test_an_axis_of_no_cells_is_another_grid():
    (line,) = problems(forecast().isel(lat=slice(0)), truth())
    assert "CD-021 forecast: variable 'pr', coordinate 'lat': 0 cells in the forecast, 3 in the truth" in line


@pytest.mark.parametrize("number", [-9999.0, -999.0, -32768.0, 1e20, 9.96921e36, -1e300])
def test_fault_032_numbers_that_stand_for_missing_values_are_counted_on_either_side(number: float):
    name = f"{number:g}" if abs(number) < 1e15 else "beyond 1e+19"
    ensemble, reference = forecast().astype(np.float64, keep_attrs=True), truth().astype(np.float64, keep_attrs=True)
    ensemble["pr"][1, 2:, 0, 0] = reference["pr"][0, 0, 0] = number
    for sides, role, count in (((ensemble, truth()), "forecast", 2), ((forecast(), reference), "truth", 1)):
        found = ensembles.match(*sides)["pr"]
        with pytest.raises(DataError) as caught:
            found.read(slice(0, 4))
        assert str(caught.value).startswith(
            f"CD-032 {role}: variable 'pr' has values that stand for missing ones: {name} in {count} cells "
            "from 2001-01-30 to 2001-02-02. Fix: mark missing cells with the attribute _FillValue"
        )


def test_values_that_stand_for_themselves_are_scored():
    members = forecast() - 999.5
    members["pr"].attrs["units"] = "mm/day"
    members["pr"][0, 0, 0, 0], members["pr"][0, 1, 0, 0] = np.nan, np.inf  # told elsewhere, with their times
    assert ensembles.match(members, truth())["pr"].read(slice(0, 4))[0].shape == (3, 4, 3, 5)
