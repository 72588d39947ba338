"""The loss of Algorithm 18.1: its draws, its weights, and missing cells."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from climdiff.diffusion import schedules
from climdiff.diffusion.denoiser import Denoiser
from climdiff.diffusion.loss import draw, epsilon_loss, weights

CHAIN = schedules.linear(1000)


class Zero(nn.Module):
    """Predicts nothing: F = 0."""

    def forward(self, z, t, condition):
        return torch.zeros_like(z)


class Convolution(nn.Module):
    """A linear network that sees z and the condition."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, z, t, condition):
        return self.layer(torch.cat([z, condition], dim=1))


def test_times_are_uniform_over_the_chain():
    generator = torch.Generator().manual_seed(0)
    x = torch.zeros(8, 1, 1, 1)
    times = torch.cat([draw(x, schedules.linear(10), "uniform", 0.0, generator).t for _ in range(2000)])
    counts = torch.bincount(times.long(), minlength=11)
    assert counts[0] == 0
    assert ((counts[1:] - 1600).abs() < 5 * 1600**0.5).all()


def test_the_times_of_a_batch_are_one_in_each_of_as_many_parts_of_the_chain():
    for seed in range(20):
        drawn = draw(torch.zeros(8, 1, 2, 2), CHAIN, "uniform", 0.0, torch.Generator().manual_seed(seed))
        assert (((drawn.t - 1) * 8) // CHAIN.n_steps).tolist() == list(range(8))


def test_the_same_generator_state_draws_the_same():
    x = torch.zeros(4, 1, 8, 8)
    first, second = (draw(x, CHAIN, "uniform", 0.5, torch.Generator().manual_seed(3)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_condition_dropout_has_the_asked_frequency():
    generator = torch.Generator().manual_seed(1)
    kept = torch.cat([draw(torch.zeros(100, 1, 1, 1), CHAIN, "uniform", 0.2, generator).keep for _ in range(100)])
    assert float(kept.mean()) == pytest.approx(0.8, abs=5 * (0.16 / 10_000) ** 0.5)


def test_uniform_weight_is_the_error_in_eps():
    """Algorithm 18.1: with plain epsilon and f = 0 the loss of a sample is the mean of eps squared."""
    x = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(4))
    drawn = draw(x, CHAIN, "uniform", 0.0, torch.Generator().manual_seed(5))
    denoiser = Denoiser(Zero(), CHAIN, "epsilon_plain")
    loss = epsilon_loss(denoiser, x, torch.zeros(3, 1, 8, 8), drawn, "uniform")
    torch.testing.assert_close(loss, (drawn.eps**2).mean(dim=(1, 2, 3)), rtol=1e-3, atol=1e-4)


def test_bounded_weight_is_the_error_in_v():
    x = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(4))
    drawn = draw(x, CHAIN, "uniform", 0.0, torch.Generator().manual_seed(5))
    loss = epsilon_loss(Denoiser(Zero(), CHAIN, "epsilon"), x, torch.zeros(3, 1, 8, 8), drawn, "bounded")
    alpha = CHAIN.alpha[drawn.t.long()].float().reshape(-1, 1, 1, 1)
    v = alpha.sqrt() * drawn.eps - (1 - alpha).sqrt() * x
    torch.testing.assert_close(loss, (v**2).mean(dim=(1, 2, 3)), rtol=1e-3, atol=1e-4)


def test_min_snr_bounds_the_weight_on_the_clean_field():
    sigma = torch.tensor([0.01, 0.1, 1.0, 10.0])
    on_clean = weights("min_snr", sigma) / sigma**2
    torch.testing.assert_close(on_clean, torch.tensor([5.0, 5.0, 1.0, 0.01]))


def test_missing_cells_do_not_count():
    x = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(6))
    drawn = draw(x, CHAIN, "uniform", 0.0, torch.Generator().manual_seed(7))
    denoiser = Denoiser(Zero(), CHAIN, "epsilon_plain")
    masked = x.clone()
    masked[0, :, :4] = float("nan")
    masked[1, :, :7] = float("nan")
    loss = epsilon_loss(denoiser, masked, torch.zeros(2, 1, 8, 8), drawn, "uniform")
    expected = torch.stack([(drawn.eps[0, :, 4:] ** 2).mean(), (drawn.eps[1, :, 7:] ** 2).mean()])
    torch.testing.assert_close(loss, expected, rtol=1e-3, atol=1e-4)


def test_a_sample_without_any_cell_costs_nothing():
    x = torch.full((1, 1, 4, 4), float("nan"))
    drawn = draw(torch.zeros_like(x), CHAIN, "uniform", 0.0, torch.Generator().manual_seed(8))
    loss = epsilon_loss(Denoiser(Zero(), CHAIN, "epsilon"), x, torch.zeros(1, 1, 4, 4), drawn, "uniform")
    assert loss.tolist() == [0.0]


def test_epsilon_through_a_skip_with_the_bounded_weight_trains_exactly_as_v():
    """Same loss and same gradient to the bit, so the same network at the end of any training."""
    x, condition = torch.randn(4, 1, 8, 8), torch.randn(4, 2, 8, 8)
    drawn = draw(x, CHAIN, "uniform", 0.1, torch.Generator().manual_seed(9))
    found = []
    for prediction in ("epsilon", "v"):
        torch.manual_seed(3)
        network = nn.Conv2d(4, 1, 3, padding=1)
        denoiser = Denoiser(Convolution(network), CHAIN, prediction)
        loss = epsilon_loss(denoiser, x, condition, drawn, "bounded").mean()
        loss.backward()
        found.append((loss.detach(), network.weight.grad))
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])


def test_edm_draws_log_normal_noise_levels_inside_the_chain():
    generator = torch.Generator().manual_seed(0)
    x = torch.zeros(1000, 1, 1, 1)
    chain = schedules.edm(1000)
    t = torch.cat([draw(x, chain, "edm", 0.0, generator).t for _ in range(20)])
    log_sigma = schedules.sigma_of_time(chain, t).log()
    assert float(log_sigma.mean()) == pytest.approx(-1.2, abs=0.02)
    assert float(log_sigma.std()) == pytest.approx(1.2, rel=0.01)
    assert float(t.min()) >= 1 and float(t.max()) <= 1000


def test_the_edm_weight_is_that_of_karras():
    """lambda(sigma) = (sigma^2 + s^2) / (sigma s)^2 on the error in x, for data of variance s^2 = 1 (table 1)."""
    sigma = torch.tensor([0.01, 1.0, 50.0])
    torch.testing.assert_close(weights("edm", sigma) / sigma**2, (sigma**2 + 1) / sigma**2)


def test_the_clean_weight_is_the_error_in_x():
    sigma = torch.tensor([0.01, 1.0, 50.0])
    torch.testing.assert_close(weights("clean", sigma) / sigma**2, torch.ones(3))
