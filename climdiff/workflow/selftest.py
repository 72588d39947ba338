"""Checks of the diffusion core against laws known in closed form, for any machine: what `climdiff selftest` runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple, get_args

import numpy as np
import torch
from torch import Tensor

from climdiff.diffusion import levels, schedules
from climdiff.diffusion.denoiser import Denoise, Prediction, clean, epsilon, output
from climdiff.diffusion.guidance import Evidence, classifier_free, matched, told
from climdiff.diffusion.process import kernel, posterior
from climdiff.grids.blocks import Blocks
from climdiff.grids.conserving import scaled
from climdiff.samplers.ancestral import Sampler, algorithm_18_2, amplified, ddim, ddpm, start_point
from climdiff.samplers.angular import angular
from climdiff.samplers.dpm_solver import dpmpp_2m, dpmpp_2s, dpmpp_sde_2m
from climdiff.samplers.heun import Churn, euler, heun
from climdiff.samplers.noise import Noise, normal

MEAN, STD, N_MEMBERS = 0.4, 0.5, 20_000
GOLDEN = 0.8115962743759155
"""First value of the noise at address (seed 1, member 2, time 3, draw 4)."""

ORDERS: dict[str, tuple[Sampler, int]] = {
    "ddim": (ddim, 1),
    "euler": (euler, 1),
    "heun": (heun, 2),
    "dpmpp_2m": (dpmpp_2m, 2),
    "dpmpp_2s": (dpmpp_2s, 2),
    "angular": (angular, 2),
}
LAWS: dict[str, tuple[Sampler, int]] = {
    "ddpm": (ddpm, 300),
    "ddpm, variance beta": (partial(ddpm, variance="beta"), 300),
    "ddim, eta 0.5": (partial(ddim, eta=0.5), 300),
    "ddim": (ddim, 300),
    "heun": (heun, 60),
    "heun, churn": (partial(heun, churn=Churn(20.0)), 100),
    "dpmpp_2m": (dpmpp_2m, 60),
    "dpmpp_2s": (dpmpp_2s, 60),
    "dpmpp_sde_2m": (dpmpp_sde_2m, 150),
    "angular": (angular, 60),
}


class Check(NamedTuple):
    """One check: what was expected and found, and how far apart they may be."""

    name: str
    expected: float
    found: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether found is within the tolerance of expected."""
        return abs(self.found - self.expected) <= self.tolerance


def checks() -> Iterator[Check]:
    """Yield every check as it is done; about ten seconds in all."""
    for each in (_process, _parameterisations, _algorithm, _orders, _laws, _spread, _guidance, _noise, _conservation):
        yield from each()


def _process() -> Iterator[Check]:
    chain = schedules.cosine(1000)
    x, z, t = torch.tensor(0.8, dtype=torch.float64), torch.tensor(-0.3, dtype=torch.float64), 400
    mean, variance = posterior(chain, z, x, t)
    before, step = kernel(chain, x, t - 1), chain.beta[t]
    # Bayes' rule for two normals: precision-weighted mean
    precision = 1 / before[1] + (1 - step) / step
    expected = (before[0] / before[1] + (1 - step).sqrt() * z / step) / precision
    yield Check("posterior: mean by Bayes' rule", float(expected), float(mean), 1e-12)
    yield Check("posterior: variance by Bayes' rule", float(1 / precision), float(variance), 1e-12)
    yield Check("kernel: variance at T", 1.0, float(kernel(chain, x, 1000)[1]), 1e-4)


def _parameterisations() -> Iterator[Check]:
    chain = schedules.linear(1000)
    generator = torch.Generator().manual_seed(0)
    x0, eps = torch.randn(2, 50, generator=generator, dtype=torch.float64)
    sigma = torch.logspace(-2, 2, 50, dtype=torch.float64)
    x = x0 + sigma * eps
    for prediction in get_args(Prediction):
        back = clean(prediction, output(prediction, x0, x, sigma, chain), x, sigma, chain)
        yield Check(f"parameterisation {prediction}: there and back", 0.0, float((back - x0).abs().max()), 1e-12)


def _algorithm() -> Iterator[Check]:
    chain, denoise = schedules.linear(50), _gaussian
    z = _normal(4)(0)

    def predict(z_t: Tensor, t: int) -> Tensor:
        x = z_t / chain.alpha[t].sqrt()
        return epsilon(x, denoise(x, chain.sigma[t].expand(len(x))), chain.sigma[t])

    first = z / chain.alpha[-1].sqrt()
    found = ddpm(denoise, first, levels.whole_chain(chain), _normal(4), variance="beta")
    away = float((found - algorithm_18_2(predict, chain, z, _normal(4))).abs().max())
    yield Check("ddpm: same members as Algorithm 18.2", 0.0, away, 1e-12)


