from __future__ import annotations

import numpy as np
import pytest

from climdiff.catalog.synthetic import World
from climdiff.downscalers.oracle import Oracle
from climdiff.errors import DataError

WORLD = World(size=32, factor=8, start="2000-01-01", end="2000-12-31", seed=2)


def test_a_member_of_a_date_can_be_made_alone():
    coarse, oracle = WORLD.open("coarse").isel(time=slice(0, 4)).load(), Oracle(WORLD, ("pr", "tas"))
    many = oracle.downscale(coarse, range(5), seed=1)
    one = oracle.downscale(coarse.isel(time=[2]), [3], seed=1)
    assert many.pr.dims == ("realization", "time", "lat", "lon")
    assert many.realization.dtype == np.int32
    for name in ("pr", "tas"):
        np.testing.assert_array_equal(one[name].values[0, 0], many[name].values[3, 2])
        assert not np.array_equal(many[name].values[0], many[name].values[1])


def test_a_coarse_field_of_another_grid_is_refused():
    other = World(size=64, factor=8, start="2000-01-01", end="2000-01-02").open("coarse")
    with pytest.raises(DataError, match=r"CD-021 world: variable 'pr' has shape \(2, 8, 8\), this world expects"):
        Oracle(WORLD).downscale(other, [0], seed=0)


def test_predictors_a_method_does_not_use_come_from_the_world():
    coarse = WORLD.open("coarse").isel(time=slice(0, 4)).load()
    whole, rain_only = (Oracle(WORLD).downscale(each, [0], seed=1) for each in (coarse, coarse[["pr"]]))
    np.testing.assert_array_equal(whole.pr.values, rain_only.pr.values)
