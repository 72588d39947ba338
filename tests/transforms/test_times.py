"""Dates have one spelling in every calendar and resolution."""

from __future__ import annotations

import hashlib

import cftime
import numpy as np
import pytest
import xarray as xr

from climdiff.errors import DataError
from climdiff.transforms.times import check_unseen, iso_strings, times_hash


def dates(*texts: str, unit: str = "ns") -> xr.DataArray:
    return xr.DataArray(np.array(texts, dtype=f"datetime64[{unit}]"), dims="time")


def test_the_hash_is_that_of_the_iso_strings() -> None:
    expected = hashlib.sha256(b"2000-01-01T00:00:00.000000\n2000-01-02T12:00:00.005000").hexdigest()
    assert times_hash(dates("2000-01-01", "2000-01-02T12:00:00.005")) == expected


def test_the_hash_sees_dates_and_not_their_resolution() -> None:
    assert times_hash(dates("2000-01-01", "2000-01-02", unit="s")) == times_hash(dates("2000-01-01", "2000-01-02"))
    assert times_hash(dates("2000-01-02", "2000-01-01")) != times_hash(dates("2000-01-01", "2000-01-02"))
    assert times_hash(dates("2000-01-01")) != times_hash(dates("2000-01-01", "2000-01-02"))


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        (cftime.Datetime360Day(2000, 2, 30), "2000-02-30T00:00:00.000000"),
        (cftime.DatetimeNoLeap(2100, 3, 1, 12), "2100-03-01T12:00:00.000000"),
        (cftime.DatetimeProlepticGregorian(1, 1, 1), "0001-01-01T00:00:00.000000"),
    ],
)
def test_every_calendar_has_iso_strings(date: cftime.datetime, expected: str) -> None:
    assert iso_strings(xr.DataArray([date], dims="time")) == [expected]


def test_dates_used_for_fitting_are_refused_afterwards() -> None:
    state = xr.Dataset(coords={"training_time": dates("2000-01-01", "2000-01-02", "2000-01-03").values})
    check_unseen(state, dates("2000-01-04"), "val.nc")
    with pytest.raises(DataError, match=r"CD-066 val.nc: 2 dates, 2000-01-02T.* to 2000-01-03T.*were used to fit.*Fix"):
        check_unseen(state, dates("2000-01-02", "2000-01-03", "2000-01-04"), "val.nc")
