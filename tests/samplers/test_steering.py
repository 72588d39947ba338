"""Guidance on Gaussian data, where the law given observations is known in closed form."""

from __future__ import annotations

import math

import pytest
import torch

from climdiff.diffusion import levels, schedules
from climdiff.diffusion.guidance import Evidence, doubt, matched, observed, steered, told
from climdiff.samplers.ancestral import start_point
from climdiff.samplers.dpm_solver import dpmpp_2m, dpmpp_sde_2m

CHAIN = schedules.cosine(1000)
N_MEMBERS = 6000
N_CELLS = 4
INDEPENDENT = torch.eye(N_CELLS, dtype=torch.float64)
# correlation 0.8 between neighbors
CORRELATED = 0.8 ** (torch.arange(N_CELLS)[:, None] - torch.arange(N_CELLS)[None, :]).abs().double()
SCATTER = 5 / math.sqrt(N_MEMBERS)
"""Of a mean of unit variance; that of a variance is sqrt(2) times as large, relative to it."""


def law(covariance):
    """Return the exact denoiser of N(0, covariance) on a row of cells."""

    def denoise(x, sigma):
        return x @ (covariance @ torch.linalg.inv(covariance + float(sigma[0]) ** 2 * INDEPENDENT)).T

    return denoise


def noise(k):
    generator = torch.Generator().manual_seed(k)
    return torch.randn(N_MEMBERS, 1, 1, N_CELLS, generator=generator, dtype=torch.float64)


def draw(denoise, sampler=dpmpp_2m, steps=60):
    sigmas = levels.karras(CHAIN, steps)
    return sampler(denoise, start_point(sigmas, noise), sigmas, noise).flatten(1)


def conditional(prior, cells, values, variances):
    """Return mean and covariance of N(0, prior) given observations of some cells."""
    gain = prior[:, cells] @ torch.linalg.inv(prior[cells][:, cells] + torch.diag(variances))
    return gain @ values, prior - gain @ prior[cells]


def seen(cells, values, variances, unexplained):
    cells, values, variances = (torch.tensor(each) for each in (cells, values, variances))
    return Evidence(observed(cells, values.double(), variances.double(), torch.tensor(unexplained).double()))


def assert_law(drawn, mean, covariance, bias, spread=0.0):
    """`bias` is what the mean may be off, relative to the largest shift; `spread` a variance, relative to it."""
    off = bias * float(mean.abs().max()) + SCATTER * covariance.diagonal().sqrt()
    assert bool(((drawn.mean(0) - mean).abs() <= off).all()), (drawn.mean(0), mean)
    ratio = drawn.T.cov().diagonal() / covariance.diagonal()
    assert bool(((ratio - 1).abs() <= spread + math.sqrt(2) * SCATTER).all()), ratio


@pytest.mark.parametrize("scale", [0.05, 1.0, 4.0])
@pytest.mark.parametrize("error", [0.1, 1.0])
@pytest.mark.parametrize("sampler", [dpmpp_2m, dpmpp_sde_2m])
def test_observing_an_independent_cell_gives_the_conditional_law(sampler, error, scale):
    """Exact whatever the variance of the fields given the predictors, and that of the error relative to it."""
    prior, value = scale * INDEPENDENT, 1.5 * math.sqrt(scale)
    drawn = draw(told(law(prior), [seen([1], [value], [error * scale], scale)]), sampler, steps=200)
    exact = conditional(prior, [1], torch.tensor([value]).double(), torch.tensor([error * scale]).double())
    assert_law(drawn, *exact, bias=0.02, spread=0.05)


@pytest.mark.parametrize("scale", [0.05, 1.0, 4.0])
@pytest.mark.parametrize("sampler", [dpmpp_2m, dpmpp_sde_2m])
def test_neighbors_follow_an_observed_cell_most_of_the_way(sampler, scale):
    """Where cells are correlated the estimate is surer than `doubt` says: members stop a little short."""
    prior, value, error = scale * CORRELATED, 1.5 * math.sqrt(scale), 0.1 * scale
    drawn = draw(told(law(prior), [seen([1], [value], [error], scale)]), sampler, steps=100)
    mean, covariance = conditional(prior, [1], torch.tensor([value]).double(), torch.tensor([error]).double())
    share = drawn.mean(0) / mean
    assert bool(((share > 0.8) & (share < 1.03)).all()), share
    ratio = drawn.T.cov().diagonal() / covariance.diagonal()
    assert bool(((ratio > 0.8) & (ratio < 1.8)).all()), ratio


