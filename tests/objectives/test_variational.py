"""The bound: its terms are those of torch.distributions, and it is tight where posterior and decoder are exact."""

from __future__ import annotations

import math
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal, kl_divergence

from climdiff.objectives.variational import Bound, divergence, surprise


class Batch(NamedTuple):
    target: Tensor
    condition: Tensor


def fields(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_the_divergence_is_that_of_two_normal_laws():
    mean, log_variance = fields(1, 3, 4, 2, 2), fields(2, 3, 4, 2, 2)
    q = Independent(Normal(mean, (0.5 * log_variance).exp()), 3)
    prior = Independent(Normal(torch.zeros_like(mean), torch.ones_like(mean)), 3)
    torch.testing.assert_close(divergence(mean, log_variance), kl_divergence(q, prior))


def test_the_surprise_is_that_of_a_normal_law():
    x, mean, log_deviation = fields(1, 3, 2, 4, 4), fields(2, 3, 2, 4, 4), torch.tensor([0.3, -0.7])
    law = Normal(mean, log_deviation.exp()[:, None, None].expand(2, 4, 4))
    torch.testing.assert_close(surprise(x, mean, log_deviation), -law.log_prob(x))


class Exact(nn.Module):
    """x = w z + b y + s eps in every cell, with the posterior of z that Bayes' rule gives."""

    def __init__(self, w=0.8, b=1.5, s=0.6):
        super().__init__()
        self.w, self.b, self.s = w, b, s
        self.log_deviation = nn.Parameter(torch.tensor([math.log(s)]))

    def encoder(self, x, condition):
        variance = self.s**2 / (self.w**2 + self.s**2)
        mean = self.w * (x - self.b * condition) / (self.w**2 + self.s**2)
        return mean, torch.full_like(mean, math.log(variance))

    def forward(self, z, condition):
        return self.w * z + self.b * condition


def evidence(network, batch):
    law = Normal(network.b * batch.condition, math.hypot(network.w, network.s))
    return -law.log_prob(batch.target).mean(dim=(1, 2, 3))


def bound(network, batch, seed, beta=1.0, warmup=0, step=1):
    objective = Bound(network, beta, warmup, torch.float32)
    ((_, losses, _),) = objective.losses(batch, torch.Generator().manual_seed(seed), step)
    return losses.detach()


def test_the_bound_is_the_evidence_where_posterior_and_decoder_are_exact():
    network = Exact()
    condition = fields(1, 4, 1, 32, 32)
    batch = Batch(1.5 * condition + fields(2, 4, 1, 32, 32), condition)
    mean = torch.stack([bound(network, batch, seed) for seed in range(200)]).mean(0)
    # four standard errors
    torch.testing.assert_close(mean, evidence(network, batch), atol=0.01, rtol=0)


@pytest.mark.parametrize("blurred", [0.5, 2.0])
def test_another_posterior_bounds_the_evidence_from_above(blurred):
    network = Exact()
    right = network.encoder
    network.encoder = lambda x, y: (right(x, y)[0], right(x, y)[1] + math.log(blurred))
    condition = fields(1, 4, 1, 32, 32)
    batch = Batch(1.5 * condition + fields(2, 4, 1, 32, 32), condition)
    mean = torch.stack([bound(network, batch, seed) for seed in range(20)]).mean(0)
    assert bool((mean > evidence(network, batch) + 0.02).all())


def test_the_prior_is_weighed_by_beta_and_turned_on_slowly():
    network, batch = Exact(), Batch(fields(1, 2, 1, 8, 8), fields(2, 2, 1, 8, 8))
    prior = divergence(*network.encoder(*batch)) / 64
    whole = bound(network, batch, 3)
    torch.testing.assert_close(bound(network, batch, 3, beta=0.1), whole - 0.9 * prior)
    torch.testing.assert_close(bound(network, batch, 3, warmup=10, step=3), whole - 0.7 * prior)
    torch.testing.assert_close(bound(network, batch, 3, warmup=10, step=30), whole)


def test_missing_cells_do_not_count():
    network, condition = Exact(), fields(1, 1, 1, 8, 8)
    target = fields(2, 1, 1, 8, 8)
    target[..., 4:, :] = torch.nan
    fit = bound(network, Batch(target, condition), 3, beta=1e-9)
    noise = torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(3))[..., :4, :]
    target, condition = target[..., :4, :], condition[..., :4, :]
    z = network.encoder(target, condition)[0] + 0.6 * noise
    torch.testing.assert_close(fit, -Normal(network(z, condition), 0.6).log_prob(target).mean().reshape(1))
