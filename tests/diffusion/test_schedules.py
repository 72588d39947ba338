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


@pytest.mark.parametrize("n_steps", [50, 100, 400])
def test_a_shorter_linear_chain_ends_at_least_as_noisy(n_steps):
    assert float(schedules.linear(n_steps).sigma[-1]) >= float(schedules.linear(1000).sigma[-1])


def test_cosine_alpha_follows_its_formula():
    chain = schedules.cosine(1000)
    for t in (1, 250, 500, 900):
        ratio = math.cos((t / 1000 + 0.008) / 1.008 * math.pi / 2) ** 2 / math.cos(0.008 / 1.008 * math.pi / 2) ** 2
        assert float(chain.alpha[t]) == pytest.approx(ratio, rel=1e-9)


@pytest.mark.parametrize(
    "make", [schedules.linear, schedules.cosine, schedules.sigmoid, schedules.edm, schedules.log_linear]
)
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


def test_sigmoid_alpha_follows_its_formula():
    chain = schedules.sigmoid(1000)

    def value(t):
        return 1 / (1 + math.exp(-(6 * t / 1000 - 3)))

    for t in (1, 250, 500, 900):
        expected = (value(1000) - value(t)) / (value(1000) - value(0))
        assert float(chain.alpha[t]) == pytest.approx(expected, rel=1e-9)


def test_edm_and_log_linear_levels_are_even_in_their_own_scale():
    for chain, scale in ((schedules.edm(500), lambda s: s ** (1 / 7)), (schedules.log_linear(500), torch.log)):
        levels = chain.sigma[1:]
        assert (float(levels[0]), float(levels[-1])) == pytest.approx((0.002, 80.0))
        steps = scale(levels).diff()
        torch.testing.assert_close(steps, steps.mean().expand_as(steps), rtol=1e-6, atol=0)


def test_the_end_of_a_zero_terminal_chain_is_noise_and_its_first_step_stays():
    for chain in (schedules.linear(1000), schedules.cosine(1000)):
        rescaled = schedules.zero_terminal(chain)
        assert float(rescaled.alpha[-1]) == pytest.approx(1e-8)
        assert float(rescaled.alpha[1]) == pytest.approx(float(chain.alpha[1]), rel=1e-12)
        # between the ends sqrt(alpha) is a linear map of what it was (Lin et al., 2024, Algorithm 1)
        one, two = chain.alpha[1:].sqrt(), rescaled.alpha[1:].sqrt()
        slope = (two[0] - two[-1]) / (one[0] - one[-1])
        torch.testing.assert_close(two, two[-1] + slope * (one - one[-1]), rtol=1e-9, atol=1e-12)
