"""Guidance on Gaussian data, where the law given observations is known in closed form."""

from __future__ import annotations

import math

import pytest
import torch

from climdiff.diffusion import levels, schedules
from climdiff.diffusion.guidance import inpainted, observed, steered
from climdiff.samplers.ancestral import ddim
from climdiff.samplers.dpm_solver import dpmpp_2m, dpmpp_sde_2m

CHAIN = schedules.cosine(1000)
N_MEMBERS = 6000
N_CELLS = 4
# unit variance, correlation 0.8 between neighbors
INDEPENDENT = torch.eye(N_CELLS, dtype=torch.float64)
COVARIANCE = 0.8 ** (torch.arange(N_CELLS)[:, None] - torch.arange(N_CELLS)[None, :]).abs().double()


def law(covariance):
    """Return the exact denoiser of N(0, covariance) on a row of cells."""

    def denoise(x, sigma):
        return x @ (covariance @ torch.linalg.inv(covariance + float(sigma[0]) ** 2 * INDEPENDENT)).T

    return denoise


gaussian = law(COVARIANCE)


def noise(k):
    generator = torch.Generator().manual_seed(k)
    return torch.randn(N_MEMBERS, 1, 1, N_CELLS, generator=generator, dtype=torch.float64)


def draw(denoise, sampler=dpmpp_2m, steps=60):
    sigmas = levels.karras(CHAIN, steps)
    return sampler(denoise, float(sigmas[0]) * noise(0), sigmas, noise).flatten(1)


def conditional(prior, cell, value, variance):
    """Return mean and covariance of N(0, prior) given an observation of one cell."""
    gain = prior[:, cell] / (prior[cell, cell] + variance)
    return gain * value, prior - gain[:, None] * prior[cell]


@pytest.mark.parametrize("variance", [0.05, 1.0])
@pytest.mark.parametrize("sampler", [dpmpp_2m, dpmpp_sde_2m])
@pytest.mark.parametrize(("prior", "off"), [(INDEPENDENT, 0.02), (COVARIANCE, 0.12)], ids=["independent", "correlated"])
def test_observing_a_cell_gives_the_conditional_law(prior, off, sampler, variance):
    seen = observed(torch.tensor([1]), torch.tensor([1.5]), torch.tensor([variance]))
    drawn = draw(steered(law(prior), seen), sampler, steps=120)
    mean, covariance = conditional(prior, 1, 1.5, variance)
    scatter = 5 / math.sqrt(N_MEMBERS)
    torch.testing.assert_close(drawn.mean(0), mean, rtol=0, atol=scatter + off)
    torch.testing.assert_close(drawn.T.cov().diagonal(), covariance.diagonal(), rtol=0.15, atol=scatter)


def test_no_observation_changes_nothing_to_the_bit():
    plain = draw(gaussian, steps=10)
    nothing = observed(torch.tensor([], dtype=torch.long), torch.zeros(0), torch.ones(0))
    missing = observed(torch.tensor([2]), torch.tensor([math.nan]), torch.ones(1))
    assert torch.equal(draw(steered(gaussian, nothing), steps=10), plain)
    assert torch.equal(draw(steered(gaussian, missing), steps=10), plain)
    assert torch.equal(draw(inpainted(gaussian, torch.full((N_CELLS,), math.nan)), steps=10), plain)


def test_an_observation_improves_the_cells_beside_it():
    truth = (
        torch.linalg.cholesky(COVARIANCE)
        @ torch.randn(N_CELLS, 200, generator=torch.Generator().manual_seed(3)).double()
    )
    errors = {}
    for name in ("plain", "steered"):
        error = []
        for field in truth.T:
            seen = observed(torch.tensor([1]), field[1:2], torch.tensor([0.05]))
            drawn = draw(gaussian if name == "plain" else steered(gaussian, seen), steps=20)
            error.append(((drawn.mean(0) - field)[[0, 2]] ** 2).mean())
        errors[name] = float(torch.stack(error).mean())
    # given a neighbor with correlation 0.8 and error variance 0.05, the variance left is 1 - 0.64 / 1.05
    assert errors["steered"] < 0.6 * errors["plain"]


def test_inpainting_keeps_known_cells_exactly_and_draws_the_others_from_their_conditional_law():
    known = torch.tensor([math.nan, 1.5, math.nan, math.nan], dtype=torch.float64)
    drawn = draw(inpainted(gaussian, known), ddim, steps=300)
    assert bool((drawn[:, 1] == 1.5).all())
    mean, covariance = conditional(COVARIANCE, 1, 1.5, 0.0)
    others = [0, 2, 3]
    torch.testing.assert_close(drawn.mean(0)[others], mean[others], rtol=0, atol=0.15)
    torch.testing.assert_close(drawn.T.cov().diagonal()[others], covariance.diagonal()[others], rtol=0.2, atol=0.02)


def test_a_classifier_moves_members_to_its_class():
    """log p(c | x) = log sigmoid(k x): members of the class x > 0 of cell 0."""
    toward = steered(gaussian, lambda x0, sigma: torch.nn.functional.logsigmoid(8 * x0[:, 0, 0, 0]))
    assert float((draw(gaussian)[:, 0] > 0).double().mean()) == pytest.approx(0.5, abs=0.05)
    assert float((draw(toward)[:, 0] > 0).double().mean()) > 0.9
