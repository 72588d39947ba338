"""The diffusion downscaler: batches do not matter, limits hold, every sampler serves."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

import climdiff
from climdiff import build
from climdiff.downscalers.diffusion import DiffusionDownscaler, Sampling, noise_levels


@pytest.fixture(scope="module")
def parts(trained, minute_recipe):
    coarse = build.open_splits(minute_recipe, ["test"])["test"].coarse.isel(time=slice(0, 2)).load()
    return climdiff.load(trained).downscaler, coarse


def with_sampling(downscaler, **changes):
    sampling = dataclasses.replace(downscaler.sampling, **changes)
    return DiffusionDownscaler(
        downscaler.denoiser, downscaler.encoder, downscaler.coarse_grid, downscaler.method, sampling, torch.float32
    )


def test_fault_083_the_number_of_members_and_dates_does_not_matter(parts):
    downscaler, coarse = parts
    many = downscaler.downscale(coarse, list(range(9)), 0)["pr"].values
    few = downscaler.downscale(coarse, [3, 8], 0)["pr"].values
    np.testing.assert_array_equal(many[[3, 8]], few)


@pytest.mark.parametrize(
    "changes", [{"sampler": "ddpm"}, {"sampler": "ddim", "eta": 0.5}, {"sampler": "dpmpp_2m"}, {"guidance": 1.5}]
)
def test_every_sampler_gives_finite_fields_within_limits(parts, changes):
    downscaler, coarse = parts
    drawn = with_sampling(downscaler, steps=4, limits={"pr": (0.0, 20.0)}, **changes).downscale(coarse, [0, 1], 0)["pr"]
    assert bool(np.isfinite(drawn).all())
    assert float(drawn.min()) >= 0.0
    assert float(drawn.max()) <= 20.0 * (1 + 1e-5)


def test_ddpm_over_all_steps_visits_the_whole_chain(parts):
    downscaler, _ = parts
    chain = downscaler.denoiser.chain
    levels = noise_levels(downscaler.denoiser, Sampling("ddpm", steps=chain.n_steps))
    torch.testing.assert_close(levels, chain.sigma.flip(0))


def test_the_callers_data_are_left_lazy(parts, minute_recipe):
    downscaler, _ = parts
    coarse = build.open_splits(minute_recipe, ["test"])["test"].coarse.isel(time=slice(0, 1)).chunk(time=1)
    downscaler.downscale(coarse, [0], 0)
    assert coarse["pr"].chunks is not None
