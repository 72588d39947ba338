"""Splits are periods that share no date and keep their distance."""

from __future__ import annotations

import pytest

from climdiff.data.pairs import align
from climdiff.data.split import split_periods
from climdiff.data.times import iso_dates
from climdiff.errors import RecipeError


def ends(pairs) -> str:
    return iso_dates(pairs.times, [0, -1])


def refused(pairs, periods, embargo_days=0.0) -> str:
    with pytest.raises(RecipeError) as error:
        split_periods(pairs, periods, embargo_days)
    assert {problem.code for problem in error.value.problems} == {43}
    return str(error.value)


@pytest.mark.parametrize("calendar", ["standard", "noleap", "360_day", "proleptic_gregorian"])
def test_periods_include_both_ends_and_may_be_written_short(fields, calendar):
    data = fields(n_times=800, shape=(2, 2), calendar=calendar, start="2000-01-01")
    splits = split_periods(
        align(data, data), {"test": ("2001-02-01", "2001-02-03"), "train": ("2000", "2000-02")}, embargo_days=30
    )
    assert list(splits) == ["test", "train"]
    assert ends(splits["test"]) == "2001-02-01, 2001-02-03"
    last = {"noleap": "28", "360_day": "30"}.get(calendar, "29")
    assert ends(splits["train"]) == f"2000-01-01, 2000-02-{last}"


def test_splits_hold_no_common_date_and_keep_the_embargo(fields):
    data = fields(n_times=60, shape=(2, 2))
    splits = split_periods(align(data, data), {"a": ("2001-01-01", "2001-01-20"), "b": ("2001-01-25", "2001-02")}, 5)
    gap = splits["b"].times.values.min() - splits["a"].times.values.max()
    assert gap.astype("timedelta64[D]").astype(int) == 5


def test_overlapping_periods_are_refused_with_the_shared_dates(pairs):
    message = refused(pairs, {"train": ("2001-01-01", "2001-01-08"), "test": ("2001-01-06", "2001-01-12")})
    assert "'train' and 'test' overlap (3 dates, 2001-01-06 to 2001-01-08)" in message
    assert "Fix:" in message


def test_a_period_inside_another_is_an_overlap(pairs):
    message = refused(pairs, {"test": ("2001-01-03", "2001-01-04"), "train": ("2001-01-01", "2001-01-08")})
    assert "overlap (2 dates, 2001-01-03 to 2001-01-04)" in message


def test_periods_closer_than_the_embargo_are_refused_with_dates_and_a_way_out(pairs):
    periods = {"train": ("2001-01-01", "2001-01-06"), "test": ("2001-01-08", "2001-01-12")}
    message = refused(pairs, periods, embargo_days=5)
    assert "'train' (last date 2001-01-06) and 'test' (first date 2001-01-08) are 2 days apart" in message
    assert "3 dates of 'train' are too close: 2001-01-04, 2001-01-05, 2001-01-06" in message
    assert "end 'train' on 2001-01-03 or earlier" in message
    fixed = {"train": ("2001-01-01", "2001-01-03"), "test": ("2001-01-08", "2001-01-12")}
    assert split_periods(pairs, fixed, embargo_days=5)["train"].n_times == 3


def test_adjacent_periods_are_fine_without_embargo(pairs):
    splits = split_periods(pairs, {"a": ("2001-01-01", "2001-01-06"), "b": ("2001-01-07", "2001-01-12")}, 0)
    assert [split.n_times for split in splits.values()] == [6, 6]


def test_a_period_without_data_is_refused_with_the_extent_of_the_data(pairs):
    message = refused(pairs, {"train": ("2001", "2001"), "test": ("2011", "2012")})
    assert "'test' (2011 to 2012) holds no data, which cover 2001-01-01 to 2001-01-12" in message


def test_ends_in_the_wrong_order_and_dates_that_do_not_exist_are_refused_together(fields):
    data = fields(n_times=70, shape=(2, 2), calendar="noleap")
    message = refused(
        align(data, data), {"a": ("2001-02", "2001-01-10"), "b": ("2001-02-31", "2001-03"), "c": ("x", "y")}
    )
    assert "'a' (2001-02 to 2001-01-10) holds no data" in message
    assert "'b' (2001-02-31 to 2001-03): not a date of calendar 'noleap'" in message
    assert "'c' (x to y): not a date" in message
