"""Quantile mapping reproduces the training distribution of every cell and keeps the order of days."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from climdiff.downscalers.contract import Downscaler
from climdiff.downscalers.quantile_mapping import QuantileMapping
from climdiff.errors import DataError


def test_every_cell_gets_its_training_distribution(rain):
    train = rain(800, 1)
    method: Downscaler = QuantileMapping(train, ["pr"])
    made = method.downscale(train.coarse, members=[0], seed=0)["pr"][0].values
    truth = train.fine["pr"].values
    assert made.min() >= 0
    for level in (0.505, 0.805, 0.955):
        error = np.quantile(made, level, axis=0) - np.quantile(truth, level, axis=0)
        assert np.abs(error).max() < 0.05 * truth.std()
    assert (made > 0).mean() == pytest.approx((truth > 0).mean(), abs=0.02)


def test_members_are_those_asked_for_and_equal_whatever_else_is_asked_for(rain):
    method, coarse = QuantileMapping(rain(60, 2), ["pr"]), rain(5, 3).coarse
    whole = method.downscale(coarse, members=[4, 0], seed=0)
    assert whole["realization"].values.tolist() == [4, 0]
    np.testing.assert_array_equal(whole["pr"][0], whole["pr"][1])
    part = method.downscale(coarse.isel(time=[3]), members=[0], seed=7)["pr"]
    np.testing.assert_array_equal(part[0, 0], whole["pr"][0, 3])


def test_a_target_that_is_not_coarse_is_refused(rain):
    train = rain(5, 4)
    train = replace(train, fine=train.fine.assign(tas=train.fine["pr"]))
    with pytest.raises(DataError, match=r"CD-036 coarse data: no variable \['tas'\] among \['pr'\]"):
        QuantileMapping(train, ["tas"])
