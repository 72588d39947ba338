"""The diffusion downscaler: batches do not matter, limits hold, every sampler serves."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch

import climdiff
from climdiff import build, drawing
from climdiff.downscalers.diffusion import DiffusionDownscaler
from climdiff.errors import DataError
from climdiff.recipe.schema import Sample
from climdiff.recipe.schema import Sampler as SamplerName
from climdiff.samplers.persistence import DAY, Persistence


@pytest.fixture(scope="module")
def parts(trained, minute_recipe):
    coarse = build.open_splits(minute_recipe, ["test"])["test"].coarse.isel(time=slice(0, 2)).load()
    return climdiff.load(trained).downscaler, coarse


def with_sample(downscaler, recipe, largest=20.0, **changes):
    sample = Sample(**{"sampler": "dpmpp_2m", "steps": 4, **changes})
    changed = recipe.model_copy(update={"sample": sample})
    sampling = drawing.sampling(changed, downscaler.denoiser.chain, {"pr": (0.0, largest)})
    return DiffusionDownscaler(
        downscaler.denoiser, downscaler.encoder, downscaler.coarse_grid, downscaler.method, sampling, torch.float32
    )


def test_fault_083_the_number_of_members_and_dates_does_not_matter(parts):
    downscaler, coarse = parts
    many = downscaler.downscale(coarse, list(range(9)), 0)["pr"].values
    few = downscaler.downscale(coarse, [3, 8], 0)["pr"].values
    np.testing.assert_array_equal(many[[3, 8]], few)


@pytest.mark.parametrize(
    ("sampler", "levels"),
    [
        (sampler, levels)
        for sampler in get_args(SamplerName)
        for levels in (None, "karras", "trailing", "uniform", "angle")
        if levels is None or sampler != "one_step"  # which has one level of its own
    ],
)
def test_every_sampler_gives_finite_fields_within_limits_on_any_levels(parts, minute_recipe, sampler, levels):
    downscaler, coarse = parts
    drawn = with_sample(downscaler, minute_recipe, sampler=sampler, levels=levels).downscale(coarse, [0], 0)["pr"]
    assert bool(np.isfinite(drawn).all())
    assert float(drawn.min()) >= 0.0
    assert float(drawn.max()) <= 20.0 * (1 + 1e-5)


@pytest.mark.parametrize(
    "changes",
    [
        {"sampler": "ddim", "eta": 0.5},
        {"sampler": "ddpm", "variance": "beta"},
        {"sampler": "heun", "churn": 4.0},
        {"guidance": 1.5},
        {"guidance": 1.5, "guidance_interval": (0.1, 5.0)},
        {"levels": (80.0, 9.0, 2.0, 0.5)},
    ],
)
def test_every_option_changes_the_member(parts, minute_recipe, changes):
    downscaler, coarse = parts
    plain = {key: value for key, value in changes.items() if key == "sampler"}
    one, other = (
        with_sample(downscaler, minute_recipe, **given).downscale(coarse, [0], 0)["pr"].values
        for given in (plain, changes)
    )
    assert np.isfinite(other).all()
    assert np.abs(one - other).max() > 1e-3


@pytest.mark.parametrize("sampler", sorted(set(get_args(SamplerName)) - {"one_step"}))
def test_every_sampler_draws_members_of_more_or_less_spread_each_at_its_address(parts, minute_recipe, sampler):
    downscaler, coarse = parts
    drawn = {
        spread: with_sample(downscaler, minute_recipe, sampler=sampler, spread=spread).downscale(coarse, range(6), 0)
        for spread in (0.5, 1.0, 1.5)
    }
    spreads = [float(each["pr"].std("realization").mean()) for each in drawn.values()]
    assert spreads[0] < spreads[1] < spreads[2]
    alone = with_sample(downscaler, minute_recipe, sampler=sampler, spread=1.5).downscale(coarse[{"time": [1]}], [4], 0)
    np.testing.assert_array_equal(alone["pr"][0, 0], drawn[1.5]["pr"][4, 1])


@pytest.mark.parametrize("sampler", get_args(SamplerName))
def test_steps_are_evaluations_of_the_network(parts, minute_recipe, sampler):
    downscaler, coarse = parts
    counted = []
    hook = downscaler.denoiser.register_forward_hook(lambda *_: counted.append(1))
    try:
        with_sample(downscaler, minute_recipe, sampler=sampler, steps=7).downscale(coarse, [0], 0)
    finally:
        hook.remove()
    assert len(counted) == (1 if sampler == "one_step" else 7)


def test_ddpm_over_all_steps_visits_the_whole_chain(parts):
    chain = parts[0].denoiser.chain
    levels = drawing.noise_levels(Sample(sampler="ddpm", steps=chain.n_steps), chain)
    torch.testing.assert_close(levels, chain.sigma.flip(0))


def test_the_callers_data_are_left_lazy(parts, minute_recipe):
    downscaler, _ = parts
    coarse = build.open_splits(minute_recipe, ["test"])["test"].coarse.isel(time=slice(0, 1)).chunk(time=1)
    downscaler.downscale(coarse, [0], 0)
    assert coarse["pr"].chunks is not None


def persistent(downscaler, recipe, half_life, step=DAY):
    made = with_sample(downscaler, recipe)
    made.sampling = replace(made.sampling, persistence=Persistence(step, (half_life,)))
    return made


def test_fault_082_a_member_with_persistent_noise_is_the_same_date_by_date(parts, minute_recipe):
    downscaler, coarse = parts
    made = persistent(downscaler, minute_recipe, 2.0)
    both = made.downscale(coarse, [0, 5], 0)["pr"].values
    alone = made.downscale(coarse.isel(time=[1]), [5], 0)["pr"].values
    np.testing.assert_array_equal(both[1, 1], alone[0, 0])
    independent = with_sample(downscaler, minute_recipe).downscale(coarse, [0, 5], 0)["pr"].values
    assert np.abs(both - independent).max() > 1e-3
    wider = persistent(downscaler, minute_recipe, 2.0)
    wider.sampling = replace(wider.sampling, spread=1.3)
    address, shape = [(5, wider._keys(coarse["time"])[1])], (1, 16, 16)
    torch.testing.assert_close(wider._noise(0, address, shape)(2), 1.3 * made._noise(0, address, shape)(2))
    none = persistent(downscaler, minute_recipe, 0.0).downscale(coarse, [0, 5], 0)["pr"].values
    np.testing.assert_array_equal(none, independent)


def test_fault_023_dates_off_the_step_of_the_training_data_are_refused(parts, minute_recipe):
    downscaler, coarse = parts
    with pytest.raises(DataError, match=r"CD-023 predictors: 2001-02-02 is no whole number of steps of 36 h after 200"):
        persistent(downscaler, minute_recipe, 2.0, step=DAY * 3 // 2).downscale(coarse, [0], 0)
