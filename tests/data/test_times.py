"""Times are paired by date in any calendar, and every mismatch is named."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from climdiff.data.times import evenly_spread, iso_dates, microseconds, pair_times
from climdiff.errors import DataError

WHERE = ("coarse", "fine")
CALENDARS = ("standard", "proleptic_gregorian", "noleap", "all_leap", "360_day", "julian")


def days(start: str, n: int, calendar: str | None = None, freq: str = "D") -> xr.DataArray:
    dates = xr.date_range(start, periods=n, freq=freq, calendar=calendar or "standard", use_cftime=calendar is not None)
    return xr.DataArray(dates, dims="time", coords={"time": dates}, name="time")


def refused(coarse: xr.DataArray, fine: xr.DataArray) -> DataError:
    with pytest.raises(DataError) as caught:
        pair_times(coarse, fine, WHERE)
    return caught.value


def test_equal_times_are_paired_in_place():
    times = days("2001-01-01", 5)
    assert [list(side) for side in pair_times(times, times, WHERE)] == [[0, 1, 2, 3, 4]] * 2


def test_unsorted_times_are_paired_by_date_and_sorted():
    times = days("2001-01-01", 4)
    in_coarse, in_fine = pair_times(times.isel(time=[2, 0, 3, 1]), times[::-1], WHERE)
    assert list(in_coarse) == [1, 3, 0, 2]
    assert list(in_fine) == [3, 2, 1, 0]


@pytest.mark.parametrize("calendar", CALENDARS)
def test_every_calendar_pairs_with_itself_across_the_end_of_february(calendar):
    times = days("2000-02-27", 6, calendar)
    in_coarse, in_fine = pair_times(times, times.isel(time=slice(None, None, -1)), WHERE)
    assert list(in_coarse) == [0, 1, 2, 3, 4, 5]
    assert list(in_fine) == [5, 4, 3, 2, 1, 0]


def test_dates_as_numpy_and_as_cftime_are_the_same_dates():
    in_coarse, in_fine = pair_times(days("1999-12-30", 4), days("1999-12-30", 4, "standard"), WHERE)
    assert list(in_coarse) == list(in_fine) == [0, 1, 2, 3]


def test_resolutions_of_numpy_dates_do_not_matter():
    times = days("2001-01-01", 3)
    coarser = xr.DataArray(times.values.astype("datetime64[s]"), dims="time")
    assert list(pair_times(times, coarser, WHERE)[1]) == [0, 1, 2]


def test_dates_long_before_the_epoch_are_counted_exactly():
    times = days("0001-01-01", 2, "proleptic_gregorian")
    assert np.diff(microseconds(times)) == [86_400_000_000]


def test_missing_times_are_listed_for_both_sides():
    times = days("2001-01-01", 10)
    error = refused(times.drop_isel(time=[3]), times.drop_isel(time=[5, 6, 7, 8]))
    assert [problem.code for problem in error.problems] == [23]
    assert "4 of 9 times are only in coarse (2001-01-06, 2001-01-07, 2001-01-08, …)" in str(error)
    assert "1 of 6 times are only in fine (2001-01-04)" in str(error)
    assert "Fix:" in str(error)


def test_gaps_can_be_allowed_on_purpose_and_pairing_is_by_date():
    times = days("2001-01-01", 10)
    in_coarse, in_fine = pair_times(times.drop_isel(time=[3]), times.drop_isel(time=[5]), WHERE, allow_gaps=True)
    assert list(in_coarse) == [0, 1, 2, 3, 5, 6, 7, 8]
    assert list(in_fine) == [0, 1, 2, 4, 5, 6, 7, 8]


def test_gaps_cannot_be_allowed_when_no_date_is_in_both():
    with pytest.raises(DataError, match="none is in both: coarse covers 2001-01-01 to 2001-01-05, fine 2011"):
        pair_times(days("2001-01-01", 5), days("2011-01-01", 5), WHERE, allow_gaps=True)


def test_duplicated_times_are_listed():
    times = days("2001-01-01", 5)
    error = refused(times.isel(time=[0, 1, 1, 2, 3, 3, 4]), times)
    assert [problem.code for problem in error.problems] == [22]
    assert "CD-022 coarse: coordinate 'time': 2 of 5 dates appear more than once: 2001-01-02, 2001-01-04" in str(error)


@pytest.mark.parametrize("sides", [("coarse",), ("fine",), ("coarse", "fine")])
def test_fault_026_a_missing_date_pairs_with_nothing(sides: tuple[str, ...]):
    times = days("2001-01-01", 4)
    holed = times.where(times != times[2])
    error = refused(*(holed if name in sides else times for name in WHERE))
    assert [(problem.code, problem.where) for problem in error.problems] == [(26, name) for name in sides]
    assert "coordinate 'time': 1 of 4 dates are missing (NaT). Fix: remove these times" in str(error)


def test_overlapping_pieces_are_told_from_plain_duplicates():
    times = days("2001-01-01", 5)
    error = refused(times, times.isel(time=[0, 1, 2, 3, 2, 3, 4]))
    assert [problem.code for problem in error.problems] == [24]
    assert "2001-01-04 is followed by 2001-01-03" in str(error)


def test_calendars_are_never_mixed():
    error = refused(days("2001-01-01", 365), days("2001-01-01", 360, "360_day"))
    assert [problem.code for problem in error.problems] == [25]
    assert "'standard' (365 dates) in coarse and '360_day' (360 dates) in fine" in str(error)


def test_all_problems_of_both_axes_come_at_once():
    error = refused(days("2001-01-01", 4).isel(time=[0, 1, 1]), days("2001-01-01", 4, "noleap").isel(time=[0, 0]))
    assert sorted(problem.code for problem in error.problems) == [22, 22, 25]


@pytest.mark.parametrize("calendar", [None, "noleap", "360_day"])
@pytest.mark.parametrize(("hours", "n"), [(12, 6), (-9, 6), (12, 5)])
def test_a_constant_offset_is_reported_as_such(calendar, hours, n):
    coarse = days("2001-01-02", 6, calendar)
    fine = xr.DataArray(coarse.to_index() + np.timedelta64(hours, "h").astype("timedelta64[us]").item(), dims="time")
    error = refused(coarse, fine[:n])
    assert [problem.code for problem in error.problems] == [27]
    assert f"fine is labelled {hours:+d} h from coarse" in str(error)


def test_monthly_starts_against_mid_months_are_an_offset_too():
    starts = days("2001-01-01", 12, freq="MS")
    middles = xr.DataArray(starts.values + np.where(np.arange(12) == 1, 14, 15).astype("timedelta64[D]"), dims="time")
    assert "between +336 and +360 h" in str(refused(starts, middles))


def test_a_different_frequency_is_named():
    error = refused(days("2001-01-01", 5), days("2001-01-01", 97, freq="h"))
    assert [problem.code for problem in error.problems] == [23]
    assert "typical steps are 24 h and 1 h" in str(error)


def test_undecoded_times_are_refused():
    error = refused(days("2001-01-01", 3), xr.DataArray(np.arange(3.0), dims="time"))
    assert [problem.code for problem in error.problems] == [25]
    assert "CD-025 fine: coordinate 'time' has 3 values of type float64, expected decoded dates" in str(error)
    assert "decode_times=True" in str(error)


def test_empty_time_axes_are_refused():
    times = days("2001-01-01", 3)
    error = refused(times[:0], times[:0])
    assert [(problem.code, problem.where) for problem in error.problems] == [(23, "coarse"), (23, "fine")]


def test_dates_are_written_as_short_as_they_are():
    times = days("2001-01-01", 3, freq="12h")
    assert iso_dates(times, slice(0, 2)) == "2001-01-01, 2001-01-01T12:00:00"
    assert iso_dates(days("2001-02-30", 1, "360_day"), [0]) == "2001-02-30"


def test_dates_are_evenly_spread_with_both_ends():
    assert evenly_spread(10, 4).tolist() == [0, 3, 6, 9]
    assert evenly_spread(154, 64)[[0, -1]].tolist() == [0, 153] and len(evenly_spread(154, 64)) == 64
    assert evenly_spread(3, 64).tolist() == [0, 1, 2]
