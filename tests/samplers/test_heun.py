"""Euler and Heun: order of convergence, churn, and what they have in common with the others."""

from __future__ import annotations

import math

import pytest
import torch

from climdiff.diffusion import levels, schedules
from climdiff.samplers.ancestral import ddim
from climdiff.samplers.heun import Churn, euler, heun

STD = 0.5
CHAIN = schedules.cosine(1000)


def gaussian(x, sigma):
    """The exact denoiser of N(0, STD^2)."""
    level = sigma.reshape(-1, 1, 1, 1).to(x)
    return STD**2 / (STD**2 + level**2) * x


def noise(k):
    return torch.randn(20_000, 1, 1, 1, generator=torch.Generator().manual_seed(k), dtype=torch.float64)


def refuse(k):
    raise AssertionError(f"drew noise {k}")


def test_euler_without_churn_is_ddim():
    sigmas = levels.karras(CHAIN, 9)
    x = float(sigmas[0]) * noise(0)[:50]
    found, expected = (sampler(gaussian, x, sigmas, refuse) for sampler in (euler, ddim))
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-11)


def test_the_step_to_zero_is_the_estimate_itself():
    x = torch.full((1, 1, 1, 1), 3e4)
    one = torch.tensor([1e4, 0.0], dtype=torch.float64)
    for sampler in (euler, heun):
        assert torch.equal(sampler(lambda x, sigma: x.clamp(max=7.0), x, one, refuse), torch.full_like(x, 7.0))


@pytest.mark.parametrize(("sampler", "steps"), [(euler, 800), (heun, 120)])
def test_churn_keeps_the_known_law(sampler, steps):
    sigmas = levels.karras(CHAIN, steps)
    drawn = sampler(gaussian, float(sigmas[0]) * noise(0), sigmas, noise, Churn(40.0))
    assert float(drawn.std()) == pytest.approx(STD, rel=0.02)


def test_churn_raises_levels_in_its_range_by_at_most_the_root_of_two():
    churn = Churn(amount=5.0, low=0.1, high=10.0)
    assert churn.raised(1.0, n_steps=50) == pytest.approx(1.1)
    assert churn.raised(1.0, n_steps=2) == pytest.approx(math.sqrt(2))
    assert churn.raised(20.0, n_steps=50) == 20.0
    assert churn.raised(0.05, n_steps=50) == 0.05


def test_inflated_churn_spreads_members_further():
    sigmas = levels.karras(CHAIN, 60)
    x = float(sigmas[0]) * noise(0)
    plain, inflated = (heun(gaussian, x, sigmas, noise, Churn(30.0, inflation=s)).std() for s in (1.0, 1.05))
    assert float(inflated) > 1.01 * float(plain)
