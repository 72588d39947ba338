"""Scores time by time: their weighted means are the scores of the whole."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from climdiff.verification.by_time import by_time
from climdiff.verification.scorecard import scorecard

WANTED = ("mae", "rmse", "brier@1", "brier_fair@1")


def test_weighted_means_over_times_are_the_scores_of_the_card():
    generator = np.random.default_rng(0)
    truth = generator.gamma(1.0, 1.0, (9, 4, 5))
    truth[2, :, 1] = np.nan
    truth[4] = np.nan
    times = xr.date_range("2001-01-01", periods=9, use_cftime=False)
    forecast = generator.gamma(1.0, 1.0, (6, 9, 4, 5))
    card = scorecard(
        xr.Dataset({"pr": (("realization", "time", "y", "x"), forecast)}, {"time": times}),
        xr.Dataset({"pr": (("time", "y", "x"), truth)}, {"time": times}),
        thresholds={"pr": [1.0]},
        each_time={"pr": WANTED},
    )["pr"]
    assert set(card.by_time) == set(WANTED)
    used = card.weight > 0
    assert np.isnan(card.by_time["mae"][~used]).all()
    for score, values in card.by_time.items():
        mean = np.average(values[used], weights=card.weight[used])
        assert (np.sqrt(mean) if score == "rmse" else mean) == pytest.approx(card.scalars[score])


def test_the_errors_of_one_time_are_worked_out_by_hand():
    members, truth, weights = np.array([[[1.0, 3.0]], [[3.0, 3.0]]]), np.array([[1.0, 5.0]]), np.array([[3.0, 1.0]])
    found = by_time(members, truth, weights, ("mae", "rmse", "brier@2", "brier_fair@2"))
    assert found["mae"] == pytest.approx([(3 * 1 + 1 * 2) / 4])
    assert found["rmse"] == pytest.approx([(3 * 1 + 1 * 4) / 4])
    assert found["brier@2"] == pytest.approx([3 * 0.25 / 4])
    assert found["brier_fair@2"] == pytest.approx([3 * (0.25 - 0.25) / 4])
