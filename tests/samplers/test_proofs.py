"""Every sampler with every parameterisation and schedule against laws whose denoiser is known exactly."""

from __future__ import annotations

import math
from functools import partial
from typing import get_args

import pytest
import torch
from torch import nn

from climdiff.diffusion import levels, schedules
from climdiff.diffusion.denoiser import Denoiser, Prediction, output
from climdiff.diffusion.guidance import classifier_free
from climdiff.samplers.ancestral import amplified, ddim, ddpm, start_point
from climdiff.samplers.angular import angular
from climdiff.samplers.dpm_solver import dpmpp_2m, dpmpp_2s, dpmpp_sde_2m
from climdiff.samplers.heun import Churn, euler, heun

DETERMINISTIC = {
    "ddim": ddim,
    "euler": euler,
    "heun": heun,
    "dpmpp_2m": dpmpp_2m,
    "dpmpp_2s": dpmpp_2s,
    "angular": angular,
}
STOCHASTIC = {
    "ddpm": ddpm,
    "ddpm, beta": partial(ddpm, variance="beta"),
    "ddim, eta 0.5": partial(ddim, eta=0.5),
    "dpmpp_sde_2m": dpmpp_sde_2m,
    "heun, churn": partial(heun, churn=Churn(20.0)),
}
SAMPLERS = DETERMINISTIC | STOCHASTIC
CHAINS = {
    "linear": schedules.linear(1000),
    "cosine": schedules.cosine(1000),
    "sigmoid": schedules.sigmoid(1000),
    "edm": schedules.edm(1000),
    "log_linear": schedules.log_linear(1000),
    "zero_terminal": schedules.zero_terminal(schedules.cosine(1000)),
}
MEAN = torch.tensor([0.4, -0.7], dtype=torch.float64).reshape(2, 1, 1)
COVARIANCE = torch.tensor([[0.8, 0.3], [0.3, 0.5]], dtype=torch.float64)
N_MEMBERS = 4_000


def gaussian(x, sigma):
    """The exact denoiser of N(MEAN, COVARIANCE) in two channels."""
    level = float(sigma.flatten()[0])
    gain = COVARIANCE @ torch.linalg.inv(COVARIANCE + level**2 * torch.eye(2, dtype=torch.float64))
    return MEAN + torch.einsum("ij,bjyx->biyx", gain, x - MEAN)


class Perfect(nn.Module):
    """The network that knows the law: it outputs what its parameterisation needs to mean the exact denoiser."""

    def __init__(self, prediction, chain):
        super().__init__()
        self.prediction, self.chain = prediction, chain

    def forward(self, z, t, condition):
        sigma = (t[:1] / 250).exp() if self.prediction == "edm" else schedules.sigma_of_time(self.chain, t[:1])
        x = z * (1 + sigma**2).sqrt()
        return output(self.prediction, gaussian(x, sigma), x, sigma, self.chain)


def noise(k):
    return torch.randn(N_MEMBERS, 2, 1, 1, generator=torch.Generator().manual_seed(k), dtype=torch.float64)


@pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS.keys())
@pytest.mark.parametrize("schedule", CHAINS.keys())
@pytest.mark.parametrize("prediction", get_args(Prediction))
def test_every_combination_recovers_mean_and_covariance_of_a_gaussian(sampler, schedule, prediction):
    chain = CHAINS[schedule]
    denoiser = Denoiser(Perfect(prediction, chain), chain, prediction)
    bound = denoiser.bind(torch.zeros(N_MEMBERS, 1, 1, 1, dtype=torch.float64))
    slow = sampler in (ddim, euler) or sampler in STOCHASTIC.values()
    sigmas = levels.karras(chain, 200 if slow else 60, smallest=0.02)
    drawn = sampler(bound, float(sigmas[0]) * noise(0), sigmas, noise)
    found = drawn.reshape(N_MEMBERS, 2)
    scatter = 5 / math.sqrt(N_MEMBERS)
    torch.testing.assert_close(found.mean(0), MEAN.flatten(), rtol=0, atol=scatter + 0.01)
    torch.testing.assert_close(found.T.cov(), COVARIANCE, rtol=0.03, atol=1.5 * scatter)


@pytest.mark.parametrize("factor", [0.4, 1.3])
@pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS.keys())
def test_scaled_noise_scales_the_spread_of_a_gaussian_exactly_and_leaves_its_mean(sampler, factor):
    """Every member moves away from the member without noise, which is the mean, by the factor."""
    sigmas = levels.karras(CHAINS["cosine"], 6)
    none, once, more = (
        sampler(gaussian, start_point(sigmas, amplified(noise, by)), sigmas, amplified(noise, by))
        for by in (0, 1, factor)
    )
    torch.testing.assert_close(more - none, factor * (once - none), rtol=0, atol=1e-12)
    assert float(none.std(0).max()) < 1e-12
    torch.testing.assert_close(more.std(0) / once.std(0), torch.full((2, 1, 1), factor, dtype=torch.float64))


