from __future__ import annotations

import numpy as np
import pytest

from climdiff.catalog.landscape import make_landscape
from climdiff.catalog.weather import make_waves, noise_windows, weather

LAND = make_landscape((32, 32), 8, 12.0, seed=1)


@pytest.fixture(scope="module")
def years() -> dict[str, np.ndarray]:
    waves = make_waves(LAND, 1)
    days = [weather(day, noise, waves, LAND) for day, noise in noise_windows(1, range(0, 4 * 365))]
    return {name: np.stack([fields[name] for fields in days]) for name in days[0]}


def test_noise_of_a_day_does_not_depend_on_the_days_asked_for():
    together = dict(noise_windows(7, range(100, 130)))
    for day, noise in noise_windows(7, [125, 101, -3]):
        if day in together:
            np.testing.assert_array_equal(noise, together[day])


def test_pressure_remembers_yesterday_and_forgets_a_month(years):
    series = years["psl"][:, 2, 2]
    assert 0.3 < np.corrcoef(series[1:], series[:-1])[0, 1] < 0.95
    assert abs(np.corrcoef(series[30:], series[:-30])[0, 1]) < 0.15


def test_summer_is_warmer_and_moister_than_winter(years):
    month = (np.arange(4 * 365) % 365) // 31
    for name, least in (("tas", 10.0), ("huss", 0.002)):
        summer, winter = (years[name][np.isin(month, months)].mean() for months in ((5, 6, 7), (11, 0, 1)))
        assert summer - winter > least


def test_wind_blows_along_isobars(years):
    north, east = np.gradient(years["psl"].astype(float), 96e3, axis=(1, 2))
    along = years["vas"][:, 1:-1, 1:-1].ravel(), east[:, 1:-1, 1:-1].ravel()
    across = years["uas"][:, 1:-1, 1:-1].ravel(), north[:, 1:-1, 1:-1].ravel()
    assert np.corrcoef(*along)[0, 1] > 0.99
    assert np.corrcoef(*across)[0, 1] < -0.99


def test_fields_are_physical(years):
    assert all(np.isfinite(values).all() and values.dtype == np.float32 for values in years.values())
    assert years["psl"].min() > 94000 and years["psl"].max() < 108000
    assert years["tas"].min() > 230 and years["tas"].max() < 325
    assert years["huss"].min() > 0.0 and years["huss"].max() < 0.04
    assert years["pr"].min() == 0.0 and 0.2 < (years["pr"] > 0).mean() < 0.8
    assert np.abs(years["uas"]).max() < 50