def test_all_evidence_counts_once():
    """Two observations of one cell in two pieces of evidence, and a linear likelihood of another cell."""
    one, other = seen([1], [1.0], [0.5], 1.0), seen([1], [2.0], [0.25], 1.0)
    drawn = draw(told(law(INDEPENDENT), [one]), steps=200), draw(told(law(INDEPENDENT), [one, other]), steps=200)
    first = conditional(INDEPENDENT, [1], torch.tensor([1.0]).double(), torch.tensor([0.5]).double())
    assert_law(drawn[0], *first, bias=0.02, spread=0.05)
    assert float(drawn[1].mean(0)[1]) > float(drawn[0].mean(0)[1]) + 0.3
    # log p = 0.7 x moves the mean of N(0, 1) by 0.7 and leaves its variance
    tilted = Evidence(lambda x0, sigma: 0.7 * x0.flatten(1)[:, 3])
    both = draw(told(law(INDEPENDENT), [tilted, one]), steps=200)
    mean = first[0] + torch.tensor([0.0, 0.0, 0.0, 0.7])
    assert_law(both, mean, first[1], bias=0.02, spread=0.05)
    assert torch.allclose(both, draw(told(law(INDEPENDENT), [one, tilted]), steps=200))


def test_no_observation_changes_nothing_to_the_bit():
    gaussian = law(CORRELATED)
    plain = draw(gaussian, steps=10)
    nothing = observed(torch.tensor([], dtype=torch.long), torch.zeros(0), torch.ones(0), torch.ones(0))
    missing = observed(torch.tensor([2]), torch.tensor([math.nan]), torch.tensor([math.nan]), torch.ones(1))
    gaps = torch.full((N_CELLS,), math.nan)
    assert torch.equal(draw(steered(gaussian, nothing), steps=10), plain)
    assert torch.equal(draw(steered(gaussian, missing), steps=10), plain)
    assert torch.equal(draw(told(gaussian, [Evidence(matched(gaps, torch.ones(1)), gaps)]), steps=10), plain)
    assert told(gaussian, []) is gaussian


def test_an_observation_improves_the_cells_beside_it():
    fields = torch.randn(N_CELLS, 200, generator=torch.Generator().manual_seed(3)).double()
    errors = {"plain": [], "steered": []}
    for field in (torch.linalg.cholesky(CORRELATED) @ fields).T:
        evidence = [seen([1], [float(field[1])], [0.05], 1.0)]
        for name, denoise in (("plain", law(CORRELATED)), ("steered", told(law(CORRELATED), evidence))):
            drawn = draw(denoise, steps=20)
            errors[name].append(((drawn.mean(0) - field)[[0, 2]] ** 2).mean())
    # given a neighbor with correlation 0.8 and error variance 0.05, the variance left is 1 - 0.64 / 1.05
    assert float(torch.stack(errors["steered"]).mean()) < 0.6 * float(torch.stack(errors["plain"]).mean())


@pytest.mark.parametrize("scale", [0.05, 1.0, 4.0])
@pytest.mark.parametrize("sampler", [dpmpp_2m, dpmpp_sde_2m])
def test_certain_cells_are_kept_exactly_and_the_others_drawn_from_their_conditional_law(sampler, scale):
    value = 1.5 * math.sqrt(scale)
    known = torch.tensor([math.nan, value, math.nan, math.nan], dtype=torch.float64)
    prior = scale * CORRELATED
    evidence = Evidence(matched(known, torch.tensor(scale).double()), known)
    drawn = draw(told(law(prior), [evidence]), sampler, steps=100)
    assert bool((drawn[:, 1] == value).all())
    mean, covariance = conditional(prior, [1], torch.tensor([value]).double(), torch.zeros(1).double())
    others = [0, 2, 3]
    share = drawn.mean(0)[others] / mean[others]
    assert bool(((share > 0.85) & (share < 1.05)).all()), share
    ratio = drawn.T.cov().diagonal()[others] / covariance.diagonal()[others]
    assert bool(((ratio > 0.85) & (ratio < 1.4)).all()), ratio


def test_cells_put_in_alone_leave_a_seam():
    """What reconstruction guidance is for: without it the neighbor of a known cell hardly follows."""
    known = torch.tensor([math.nan, 1.5, math.nan, math.nan], dtype=torch.float64)
    silent = Evidence(lambda x0, sigma: 0 * x0.flatten(1).sum(1), known)
    shares = [
        float(draw(told(law(CORRELATED), [each]), steps=60).mean(0)[0]) / 1.2
        for each in (silent, Evidence(matched(known, torch.ones(())), known))
    ]
    assert shares[0] < 0.5 * shares[1]


@pytest.mark.parametrize("level", [0.01, 0.5, 3.0, 100.0])
def test_doubt_is_the_variance_of_a_cell_seen_with_noise(level):
    """1 / doubt = 1 / variance + 1 / level^2: precisions add up."""
    found = doubt(torch.tensor(0.3), torch.tensor(level))
    assert float(1 / found) == pytest.approx(1 / 0.3 + 1 / level**2, rel=1e-5)


def test_a_classifier_moves_members_to_its_class():
    """log p(c | x) = log sigmoid(k x): members of the class x > 0 of cell 0."""
    gaussian = law(CORRELATED)
    toward = steered(gaussian, lambda x0, sigma: torch.nn.functional.logsigmoid(8 * x0[:, 0, 0, 0]))
    assert float((draw(gaussian)[:, 0] > 0).double().mean()) == pytest.approx(0.5, abs=0.05)
    assert float((draw(toward)[:, 0] > 0).double().mean()) > 0.9
