"""RainFARM keeps block means and the spectral slope it was fitted to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from climdiff.downscalers.contract import Downscaler
from climdiff.downscalers.rainfarm import RainFARM, shaped, spectral_slope
from climdiff.errors import DataError
from climdiff.grids.blocks import blocks_of

FACTOR = (8, 8)


def rough_rain(n_times: int, slope: float, spread: float, seed: int) -> np.ndarray:
    """Return log-normal rain (time, 64, 64) whose logarithm has a power law spectrum at all scales."""
    noise = np.random.default_rng(seed).normal(size=(n_times, 64, 64))
    return np.exp(spread * shaped(noise, slope, (64, 64)))


@pytest.mark.parametrize("slope", [0.0, 2.0, 3.5])
def test_shaped_noise_has_the_slope_asked_for_and_variance_one(slope):
    fields = shaped(np.random.default_rng(0).normal(size=(200, 64, 64)), slope, FACTOR)
    assert fields.var() == pytest.approx(1, rel=0.02)
    assert spectral_slope(fields, FACTOR) == pytest.approx(slope, abs=0.15)


def test_shaped_noise_has_nothing_that_the_coarse_grid_resolves():
    fields = shaped(np.random.default_rng(1).normal(size=(3, 48, 64)), 2.0, FACTOR)
    power = np.abs(np.fft.rfft2(fields)) ** 2
    np.testing.assert_allclose(power[:, :4, :5], 0, atol=1e-15)
    assert power[:, 5, 0].min() > 0


@pytest.fixture(scope="module")
def farm(make_pairs):
    pairs = make_pairs({"pr": rough_rain(90, 3.0, 0.6, 2)}, 8)
    blocks = blocks_of(pairs.coarse_grid, pairs.fine_grid)
    return RainFARM(pairs.select(slice(0, 60)), {"pr": blocks}, {"pr": (0.0, 1e4)}), pairs.select(slice(60, 90)), blocks


def test_members_have_the_block_means_of_the_coarse_field(farm):
    method, test, blocks = farm
    downscaler: Downscaler = method
    made = downscaler.downscale(test.coarse, members=[0, 8], seed=0)["pr"].values.astype(np.float64)
    assert made.min() >= 0
    np.testing.assert_allclose(blocks.mean(made), np.broadcast_to(test.coarse["pr"], (2, 30, 8, 8)), rtol=1e-5)


def test_members_have_slope_and_variance_of_the_truth(farm):
    method, test, blocks = farm
    made = method.downscale(test.coarse, members=[0, 1, 2], seed=0)["pr"].values.astype(np.float64)
    truth = test.fine["pr"].values.astype(np.float64)
    expected = spectral_slope(truth, FACTOR)
    for member in made:
        assert spectral_slope(member, FACTOR) == pytest.approx(expected, abs=0.2)
    assert blocks.cells(made).var(-1).mean() == pytest.approx(blocks.cells(truth).var(-1).mean(), rel=0.1)


def test_a_member_depends_on_its_number_seed_and_date_alone(farm):
    method, test, _ = farm
    coarse = test.coarse.isel(time=slice(0, 4))
    whole = method.downscale(coarse, members=range(4), seed=5)["pr"]
    part = method.downscale(coarse.isel(time=[2]), members=[3, 1], seed=5)["pr"]
    np.testing.assert_array_equal(part, whole.isel(realization=[3, 1], time=[2]))
    assert not np.array_equal(method.downscale(coarse, members=range(4), seed=6)["pr"], whole)


def test_dry_cells_of_the_coarse_field_stay_dry(farm):
    method, test, _ = farm
    coarse = test.coarse.isel(time=[0]).copy(deep=True)
    coarse["pr"][0, 2, 3] = 0
    assert float(method.downscale(coarse, [0], 0)["pr"][0, 0, 16:24, 24:32].max()) == 0


def fitted(pairs):
    return RainFARM(pairs, {"pr": blocks_of(pairs.coarse_grid, pairs.fine_grid)}, {"pr": (0.0, 1e4)})


def test_cells_that_are_always_missing_hardly_change_the_texture(farm, make_pairs):
    method = farm[0]
    pairs = make_pairs({"pr": rough_rain(60, 3.0, 0.6, 2)}, 8)
    fine, coarse = (each["pr"].copy(deep=True) for each in (pairs.fine, pairs.coarse))
    fine[:, :9, :5] = np.nan
    for missing in (fine[:, 0, 0], fine[:, 40, 40], coarse[:, 0, 0]):
        missing[:] = np.nan
    holed = fitted(replace(pairs, fine=pairs.fine.assign(pr=fine), coarse=pairs.coarse.assign(pr=coarse)))
    assert holed.textures["pr"].slope == pytest.approx(method.textures["pr"].slope, abs=0.15)
    assert holed.textures["pr"].spread == pytest.approx(method.textures["pr"].spread, rel=0.1)


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_training_without_rain_is_refused_in_a_line(make_pairs, value):
    fine = np.zeros((30, 64, 64))
    fine[:, ::8, ::8] = value
    with pytest.raises(DataError, match=r"CD-033 training data: no rain 'pr' in blocks .* on 30 dates"):
        fitted(make_pairs({"pr": fine}, 8))
