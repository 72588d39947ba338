"""Streams of random numbers by their address."""

from __future__ import annotations

import itertools

import numpy as np
import xarray as xr

from climdiff.downscalers.draws import date_keys, generator
from climdiff.samplers.noise import normal


def test_an_address_gives_the_same_numbers_and_every_other_one_others():
    addresses = list(itertools.product((0, 7), (0, 1, 2**40), (-1, 0, 123456789), (0, 1)))
    drawn = {address: tuple(generator(*address).random(3)) for address in addresses}
    assert {address: tuple(generator(*address).random(3)) for address in addresses} == drawn
    assert len(set(drawn.values())) == len(addresses)


def test_streams_are_not_those_of_the_model():
    own = generator(5, 3, 11, 0).standard_normal(16, dtype=np.float32)
    assert not np.isin(own, normal(5, 3, 11, 0, (16,))).any()


def test_neighboring_streams_are_uncorrelated():
    streams = np.stack([generator(0, member, date).standard_normal(20_000) for member in (0, 1) for date in (5, 6)])
    correlation = np.corrcoef(streams)[~np.eye(4, dtype=bool)]
    assert np.abs(correlation).max() < 5 / np.sqrt(20_000)


def test_a_date_has_one_key_in_every_calendar_of_its_own():
    plain = xr.DataArray(np.array(["1960-02-28", "2001-02-28"], "datetime64[ns]"), dims="time")
    assert len(set(date_keys(plain))) == 2
    for calendar in ("noleap", "360_day", "standard"):
        times = xr.DataArray(xr.date_range("2000-02-27", periods=4, calendar=calendar, use_cftime=True), dims="time")
        assert len(set(date_keys(times))) == 4