@pytest.mark.parametrize("factor", [0.7, 1.5])
def test_scaled_noise_stretches_a_law_of_one_dimension_through_its_quantiles(factor):
    """The flow maps z to F^-1(Phi(z)), so scaled noise ends at F^-1(Phi(factor z)): here F has two parts."""
    normal = torch.distributions.Normal(0.0, 1.0)
    centers = torch.tensor([-1.0, 1.0], dtype=torch.float64)

    def mixture(x, sigma):
        variance = 0.5**2 + float(sigma[0]) ** 2
        share = (-((x[..., None] - centers) ** 2) / (2 * variance)).softmax(-1)
        return (share * (centers + 0.5**2 / variance * (x[..., None] - centers))).sum(-1)

    z = torch.linspace(-1.5, 1.5, 13, dtype=torch.float64).reshape(-1, 1, 1, 1)
    sigmas = levels.karras(schedules.edm(1000), 400, smallest=0.005)
    found = dpmpp_2m(mixture, start_point(sigmas, amplified(lambda k: z, factor)), sigmas, noise)
    reached = normal.cdf((found[..., None] - centers) / 0.5).mean(-1)
    torch.testing.assert_close(reached, normal.cdf(factor * z), rtol=0, atol=0.005)


@pytest.mark.parametrize(
    ("sampler", "order"),
    [(ddim, 1), (euler, 1), (heun, 2), (dpmpp_2m, 2), (dpmpp_2s, 2), (angular, 2)],
)
def test_errors_fall_with_the_order_of_the_method(sampler, order):
    found = math.log2(flow_error(sampler, 160) / flow_error(sampler, 320))
    assert found == pytest.approx(order, abs=0.1)


def flow_error(sampler, steps, std=0.5, start=10.0, end=0.05):
    """Return the error in x at level `end`, where the exact flow of N(0, std^2) is known."""
    visited = torch.linspace(math.log(start), math.log(end), steps + 1, dtype=torch.float64).exp()
    seen = []

    def spy(x, sigma):
        if math.isclose(float(sigma[0]), end, rel_tol=1e-9):
            seen.append(x)
        level = sigma.reshape(-1, 1, 1, 1)
        return std**2 / (std**2 + level**2) * x

    x = torch.full((1, 1, 1, 1), 7.0, dtype=torch.float64)
    sampler(spy, x, torch.cat([visited, torch.zeros(1)]), lambda k: None)
    return abs(float(seen[-1]) - 7.0 * math.sqrt((std**2 + end**2) / (std**2 + start**2)))


@pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS.keys())
def test_a_mixture_in_two_dimensions_comes_back_with_its_weights(sampler):
    weights = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    centers = torch.tensor([[2.0, 0.0], [-1.0, 1.5], [-1.0, -1.5]], dtype=torch.float64)
    width = 0.2

    def mixture(x, sigma):
        points, variance = x.flatten(1), width**2 + float(sigma[0]) ** 2
        away = points[:, None] - centers
        share = (weights.log() - (away**2).sum(-1) / (2 * variance)).softmax(1)
        estimates = centers + width**2 / variance * away
        return (share[..., None] * estimates).sum(1).reshape(x.shape)

    sigmas = levels.karras(CHAINS["cosine"], 150)
    drawn = sampler(mixture, float(sigmas[0]) * noise(0), sigmas, noise).flatten(1)
    nearest = torch.cdist(drawn, centers).argmin(1)
    found = torch.bincount(nearest, minlength=3).double() / N_MEMBERS
    torch.testing.assert_close(found, weights, rtol=0, atol=5 * 0.5 / math.sqrt(N_MEMBERS) + 0.005)
    away = torch.cdist(drawn, centers).min(1).values
    assert float(away.square().mean().sqrt()) == pytest.approx(width * 2**0.5, rel=0.1)


def test_guidance_of_weight_one_is_the_conditional_model_and_never_asks_the_other():
    def refuse(x, sigma):
        raise AssertionError("the unconditional model was asked")

    sigmas = levels.karras(CHAINS["cosine"], 10)
    x = float(sigmas[0]) * noise(0)[:10]
    guided = dpmpp_2m(classifier_free(gaussian, refuse, 1.0), x, sigmas, noise)
    assert torch.equal(guided, dpmpp_2m(gaussian, x, sigmas, noise))
