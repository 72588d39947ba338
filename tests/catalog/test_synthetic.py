from __future__ import annotations

import copy
import itertools

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from climdiff.catalog.landscape import make_landscape
from climdiff.catalog.law import Law
from climdiff.catalog.synthetic import World
from climdiff.errors import RecipeError

SMALL = World(size=(32, 48), factor=8, start="2000-01-01", end="2001-12-31", seed=5)
TINY = World(size=16, factor=8, start="2000-01-01", end="2001-12-31", seed=5)


@pytest.fixture(scope="module")
def tiny() -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    """Return coarse fields, truth and 4 members of 250 days."""
    days = range(11000, 11250)
    dates = np.array(days, "datetime64[D]").astype("datetime64[ns]")
    coarse, truth = (
        xr.Dataset(
            {name: (("time", "lat", "lon"), np.stack([day[name] for day in daily])) for name in daily[0]},
            {"time": dates},
        )
        for daily in (list(TINY.weather(days)), list(TINY.truth(days)))
    )
    return coarse, truth, TINY.draw(coarse, range(4), seed=11)


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


def test_wet_days_are_as_frequent_as_the_law_says(tiny):
    """The share of wet cells lies within 4 standard errors, each day counted as one draw."""
    coarse, truth, _ = tiny
    law = Law.on(make_landscape(TINY.shape, TINY.factor, TINY.spacing_km, TINY.seed))
    wet = (truth.pr > 1.0).values.mean(axis=(1, 2))
    today = [{name: coarse[name].values[step] for name in coarse} for step in range(wet.size)]
    expected = np.array([law.given(fields).exceedance(1.0).mean() for fields in today])
    assert 0.1 < expected.mean() < 0.5
    assert abs(wet.mean() - expected.mean()) < 4 * (wet - expected).std() / np.sqrt(wet.size)


@pytest.mark.parametrize("name", ["pr", "tas"])
def test_the_truth_is_exchangeable_with_the_members(name, tiny):
    """Ranks among 4 members at two far cells, where no one is dry, are uniform (chi-square, 4 degrees of freedom)."""
    _, truth, members = tiny
    value = truth[name].values[:, [2, 14], [2, 14]]
    forecast = members[name].values[..., [2, 14], [2, 14]]
    is_wet = (value > 0) & (forecast > 0).all(axis=0)
    counts = np.bincount((forecast < value).sum(axis=0)[is_wet], minlength=5)
    assert counts.sum() >= 40
    assert stats.chisquare(counts).pvalue > 1e-3


def test_members_differ_from_the_truth_and_from_members_of_another_seed():
    coarse, truth = (SMALL.open(part).isel(time=[3]).load() for part in ("coarse", "fine"))
    fields = [SMALL.draw(coarse, [0], seed).tas.values[0] for seed in (0, 5, 6)] + [truth.tas.values]
    for first, second in itertools.combinations(fields, 2):
        assert np.abs(first - second).max() > 0.5


def test_a_part_survives_being_sent_to_another_process():
    sent = copy.deepcopy(SMALL.open("fine"))
    xr.testing.assert_identical(sent.isel(time=3).load(), SMALL.open("fine").isel(time=3).load())
