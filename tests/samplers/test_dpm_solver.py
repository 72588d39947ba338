"""DPM-Solver++(2M) on a law known in closed form: exact flow, order of convergence."""

from __future__ import annotations

import math

import pytest
import torch

from climdiff.diffusion import levels, schedules
from climdiff.samplers.ancestral import ddim
from climdiff.samplers.dpm_solver import dpmpp_2m

STD = 0.5


def gaussian(x, sigma):
    """The exact denoiser of N(0, STD^2)."""
    level = sigma.reshape(-1, 1, 1, 1).to(x)
    return STD**2 / (STD**2 + level**2) * x


def flow(x, start, end):
    """The exact solution of the probability-flow equation of N(0, STD^2) from noise level `start` to `end`."""
    return x * math.sqrt((STD**2 + end**2) / (STD**2 + start**2))


def error(sampler, steps):
    """Error at sigma = 0.05, by stopping the sampler's own list of levels there."""
    visited = torch.linspace(math.log(10.0), math.log(0.05), steps + 1, dtype=torch.float64).exp()
    seen = []

    def spy(x, sigma):
        seen.append(x)
        return gaussian(x, sigma)

    x = torch.full((1, 1, 1, 1), 7.0, dtype=torch.float64)
    sampler(spy, x, torch.cat([visited, torch.zeros(1)]), lambda k: None)
    return abs(float(seen[-1]) - float(flow(x, 10.0, 0.05)))


@pytest.mark.parametrize(("sampler", "order"), [(ddim, 1), (dpmpp_2m, 2)])
def test_error_falls_with_the_order_of_the_method(sampler, order):
    found = math.log2(error(sampler, 160) / error(sampler, 320))
    assert found == pytest.approx(order, abs=0.1)


def test_one_step_to_zero_is_the_denoiser_itself():
    x = torch.tensor(3.0).reshape(1, 1, 1, 1)
    found = dpmpp_2m(gaussian, x, torch.tensor([2.0, 0.0]), lambda k: None)
    assert float(found) == pytest.approx(3.0 * 0.25 / 4.25)


def test_forty_steps_recover_the_spread_of_a_known_law():
    sigmas = levels.karras(schedules.cosine(1000), 40)
    z = torch.randn(20_000, 1, 1, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    drawn = dpmpp_2m(gaussian, float(sigmas[0]) * z, sigmas, lambda k: None)
    assert float(drawn.std()) == pytest.approx(STD, rel=0.02)
