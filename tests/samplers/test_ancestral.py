"""DDPM and DDIM against the posterior, Algorithm 18.2 and a law known in closed form."""

from __future__ import annotations

import pytest
import torch

from climdiff.diffusion import levels, schedules
from climdiff.diffusion.denoiser import epsilon
from climdiff.diffusion.process import posterior
from climdiff.samplers.ancestral import algorithm_18_2, ddim, ddpm

CHAIN = schedules.linear(50)
MEAN, STD = 0.6, 0.5


def gaussian(x, sigma):
    """The exact denoiser of N(MEAN, STD^2)."""
    level = sigma.reshape(-1, 1, 1, 1).to(x)
    return (STD**2 * x + level**2 * MEAN) / (STD**2 + level**2)


def noise_of(seed, shape=(4, 1, 3, 3)):
    return lambda k: torch.randn(shape, generator=torch.Generator().manual_seed(1000 * seed + k), dtype=torch.float64)


def test_an_ancestral_step_is_a_draw_from_the_posterior():
    """One ddim(eta=1) step in z coordinates: mean and variance of q(z_{t-1} | z_t, x0) to 1e-12."""
    t = 30
    sigmas = CHAIN.sigma[[t, t - 1, 0]]
    z = noise_of(1)(0)
    fresh = noise_of(2)
    seen = []

    def spy(x, sigma):
        seen.append(x)
        return gaussian(x, sigma)

    ddim(spy, z / CHAIN.alpha[t].sqrt(), sigmas, fresh, eta=1.0)
    x0 = gaussian(seen[0], sigmas[:1].expand(4))
    mean, variance = posterior(CHAIN, z, x0, t)
    expected = mean + variance.sqrt() * fresh(1)
    torch.testing.assert_close(CHAIN.alpha[t - 1].sqrt() * seen[1], expected, rtol=1e-12, atol=1e-12)


def test_without_noise_ddpm_walks_as_algorithm_18_2():
    """Both have the same mean at every step; with the noise silenced whole trajectories agree to 1e-12."""
    z = noise_of(3)(0)

    def predict(z_t, t):
        x = z_t / CHAIN.alpha[t].sqrt()
        return epsilon(x, gaussian(x, CHAIN.sigma[t].expand(4)), CHAIN.sigma[t])

    silent = lambda k: torch.zeros(4, 1, 3, 3, dtype=torch.float64)  # noqa: E731
    start = z / CHAIN.alpha[-1].sqrt()
    sampled = ddpm(gaussian, start, levels.whole_chain(CHAIN), silent)
    torch.testing.assert_close(sampled, algorithm_18_2(predict, CHAIN, z, silent), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_ddim_recovers_the_mean_and_spread_of_a_known_law(eta):
    chain = schedules.cosine(1000)
    noise = noise_of(4, (40_000, 1, 1, 1))
    sigmas = levels.karras(chain, 400)
    drawn = ddim(gaussian, float(sigmas[0]) * noise(0), sigmas, noise, eta)
    n = drawn.numel()
    assert float(drawn.mean()) == pytest.approx(MEAN, abs=5 * STD / n**0.5 + 0.01)
    assert float(drawn.std()) == pytest.approx(STD, rel=0.02)


def test_deterministic_ddim_draws_no_noise():
    def refuse(k):
        raise AssertionError(f"drew noise {k}")

    sigmas = levels.karras(CHAIN, 5)
    ddim(gaussian, noise_of(5)(0), sigmas, refuse)


def test_each_step_draws_noise_of_its_own():
    asked = []

    def record(k):
        asked.append(k)
        return noise_of(6)(k)

    ddpm(gaussian, noise_of(6)(0), levels.trailing(CHAIN, 5), record)
    assert asked == [1, 2, 3, 4]


def test_the_variance_beta_reproduces_algorithm_18_2_with_its_noise():
    z, fresh = noise_of(7)(0), noise_of(8)

    def predict(z_t, t):
        x = z_t / CHAIN.alpha[t].sqrt()
        return epsilon(x, gaussian(x, CHAIN.sigma[t].expand(4)), CHAIN.sigma[t])

    found = ddpm(gaussian, z / CHAIN.alpha[-1].sqrt(), levels.whole_chain(CHAIN), fresh, variance="beta")
    torch.testing.assert_close(found, algorithm_18_2(predict, CHAIN, z, fresh), rtol=1e-12, atol=1e-12)
