"""The chain against closed forms."""

from __future__ import annotations

import math

import pytest
import torch

from climdiff.diffusion import schedules
from climdiff.diffusion.process import Chain, forward_step, kernel, log_joint, posterior


@pytest.fixture(params=[schedules.linear, schedules.cosine], ids=["linear", "cosine"])
def chain(request):
    return request.param(100)


def test_a_beta_outside_zero_and_one_is_refused():
    with pytest.raises(ValueError, match=r"found 0\.5 to 1"):
        Chain.from_beta(torch.tensor([0.5, 1.0]))


def test_alpha_is_the_cumulative_product(chain):
    expected = math.prod(1 - float(beta) for beta in chain.beta[1:])
    assert float(chain.alpha[-1]) == pytest.approx(expected, rel=1e-12)
    assert float(chain.alpha[0]) == 1.0


def test_one_step_from_a_kernel_is_the_next_kernel(chain):
    """Chapman-Kolmogorov: mean and variance carried through a forward step equal the kernel's."""
    x = torch.tensor(1.7, dtype=torch.float64)
    for t in range(1, chain.n_steps + 1):
        mean_before, variance_before = kernel(chain, x, t - 1)
        mean, variance = kernel(chain, x, t)
        carried = forward_step(chain, mean_before, t, torch.zeros((), dtype=torch.float64))
        assert float(carried) == pytest.approx(float(mean), rel=1e-12)
        carried_variance = (1 - chain.beta[t]) * variance_before + chain.beta[t]
        assert float(carried_variance) == pytest.approx(float(variance), rel=1e-12)


def test_the_end_of_the_chain_is_standard_normal():
    for chain in (schedules.linear(1000), schedules.cosine(1000)):
        mean, variance = kernel(chain, torch.tensor(1.0, dtype=torch.float64), chain.n_steps)
        assert abs(float(mean)) < 0.01
        assert float(variance) == pytest.approx(1.0, abs=1e-4)


def test_the_posterior_is_bayes_rule(chain):
    """log q(z_{t-1} | z_t, x) = log q(z_t | z_{t-1}) + log q(z_{t-1} | x) - log q(z_t | x), at any three values."""
    normal = torch.distributions.Normal
    x, z_t, z_before = (torch.tensor(value, dtype=torch.float64) for value in (0.8, -0.3, 1.1))
    for t in range(2, chain.n_steps + 1):
        mean, variance = posterior(chain, z_t, x, t)
        left = normal(mean, variance.sqrt()).log_prob(z_before)
        step = normal((1 - chain.beta[t]).sqrt() * z_before, chain.beta[t].sqrt()).log_prob(z_t)
        at_before, at_t = (kernel(chain, x, step_number) for step_number in (t - 1, t))
        right = step + normal(at_before[0], at_before[1].sqrt()).log_prob(z_before)
        right = right - normal(at_t[0], at_t[1].sqrt()).log_prob(z_t)
        assert float(left) == pytest.approx(float(right), rel=1e-9, abs=1e-9)


def test_the_posterior_of_the_first_step_is_x_itself(chain):
    x = torch.tensor([0.4, -2.0], dtype=torch.float64)
    mean, variance = posterior(chain, torch.tensor([5.0, 5.0], dtype=torch.float64), x, 1)
    torch.testing.assert_close(mean, x, rtol=1e-12, atol=1e-12)
    assert float(variance) == 0.0


def test_the_joint_is_the_product_of_its_steps():
    chain = Chain.from_beta(torch.tensor([0.1, 0.3]))
    x, z = torch.tensor([0.5]), torch.tensor([[0.2], [-0.4]])
    by_hand = 0.0
    for beta, before, now in ((0.1, 0.5, 0.2), (0.3, 0.2, -0.4)):
        by_hand += -0.5 * math.log(2 * math.pi * beta) - (now - math.sqrt(1 - beta) * before) ** 2 / (2 * beta)
    assert float(log_joint(chain, x.double(), z.double())) == pytest.approx(by_hand, rel=1e-6)
