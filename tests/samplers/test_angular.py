"""The angular solver: exact for standard normal data, right in spread after few steps."""

from __future__ import annotations

import pytest
import torch

from climdiff.diffusion import levels, schedules
from climdiff.samplers.angular import angular
from climdiff.samplers.dpm_solver import dpmpp_2m

CHAIN = schedules.cosine(1000)


def denoiser(std):
    """The exact denoiser of N(0, std^2)."""
    return lambda x, sigma: std**2 / (std**2 + sigma.reshape(-1, 1, 1, 1).to(x) ** 2) * x


def spread(sampler, std, sigmas):
    x = torch.full((1, 1, 1, 1), float((std**2 + sigmas[0] ** 2).sqrt()), dtype=torch.float64)
    return float(sampler(denoiser(std), x, sigmas, None)) / std


@pytest.mark.parametrize("steps", [2, 5, 10])
@pytest.mark.parametrize("spaced", [levels.karras, levels.angle])
def test_any_number_of_steps_gives_standard_normal_data_their_spread(steps, spaced):
    assert spread(angular, 1.0, spaced(CHAIN, steps)) == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("std", [0.5, 1.0, 2.0])
def test_eight_steps_are_closer_than_those_of_dpm_solver(std):
    found = abs(spread(angular, std, levels.angle(CHAIN, 8)) - 1)
    reference = min(abs(spread(dpmpp_2m, std, spaced(CHAIN, 8)) - 1) for spaced in (levels.karras, levels.angle))
    assert found < reference
