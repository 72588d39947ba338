"""Parameterisations: what the network's output means, and why epsilon needs a skip."""

from __future__ import annotations

import itertools
from typing import get_args

import pytest
import torch
from torch import nn

from climdiff.diffusion import schedules
from climdiff.diffusion.denoiser import Denoiser, Prediction, clean, coefficients, epsilon, output

CHAIN = schedules.linear(1000)
PREDICTIONS = get_args(Prediction)


class Answer(nn.Module):
    """A network that returns what it is told to, and remembers what it was asked."""

    def __init__(self, answer: torch.Tensor) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, z, t, condition):
        self.asked = (z, t, condition)
        return self.answer


def perfect_output(prediction, x0, eps, sigma):
    alpha = 1 / (1 + sigma**2)
    match prediction:
        case "epsilon_plain":
            return eps
        case "x0":
            return x0
        case "edm":
            return (1 - alpha) ** 0.5 * x0 - alpha**0.5 * eps
        case _:
            return alpha**0.5 * eps - (1 - alpha) ** 0.5 * x0


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("sigma", [0.02, 1.0, 60.0])
def test_a_perfect_output_gives_the_clean_field(prediction, sigma):
    x0, eps = torch.randn(2, 3, 1, 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    level = torch.full((3,), sigma, dtype=torch.float64)
    denoiser = Denoiser(Answer(perfect_output(prediction, x0, eps, sigma)), CHAIN, prediction)
    found = denoiser(x0 + sigma * eps, level, torch.zeros(3, 2, 4, 4, dtype=torch.float64))
    torch.testing.assert_close(found, x0, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("one", "other"), [*itertools.product(PREDICTIONS, PREDICTIONS)])
def test_outputs_convert_into_each_other_and_back(one, other):
    generator = torch.Generator().manual_seed(5)
    answer, x = torch.randn(2, 9, 7, generator=generator, dtype=torch.float64)
    sigma = torch.logspace(-2, 2, 9, dtype=torch.float64)[:, None]
    there = output(other, clean(one, answer, x, sigma, CHAIN), x, sigma, CHAIN)
    back = output(one, clean(other, there, x, sigma, CHAIN), x, sigma, CHAIN)
    torch.testing.assert_close(back, answer, rtol=1e-12, atol=1e-12 * max(1.0, float(sigma.max())))


def test_edm_coefficients_are_those_of_karras_for_data_of_unit_variance():
    sigma = torch.tensor([0.3, 5.0], dtype=torch.float64)
    found = coefficients("edm", sigma, CHAIN)
    expected = 1 / (sigma**2 + 1), sigma / (sigma**2 + 1).sqrt(), 1 / (sigma**2 + 1).sqrt(), 1000 * sigma.log() / 4
    for one, two in zip(found, expected, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-14, atol=0)


def test_the_network_sees_z_of_unit_variance_and_the_step_of_the_chain():
    t = 700
    sigma = CHAIN.sigma[t].expand(2)
    network = Answer(torch.zeros(2, 1, 4, 4, dtype=torch.float64))
    x = torch.randn(2, 1, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    Denoiser(network, CHAIN, "v")(x, sigma, torch.zeros(2, 1, 4, 4, dtype=torch.float64))
    z, asked_t, _ = network.asked
    torch.testing.assert_close(z, CHAIN.alpha[t].sqrt() * x, rtol=1e-12, atol=1e-12)
    assert asked_t.tolist() == pytest.approx([700.0, 700.0])


def test_epsilon_through_a_skip_is_the_noise_the_lecture_predicts():
    """f = sqrt(1 - alpha) z + sqrt(alpha) F, so D = x' - sigma f."""
    sigma = torch.tensor(3.0, dtype=torch.float64)
    alpha = 1 / (1 + sigma**2)
    x, output = torch.tensor(2.0, dtype=torch.float64), torch.tensor(-0.7, dtype=torch.float64)
    skip, out, _, _ = coefficients("epsilon", sigma, CHAIN)
    f = (1 - alpha).sqrt() * (alpha.sqrt() * x) + alpha.sqrt() * output
    assert float(skip * x + out * output) == pytest.approx(float(x - sigma * f), rel=1e-12)


def test_an_error_of_the_network_is_amplified_by_plain_epsilon_only():
    sigma = torch.tensor([0.01, 1.0, 80.0])
    assert coefficients("epsilon_plain", sigma, CHAIN).out.abs().max() == 80.0
    assert coefficients("epsilon", sigma, CHAIN).out.abs().max() < 1.0


def test_the_implied_noise_is_what_was_added():
    x0, eps = torch.randn(2, 5, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(epsilon(x0 + 2 * eps, x0, torch.tensor(2.0)), eps)


def test_a_dropped_condition_is_marked_and_hidden():
    network = Answer(torch.zeros(2, 1, 2, 2))
    denoiser = Denoiser(network, CHAIN, "epsilon")
    condition = torch.full((2, 3, 2, 2), 9.0)
    denoiser(torch.zeros(2, 1, 2, 2), torch.ones(2), condition, keep=torch.tensor([1.0, 0.0]))
    told = network.asked[2]
    assert told[0, :3].unique().tolist() == [9.0]
    assert told[0, 3].unique().tolist() == [1.0]
    assert told[1].unique().tolist() == [0.0]


def test_unconditional_is_the_same_whatever_the_condition():
    network = Answer(torch.zeros(1, 1, 2, 2))
    denoiser = Denoiser(network, CHAIN, "epsilon")
    for value in (0.0, 5.0):
        denoiser.unconditional(torch.full((1, 2, 2, 2), value))(torch.zeros(1, 1, 2, 2), torch.ones(1))
        assert network.asked[2].unique().tolist() == [0.0]
