"""Schedules against their formulas, and noise level against diffusion time."""

from __future__ import annotations

import math

import pytest
import torch

from climdiff.diffusion import schedules


def test_linear_beta_has_the_published_ends():
    chain = schedules.linear(1000)
    assert float(chain.beta[1]) == pytest.approx(1e-4)
    assert float(chain.beta[-1]) == pytest.approx(0.02)


def test_cosine_alpha_follows_its_formula():
    chain = schedules.cosine(1000)
    for t in (1, 250, 500, 900):
        ratio = math.cos((t / 1000 + 0.008) / 1.008 * math.pi / 2) ** 2 / math.cos(0.008 / 1.008 * math.pi / 2) ** 2
        assert float(chain.alpha[t]) == pytest.approx(ratio, rel=1e-9)


@pytest.mark.parametrize("make", [schedules.linear, schedules.cosine])
def test_time_and_noise_level_are_inverse(make):
    chain = make(1000)
    t = torch.linspace(1, 1000, 777, dtype=torch.float64)
    torch.testing.assert_close(schedules.time_of_sigma(chain, schedules.sigma_of_time(chain, t)), t, rtol=0, atol=1e-6)


def test_levels_of_the_chain_have_whole_times():
    chain = schedules.cosine(1000)
    times = schedules.time_of_sigma(chain, chain.sigma[1:])
    torch.testing.assert_close(times, torch.arange(1, 1001, dtype=torch.float64), rtol=0, atol=1e-9)


def test_levels_outside_the_chain_stay_at_its_ends():
    chain = schedules.linear(100)
    times = schedules.time_of_sigma(chain, torch.tensor([1e-9, 1e9]))
    assert times.tolist() == [1.0, 100.0]


def test_karras_levels_follow_their_formula():
    levels = schedules.karras(schedules.cosine(1000), 10)
    expected = (80 ** (1 / 7) + 3 / 9 * (0.01 ** (1 / 7) - 80 ** (1 / 7))) ** 7
    assert float(levels[3]) == pytest.approx(expected, rel=1e-9)
    assert float(levels[0]) == pytest.approx(80.0)
    assert float(levels[-1]) == 0.0
    assert len(levels) == 11


@pytest.mark.parametrize("levels", [schedules.karras, schedules.trailing])
def test_levels_go_down_from_inside_the_chain_to_zero(levels):
    chain = schedules.cosine(1000)
    for steps in (1, 2, 10, 200):
        sigmas = levels(chain, steps)
        assert len(sigmas) == steps + 1
        assert float(sigmas[0]) <= float(chain.sigma[-1])
        assert float(sigmas[-1]) == 0.0
        assert bool((sigmas[1:] < sigmas[:-1]).all())


def test_all_trailing_levels_are_the_whole_chain():
    chain = schedules.linear(50)
    torch.testing.assert_close(schedules.trailing(chain, 50), schedules.whole_chain(chain))
