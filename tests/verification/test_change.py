"""Climate change signal: by hand, a shared bias, and indices that one period lacks."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import xarray as xr

from climdiff.verification.change import Change, changes
from climdiff.verification.scorecard import VariableScores, scorecard


def scores_of(mean: float, bias: float) -> VariableScores:
    values = np.random.default_rng(1).normal(mean, 1, (4, 30, 3, 3))
    coords = {"time": xr.date_range("2000-01-01", periods=30, use_cftime=False)}
    members, truth = (
        xr.Dataset({"tas": (dims, field, {"units": "K"})}, coords)
        for dims, field in ((("realization", "time", "y", "x"), values[1:] + bias), (("time", "y", "x"), values[0]))
    )
    return scorecard(members, truth, thresholds={"tas": [mean]})["tas"]


def test_a_bias_that_both_periods_share_takes_itself_out():
    found = changes(scores_of(280, 0.7), scores_of(283, 0.7))
    assert found["mean"].truth == pytest.approx(3) and found["mean"].forecast == pytest.approx(3)
    assert found["mean"].error == pytest.approx(0, abs=1e-9) and found["p90"].truth == pytest.approx(3, abs=0.15)


def test_a_signal_that_is_lost_is_the_error():
    assert changes(scores_of(280, 0.0), scores_of(283, -1.0))["mean"].error == pytest.approx(-1)
    assert Change(1.0, 3.0).error == -2


def test_an_index_that_a_period_lacks_is_left_out():
    found = changes(scores_of(280, 0.0), scores_of(283, 0.0))
    assert not [name for name in found if "@" in name]  # other thresholds
    assert {"mean", "p50", "lag1_correlation"} <= set(found) and "crps_fair" not in found


def test_an_error_is_no_signal_though_the_truth_has_it_too():
    whole = scores_of(280, 0.0)
    errors = dict.fromkeys(("coarse_rmse", "coarse_rmse_truth", "coarse_bias", "coarse_bias_truth"), 0.1)
    first = dataclasses.replace(whole, scalars={**whole.scalars, **errors})
    assert changes(first, first).keys() == changes(whole, whole).keys()
