"""Random training fields of the season."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from climdiff.downscalers.climatology import Climatology
from climdiff.downscalers.contract import Downscaler
from climdiff.errors import DataError


def series(start: str, n_times: int, calendar: str = "standard") -> xr.Dataset:
    """Return fields that all hold the position of their time."""
    times = xr.date_range(start, periods=n_times, freq="D", calendar=calendar, use_cftime=calendar != "standard")
    values = np.broadcast_to(np.arange(n_times, dtype=np.float32)[:, None, None], (n_times, 2, 2))
    return xr.Dataset({"tas": (("time", "y", "x"), values.copy(), {"units": "K"})}, {"time": times})


def positions(found: xr.Dataset) -> np.ndarray:
    return found["tas"].values[:, :, 0, 0].astype(int)


def test_members_of_a_date_are_distinct():
    method: Downscaler = Climatology(series("1990-01-01", 800))
    drawn = positions(method.downscale(series("2001-03-01", 4), members=range(100), seed=1))
    assert drawn.shape == (100, 4)
    assert all(len(set(drawn[:, i])) == 100 for i in range(4))
    assert len({tuple(column) for column in drawn.T}) == 4


def test_members_come_from_the_season_across_the_turn_of_the_year():
    fine = series("1990-01-01", 4 * 365)
    drawn = positions(Climatology(fine).downscale(series("2001-01-05", 3), members=range(200), seed=1))
    assert set(fine["time"].dt.month.values[drawn].ravel()) <= {11, 12, 1, 2}


def test_members_are_drawn_evenly_from_the_season():
    fine = series("1990-01-01", 365)
    drawn = positions(Climatology(fine).downscale(series("2001-07-01", 20), members=range(3), seed=1))
    # uniform over 91 days around 1 July (position 181) to 20 July (200): a standard deviation of 26 days
    assert drawn.mean() == pytest.approx(190.5, abs=4 * 26 / np.sqrt(60))
    assert (drawn - np.arange(181, 201)).std() == pytest.approx(26, rel=0.25)


def test_other_seasons_serve_only_when_the_season_is_exhausted():
    fine = series("1990-06-01", 120)
    drawn = positions(Climatology(fine).downscale(series("2001-05-20", 1), members=range(120), seed=1)).ravel()
    n_season = 34  # 1 June to 4 July lie within 45 days of 20 May
    assert set(drawn[:n_season]) == set(range(n_season))
    assert set(drawn) == set(range(120))


def test_a_member_does_not_depend_on_the_others_or_on_the_other_dates():
    fine, coarse = series("1990-01-01", 500), series("2001-03-01", 5)
    whole = positions(Climatology(fine).downscale(coarse, members=range(20), seed=7))
    alone = positions(Climatology(fine).downscale(coarse.isel(time=[3]), members=[17], seed=7))
    assert alone[0, 0] == whole[17, 3]
    assert (positions(Climatology(fine).downscale(coarse, members=range(20), seed=8)) != whole).mean() > 0.9


@pytest.mark.parametrize(
    ("start", "calendar"), [("2001-02-27", "360_day"), ("1890-01-01", "noleap"), ("1890-01-01", "standard")]
)
def test_any_calendar_and_century_will_do(start: str, calendar: str):
    fine = series("1990-01-01", 400, calendar)
    found = Climatology(fine).downscale(series(start, 5, calendar), members=range(6), seed=1)
    assert found["tas"].shape == (6, 5, 2, 2) and found["tas"].attrs["units"] == "K"


def test_more_members_than_training_fields_are_refused():
    with pytest.raises(DataError, match="CD-033 training data: member 10 asked for"):
        Climatology(series("1990-01-01", 10)).downscale(series("2001-01-01", 1), members=[10], seed=1)