def _orders() -> Iterator[Check]:
    for name, (sampler, order) in ORDERS.items():
        found = math.log2(_flow_error(sampler, 160) / _flow_error(sampler, 320))
        yield Check(f"order of convergence: {name}", order, found, 0.1)


def _laws() -> Iterator[Check]:
    chain = schedules.cosine(1000)
    for name, (sampler, steps) in LAWS.items():
        sigmas = levels.karras(chain, steps)
        drawn = sampler(_gaussian, start_point(sigmas, _normal(N_MEMBERS)), sigmas, _normal(N_MEMBERS))
        yield Check(f"known law, mean: {name}", MEAN, float(drawn.mean()), 5 * STD / N_MEMBERS**0.5 + 0.005)
        yield Check(f"known law, standard deviation: {name}", STD, float(drawn.std()), 0.015)


def _spread() -> Iterator[Check]:
    sigmas, factor = levels.karras(schedules.cosine(1000), 10), 1.3
    for name, sampler in (("dpmpp_2m", dpmpp_2m), ("dpmpp_sde_2m", dpmpp_sde_2m)):
        noises = [amplified(_normal(8), by) for by in (0, 1, factor)]
        mean, once, more = (sampler(_gaussian, start_point(sigmas, noise), sigmas, noise) for noise in noises)
        away = float((more - mean - factor * (once - mean)).abs().max())
        yield Check(f"scaled noise, scaled spread: {name}", 0.0, away, 1e-12)


def _guidance() -> Iterator[Check]:
    sigmas = levels.karras(schedules.cosine(1000), 10)
    z = start_point(sigmas, _normal(8))
    guided = classifier_free(_gaussian, lambda x, sigma: torch.zeros_like(x), 1.0)
    away = dpmpp_2m(guided, z, sigmas, _normal(8)) - dpmpp_2m(_gaussian, z, sigmas, _normal(8))
    yield Check("guidance of weight 1: the conditional model", 0.0, float(away.abs().max()), 0.0)
    known = torch.full((8, 1, 1, 1), torch.nan, dtype=torch.float64)
    known[3] = 7.0
    evidence = Evidence(matched(known, torch.ones(())), known)
    filled = dpmpp_2m(told(_gaussian, [evidence]), z, sigmas, _normal(8))
    yield Check("inpainting: a known cell is kept", 7.0, float(filled[3]), 0.0)


def _noise() -> Iterator[Check]:
    together = Noise(7, [(0, 5), (1, 5), (2, 5)], (1, 40, 40))(3)
    alone = Noise(7, [(2, 5)], (1, 40, 40))(3)
    yield Check("noise: a member alone or among others", 0.0, float((together[2] - alone[0]).abs().max()), 0.0)
    yield Check("noise: members are independent", 0.0, float((together[0] * together[1]).mean()), 5 / 40)
    yield Check("noise: the value of an address", GOLDEN, float(normal(1, 2, 3, 4, (1,))[0]), 0.0)


def _conservation() -> Iterator[Check]:
    rng = np.random.default_rng(0)
    blocks = Blocks((8, 8), np.ones((64, 64)), (False, False))
    means = rng.gamma(0.5, 2.0, size=(8, 8))
    rain = scaled(rng.gamma(0.2, 5.0, size=(64, 64)), means, blocks, largest=50.0)
    yield Check("conservation: block means", 0.0, float(np.abs(blocks.mean(rain) - means).max()), 1e-9)
    yield Check("conservation: no negative rain", 0.0, min(0.0, float(rain.min())), 0.0)


def _gaussian(x: Tensor, sigma: Tensor) -> Tensor:
    """Return the exact denoiser of N(MEAN, STD^2)."""
    level = sigma.reshape(-1, 1, 1, 1).to(x)
    return (STD**2 * x + level**2 * MEAN) / (STD**2 + level**2)


def _normal(n_members: int) -> Callable[[int], Tensor]:
    shape = (n_members, 1, 1, 1)
    return lambda draw: torch.randn(shape, generator=torch.Generator().manual_seed(draw), dtype=torch.float64)


def _flow_error(sampler: Sampler, steps: int, start: float = 10.0, end: float = 0.05) -> float:
    """Return the error in x at level `end`, where the exact flow of N(0, STD^2) is known."""
    visited = torch.linspace(math.log(start), math.log(end), steps + 1, dtype=torch.float64).exp()
    seen: list[Tensor] = []

    def spy(x: Tensor, sigma: Tensor) -> Tensor:
        if math.isclose(float(sigma[0]), end, rel_tol=1e-9):
            seen.append(x)
        return STD**2 / (STD**2 + sigma.reshape(-1, 1, 1, 1) ** 2) * x

    denoise: Denoise = spy
    x = torch.full((1, 1, 1, 1), 7.0, dtype=torch.float64)
    sampler(denoise, x, torch.cat([visited, torch.zeros(1)]), _normal(1))
    return abs(float(seen[-1]) - 7.0 * math.sqrt((STD**2 + end**2) / (STD**2 + start**2)))
