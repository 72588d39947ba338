"""The memory of a series: closed form, gaps, seasons, and dates that tell nothing."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy.signal import lfilter

from climdiff.data.decorrelation import decorrelation_days


def days(n: int, **options) -> xr.DataArray:
    return xr.DataArray(xr.date_range("1981-01-01", periods=n, **{"use_cftime": False, **options}), dims="time")


def remembering(n: int, r: float, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=n + 200)
    return lfilter([np.sqrt(1 - r**2)], [1, -r], noise)[200:]


@pytest.mark.parametrize("r", [0.5, 0.8])
def test_the_memory_of_an_autoregressive_series_is_that_of_its_closed_form(r: float):
    assert decorrelation_days(remembering(20_000, r), days(20_000)) == pytest.approx(-1 / np.log(r), rel=0.1)


def test_steps_of_hours_are_told_in_days():
    found = decorrelation_days(remembering(20_000, 0.8), days(20_000, freq="6h"))
    assert found == pytest.approx(-0.25 / np.log(0.8), rel=0.1)


def test_a_season_is_no_memory():
    times = days(7300)
    season = 10 * np.cos(2 * np.pi * times.dt.decimal_year.values) + times.dt.decimal_year.values
    assert decorrelation_days(remembering(7300, 0.6) + season, times) == pytest.approx(-1 / np.log(0.6), rel=0.15)


@pytest.mark.parametrize("calendar", ["standard", "360_day", "noleap"])
def test_winters_are_not_joined_across_their_gaps(calendar: str):
    times = days(9000, calendar=calendar, use_cftime=calendar != "standard")
    series = remembering(9000, 0.7)
    winter = times.dt.month.isin([12, 1, 2]).values
    found = decorrelation_days(series[winter], times[winter])
    assert found == pytest.approx(-1 / np.log(0.7), rel=0.25)


def test_scattered_or_few_dates_are_not_measured():
    generator = np.random.default_rng(1)
    scattered = days(90_000)[np.sort(generator.choice(90_000, 200, replace=False))]
    assert decorrelation_days(generator.normal(size=200), scattered) is None
    assert decorrelation_days(generator.normal(size=20), days(20)) is None
    assert decorrelation_days(np.full(200, np.nan), days(200)) is None


def test_one_year_is_enough_to_know_its_season():
    times = days(365)
    season = 10 * np.cos(2 * np.pi * times.dt.decimal_year.values)
    assert decorrelation_days(remembering(365, 0.6) + season, times) == pytest.approx(-1 / np.log(0.6), rel=0.4)
