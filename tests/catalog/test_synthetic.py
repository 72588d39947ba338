from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from climdiff.catalog.synthetic import World
from climdiff.errors import RecipeError

SMALL = World(size=(32, 48), factor=8, start="2000-01-01", end="2001-12-31", seed=5)


def test_the_same_seed_gives_the_same_world_and_another_seed_another():
    first, again = SMALL.open("fine").isel(time=7).load(), World(**SMALL.__dict__).open("fine").isel(time=7).load()
    other = World(size=(32, 48), seed=6, start="2000-01-01", end="2001-12-31").open("fine").isel(time=7).load()
    xr.testing.assert_identical(first, again)
    assert not np.allclose(first.tas, other.tas)


@pytest.mark.parametrize("part", ["coarse", "fine"])
def test_a_day_is_bitwise_the_same_in_any_slice_order_and_period(part):
    whole = SMALL.open(part).isel(time=slice(20, 40)).load()
    alone = SMALL.open(part).isel(time=[33, 25]).load()
    later = World(size=(32, 48), seed=5, start="2000-02-01", end="2000-02-10").open(part).load()
    xr.testing.assert_identical(whole.isel(time=[13, 5]), alone)
    xr.testing.assert_equal(whole.sel(time="2000-02-05"), later.sel(time="2000-02-05"))


def test_indexing_in_space_gives_the_cells_of_the_whole_field():
    rain = SMALL.open("fine").pr
    whole = rain.isel(time=slice(0, 3)).values
    np.testing.assert_array_equal(
        rain.isel(time=slice(0, 3), lat=[3, 1], lon=slice(4, 40, 6)).values, whole[:, [3, 1], 4:40:6]
    )
    np.testing.assert_array_equal(rain.isel(time=2, lat=5, lon=6).values, whole[2, 5, 6])
    assert rain.isel(time=slice(0, 0), lat=5).values.shape == (0, 48)


def test_rain_is_finite_non_negative_and_bounded():
    rain = SMALL.open("fine").pr.isel(time=slice(0, 200)).values
    assert rain.dtype == np.float32 and np.isfinite(rain).all()
    assert rain.min() == 0.0 and rain.max() < 1000.0


def test_coarse_and_fine_cells_share_their_edges():
    coarse, fine = SMALL.open("coarse"), SMALL.open("fine")
    for name in ("lat", "lon"):
        np.testing.assert_allclose(coarse[name], fine[name].values.reshape(-1, 8).mean(axis=1), rtol=1e-12)


def test_every_wrong_option_is_reported_at_once():
    with pytest.raises(RecipeError) as caught:
        World(size=64, factor=7, seed=-1, start="2001-01-01", end="2000-01-01", spacing_km=1000.0)
    assert [problem.code for problem in caught.value.problems] == [20, 37, 17, 43]
    with pytest.raises(RecipeError, match="unknown option 'sise'"):
        World.from_options({"sise": 3})
