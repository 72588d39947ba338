"""The exact laws: denoisers against numerical integration and conjugate normals, rain against the world's own law."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from climdiff.diffusion import schedules
from climdiff.workflow.lessons.exact import Mixture, RainLaw, noise_predictor

MIXTURE = Mixture(
    torch.tensor([[-1.0], [2.0]], dtype=torch.float64),
    torch.tensor([0.3, 0.6], dtype=torch.float64),
    torch.tensor([0.25, 0.75], dtype=torch.float64),
)
GRID = torch.linspace(-12, 12, 24_001, dtype=torch.float64)[:, None]


@pytest.fixture(scope="module")
def law():
    return RainLaw.of("2001-09-25", size=32, factor=8)


def integral(values):
    return float(values.sum() * (GRID[1] - GRID[0]))


@pytest.mark.parametrize("sigma", [0.05, 0.7, 3.0])
@pytest.mark.parametrize("noisy", [-2.0, 0.4, 1.5])
def test_the_denoiser_of_a_mixture_is_the_mean_of_its_posterior(sigma, noisy):
    weight = MIXTURE.density(GRID) * torch.exp(-((noisy - GRID[:, 0]) ** 2) / (2 * sigma**2))
    expected = integral(weight * GRID[:, 0]) / integral(weight)
    x = torch.full((1, 1, 1, 1), noisy, dtype=torch.float64)
    assert float(MIXTURE.denoise(x, torch.tensor([sigma], dtype=torch.float64))) == pytest.approx(expected, abs=1e-9)


def test_a_density_has_mass_one_and_tends_to_the_standard_normal():
    assert integral(MIXTURE.density(GRID)) == pytest.approx(1)
    late = MIXTURE.diffused(1e-8).density(GRID)
    assert torch.allclose(late, torch.exp(-(GRID[:, 0] ** 2) / 2) / (2 * torch.pi) ** 0.5, atol=1e-3)


def test_mean_and_variance_of_a_diffused_mixture_are_those_of_the_kernel():
    mean, alpha = integral(MIXTURE.density(GRID) * GRID[:, 0]), 0.4
    variance = integral(MIXTURE.density(GRID) * GRID[:, 0] ** 2) - mean**2
    later = MIXTURE.diffused(alpha).density(GRID)
    found = integral(later * GRID[:, 0])
    assert found == pytest.approx(alpha**0.5 * mean)
    assert integral(later * GRID[:, 0] ** 2) - found**2 == pytest.approx(alpha * variance + 1 - alpha)


def test_a_component_is_a_single_normal():
    one = MIXTURE.component(1)
    x, sigma = torch.full((1, 1, 1, 1), 0.5, dtype=torch.float64), torch.tensor([0.6], dtype=torch.float64)
    assert float(one.denoise(x, sigma)) == pytest.approx((0.5 + 2.0) / 2)


def test_a_mixture_in_the_plane_keeps_the_directions_apart():
    plane = Mixture(torch.tensor([[1.0, -1.0]]).double(), torch.ones(1).double(), torch.ones(1).double())
    found = plane.denoise(torch.tensor([3.0, 1.0]).double().reshape(1, 2, 1, 1), torch.ones(1).double())
    assert found.flatten().tolist() == pytest.approx([2.0, 0.0])


def test_rain_of_drawn_fields_has_the_mean_and_dryness_of_the_worlds_law(law):
    generator = torch.Generator().manual_seed(0)
    x = law.draw(torch.randn(400, 1, *law.spectrum.shape, generator=generator))
    rain, conditional = law.rain(x), law.conditional
    assert rain.shape == (400, 32, 32)
    standard_error = rain.std(0) / np.sqrt(400)
    assert np.abs((rain.mean(0) - conditional.mean) / np.maximum(standard_error, 1e-3)).mean() < 1.2
    assert (rain > 0).mean() == pytest.approx(conditional.probability.mean(), abs=0.02)
    assert ((law.domain(x) > 0) == (rain > 0)).mean() > 0.999


def test_the_denoiser_of_rain_is_conditional_expectation_under_its_covariance():
    """By the dense formula mean + C (C + sigma^2 I)^-1 (x' - mean) at one cell of the torus."""
    law = RainLaw.of("2001-09-25", size=8, factor=4)
    sides, sigma = law.spectrum.shape, 0.8
    covariance = torch.fft.ifft2(law.spectrum).real
    rows, columns = (torch.arange(side) for side in sides)
    flat = torch.cartesian_prod(rows, columns)
    apart = flat[:, None] - flat[None, :]
    dense = covariance[apart[..., 0] % sides[0], apart[..., 1] % sides[1]]
    x = torch.randn(1, 1, *sides, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    away = torch.linalg.solve(dense + sigma**2 * torch.eye(len(flat), dtype=torch.float64), (x - law.mean).flatten())
    expected = law.mean.flatten()[100] + dense[100] @ away
    found = law.denoise(x, torch.tensor([sigma], dtype=torch.float64)).flatten()[100]
    assert float(found) == pytest.approx(float(expected), abs=1e-9)


def test_the_predicted_noise_is_what_separates_z_from_the_estimate():
    chain, t = schedules.linear(100), 30
    z = torch.randn(5, 1, 1, 1, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    eps = noise_predictor(MIXTURE.denoise, chain)(z, t)
    x0 = MIXTURE.denoise(z / chain.alpha[t].sqrt(), chain.sigma[t].expand(5))
    assert torch.allclose(chain.alpha[t].sqrt() * x0 + (1 - chain.alpha[t]).sqrt() * eps, z)
