"""BCSD is exact in a world of a fixed relief under a smooth anomaly, and corrects what the coarse model has wrong."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from climdiff.data.pairs import Pairs, align
from climdiff.downscalers.bcsd import BCSD
from climdiff.downscalers.contract import Downscaler


def relief_world(make_pairs, name: str, n_times: int = 730) -> Pairs:
    """Return pairs whose fine field is a monthly relief plus (tas) or times (pr) one anomaly for the whole field."""
    generator = np.random.default_rng(0)
    months = xr.date_range("1990-01-01", periods=n_times, freq="D", use_cftime=False).month
    relief = 5 + generator.random((12, 8, 8))
    anomaly = generator.gamma(2.0, size=(n_times, 1, 1))
    for month in range(1, 13):
        anomaly[months == month] *= 1 / anomaly[months == month].mean()
    fine = relief[months - 1] * anomaly if name == "pr" else relief[months - 1] + anomaly
    return make_pairs({name: fine}, 4)


@pytest.mark.parametrize("name", ["pr", "tas"])
def test_a_relief_under_one_anomaly_is_found_exactly(make_pairs, name):
    pairs = relief_world(make_pairs, name)
    method: Downscaler = BCSD(pairs, [name])
    made = method.downscale(pairs.coarse, members=[0], seed=0)[name][0]
    np.testing.assert_allclose(made, pairs.fine[name], rtol=2e-3)


def test_the_bias_of_the_coarse_model_is_corrected(make_pairs):
    pairs = relief_world(make_pairs, "tas")
    biased = align(pairs.coarse * 1.5 - 20, pairs.fine)
    made = BCSD(biased, ["tas"]).downscale(biased.coarse, members=[0], seed=0)["tas"][0]
    np.testing.assert_allclose(made, pairs.fine["tas"], atol=0.05)


def test_months_that_training_lacks_and_data_without_calendar_get_the_mean_of_all(make_pairs):
    pairs = relief_world(make_pairs, "tas")
    january = pairs.select(slice(0, 31))
    later = pairs.coarse.isel(time=[200])
    found = [
        BCSD(january, ["tas"], calendar=calendar).downscale(later, [0], 0)["tas"].values for calendar in (True, False)
    ]
    np.testing.assert_allclose(*found, rtol=1e-6)


def test_members_are_those_asked_for_and_rain_is_never_negative(rain):
    method, coarse = BCSD(rain(90, 1), ["pr"]), rain(5, 2).coarse
    made = method.downscale(coarse, members=[3, 0], seed=0)["pr"]
    assert made["realization"].values.tolist() == [3, 0]
    assert float(made.min()) >= 0
    np.testing.assert_array_equal(made[0], made[1])
    np.testing.assert_array_equal(method.downscale(coarse.isel(time=[2]), [0], 0)["pr"][0, 0], made[0, 2])
