"""Indices in time: by hand, closed forms, any cut of the times, gaps, and times that are no series."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import xarray as xr
from scipy.stats import gumbel_r

from climdiff.verification.series import Calendar, Series, calendar_of_series, gumbel_factor

NEW_YEAR = np.datetime64("2001-01-01", "ns")


def axis(times: object) -> xr.DataArray:
    return xr.DataArray(times, dims="time", coords={"time": times}, name="time")


def days(n: int, start: str = "2001-01-01") -> xr.DataArray:
    return axis(xr.date_range(start, periods=n, freq="D", use_cftime=False))


def calendar_of(times: xr.DataArray) -> Calendar:
    found = calendar_of_series(xr.DataArray(np.zeros(times.size), dims="time"), times)
    assert isinstance(found, Calendar)
    return found


def scores_of(
    members: np.ndarray,
    truth: np.ndarray,
    times: xr.DataArray,
    thresholds: tuple[float, ...] = (1.0,),
    cuts: tuple[int, ...] = (),
    weights: np.ndarray | None = None,
) -> dict[str, float]:
    weights = np.ones(truth.shape) if weights is None else weights
    found = Series(calendar_of(times), thresholds, float(truth[0].mean()))
    ends = [0, *cuts, len(truth)]
    for start, stop in pairwise(ends):
        span = slice(start, stop)
        found.add(span, members[:, span], truth[span], weights[span])
    return found.scores(weights.max(axis=0))


def test_spells_by_hand():
    truth = np.array([2.0, 2, 0, 0, 0, 2, 0, 2, 2, 2])[:, None]
    found = scores_of(np.stack([truth, np.zeros_like(truth)]), truth, days(10))
    # wet 2, 1, 3 days, dry 3, 1; the second member is dry for 10 days
    assert found["wet_spell_truth@1"] == pytest.approx(2) and found["dry_spell_truth@1"] == pytest.approx(2)
    assert found["wet_spell@1"] == pytest.approx(2) and found["dry_spell@1"] == pytest.approx((4 + 10) / (2 + 1))


def test_a_gap_ends_a_spell_and_steps_of_hours_make_days():
    times = np.concatenate([days(5).values, days(5, "2002-01-01").values])
    truth = np.full((10, 1), 2.0)
    assert scores_of(truth[None], truth, axis(times))["wet_spell@1"] == pytest.approx(5)
    hours = axis(xr.date_range("2001-01-01", periods=10, freq="6h", use_cftime=False))
    assert scores_of(truth[None], truth, hours)["wet_spell@1"] == pytest.approx(2.5)


@pytest.mark.parametrize(
    ("times", "step"),
    [
        (xr.date_range("2001-01-01", periods=120, freq="MS", use_cftime=False), 30.4),
        (xr.date_range("2001-01-31", periods=120, freq="ME", use_cftime=False), 30.4),
        (xr.date_range("2001-01-16", periods=120, freq="MS", calendar="noleap"), 30.4),
        (xr.date_range("2001-01-01", periods=120, freq="MS", calendar="360_day"), 30.0),
        (xr.date_range("1901-01-01", periods=120, freq="YS", use_cftime=False), 365.2),
        (xr.date_range("2000-12-01", periods=120, freq="QS-DEC", use_cftime=False), 91.3),
    ],
)
def test_months_and_years_follow_each_other_whatever_their_length(times: object, step: float):
    truth = np.full((120, 1), 2.0)
    found = scores_of(truth[None], truth, axis(times))
    assert found["wet_spell_truth@1"] == found["wet_spell@1"] == pytest.approx(120 * step, abs=10)
    without = np.delete(np.arange(120), [40, 41])
    gap = calendar_of(axis(times).isel(time=without))
    assert np.flatnonzero(~gap.follows).tolist() == [0, 40]


def test_a_series_that_begins_anew_each_year_is_regular_but_for_that():
    each = [np.datetime64(f"{year}-01-01", "ns") + np.arange(46) * np.timedelta64(8, "D") for year in (2001, 2002)]
    found = calendar_of(axis(np.concatenate(each)))
    assert found.step_days == 8 and np.flatnonzero(~found.follows).tolist() == [0, 46]


def test_a_missing_time_ends_a_spell_and_is_part_of_none():
    truth, weights = np.full((9, 1), 2.0), np.ones((9, 1))
    weights[4] = 0
    found = scores_of(truth[None], truth, days(9), weights=weights)
    assert found["wet_spell@1"] == pytest.approx(4) and np.isnan(found["dry_spell@1"])


def test_spells_of_independent_days_have_the_geometric_mean_length():
    generator = np.random.default_rng(1)
    members, truth = generator.random((3, 3000, 4)), generator.random((3000, 4))
    found = scores_of(members, truth, days(3000), (0.75,))
    assert found["wet_spell@0.75"] == pytest.approx(4 / 3, rel=0.03)
    assert found["dry_spell_truth@0.75"] == pytest.approx(4, rel=0.06)


def test_lag_one_correlation_of_an_autoregression_is_its_coefficient():
    generator = np.random.default_rng(2)
    noise = generator.normal(size=(4, 4000, 3))
    values = np.zeros_like(noise)
    for t in range(1, 4000):
        values[:, t] = 0.7 * values[:, t - 1] + noise[:, t]
    found = scores_of(290 + values[1:], 290 + values[0], days(4000))
    assert found["lag1_correlation"] == pytest.approx(0.7, abs=0.02)
    assert found["lag1_correlation_truth"] == pytest.approx(0.7, abs=0.03)


def test_the_cut_into_spans_does_not_matter():
    generator = np.random.default_rng(3)
    times = days(2300, "1990-11-15")
    members, truth = generator.gamma(0.4, 3.0, (3, 2300, 4)), generator.gamma(0.4, 3.0, (2300, 4))
    weights = np.where(generator.random(truth.shape) < 0.05, 0, 1.0)
    whole = scores_of(members, truth, times, (1.0, 5.0), (), weights)
    assert len(whole) == 2 + 8 + 2 and np.isfinite(list(whole.values())).all()
    for cuts in ((1,), (400, 401, 1900), tuple(range(1, 2300, 7))):
        found = scores_of(members, truth, times, (1.0, 5.0), cuts, weights)
        assert found == pytest.approx(whole, rel=1e-12)


def test_annual_maxima_of_full_years_by_hand():
    times = days(3 * 365 + 30, "2001-01-01")
    truth = np.zeros((times.size, 1))
    truth[[5, 400, 800, 1110]] = np.array([7.0, 3.0, 5.0, 99.0])[
        :, None
    ]  # the last is in January 2004, which is no year
    found = scores_of(2 * truth[None], truth, times)
    assert found["annual_maximum_truth"] == pytest.approx(5) and found["annual_maximum"] == pytest.approx(10)
    assert "return_level_10y" not in found


def test_the_return_level_of_gumbel_maxima_is_their_quantile():
    times = days(60 * 365, "1901-01-01")
    generator = np.random.default_rng(4)
    years = times.dt.year.values - 1901
    truth, members = np.zeros((times.size, 400)), np.zeros((1, times.size, 400))
    first = np.flatnonzero(np.diff(years, prepend=-1))
    truth[first] = gumbel_r.rvs(30, 8, size=(len(first), 400), random_state=generator)
    members[0, first] = gumbel_r.rvs(30, 8, size=(len(first), 400), random_state=generator)
    found = scores_of(members, truth, times)
    for period in (10, 20, 50):
        expected = gumbel_r.ppf(1 - 1 / period, 30, 8)
        assert found[f"return_level_{period}y_truth"] == pytest.approx(expected, rel=0.03)
        assert found[f"return_level_{period}y"] == pytest.approx(expected, rel=0.03)


def test_the_factor_of_the_median_year_is_known():
    assert gumbel_factor(2) == pytest.approx(-0.1643, abs=1e-4)
    assert gumbel_factor(100) == pytest.approx(3.1367, abs=1e-4)  # Chow's table


def test_winters_are_years_and_their_gaps_no_neighbors():
    every = days(365 * 6 + 1, "2000-12-01")
    winter = every[every.dt.month.isin([12, 1, 2])]
    found = calendar_of(axis(winter.values))
    assert found.step_days == 1 and (~found.follows).sum() == 6
    assert set(found.years) == {0, 2001, 2002, 2003, 2004, 2005}  # 2000 and 2006 have a part of their winter days


@pytest.mark.parametrize(
    ("times", "reason"),
    [
        (np.array(["2001-01-01", "2001-01-05", "2001-03-01"], "datetime64[ns]"), "no regular series"),
        (np.array(["2001-01-01"], "datetime64[ns]"), "no regular series"),
        (np.cumsum(np.tile([10, 10, 10, 11], 30)) * np.timedelta64(1, "D") + NEW_YEAR, "no regular series"),
        (np.cumsum(np.tile([20, 42, 31], 30)) * np.timedelta64(1, "D") + NEW_YEAR, "no regular series"),
        (np.arange(5), "no regular series"),
        (np.datetime64("2001-01-01", "ns") + np.arange(50) * np.timedelta64(1, "ms"), "0.001 s apart"),
    ],
)
def test_times_that_are_no_series_are_told(times: np.ndarray, reason: str):
    found = calendar_of_series(xr.DataArray(np.zeros(len(times)), dims="time"), axis(times))
    assert isinstance(found, str) and reason in found


def test_scenes_with_a_time_of_their_own_are_no_series():
    times = days(20)
    truth = xr.DataArray(np.zeros(20), dims="time", coords={"time": times, "valid_time": ("time", times.values)})
    assert "scenes" in str(calendar_of_series(truth, times))
