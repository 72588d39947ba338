"""Latent maps: coarse, standard normal at first, each for its own field."""

from __future__ import annotations

import pytest
import torch

from climdiff.networks.autoencoder import WIDEST, Autoencoder, Encoder
from climdiff.networks.unet import UNet, architecture

SHAPE = architecture("tiny")


def network(seed=None):
    made = Autoencoder(Encoder(1 + 2, 4, SHAPE), UNet(4 + 2, 1, SHAPE), 4, 1).eval()
    if seed is not None:
        torch.manual_seed(seed)
        for parameter in made.parameters():
            torch.nn.init.normal_(parameter, std=0.1)
    return made


@pytest.mark.parametrize("cells", [(16, 16), (13, 20)])
def test_a_latent_map_has_the_resolution_of_the_bottom_and_decodes_to_the_whole_field(cells):
    made = network()
    condition = torch.randn(2, 2, *cells)
    mean, log_variance = made.encoder(torch.randn(2, 1, *cells), condition)
    assert mean.shape == log_variance.shape == (2, *made.noise_shape(cells))
    assert made.noise_shape(cells) == (4, 2, -(-cells[1] // 8))
    assert made(mean, condition).shape == (2, 1, *cells)


def test_the_first_posterior_is_the_prior():
    mean, log_variance = network().encoder(torch.randn(2, 1, 16, 16), torch.randn(2, 2, 16, 16))
    assert not mean.any() and not log_variance.any()


def test_the_posterior_of_a_field_depends_on_that_field_only():
    made, x, condition = network(1), torch.randn(3, 1, 16, 16), torch.randn(3, 2, 16, 16)
    before = torch.cat(made.encoder(x, condition), dim=1)
    x[1] = 3.0
    after = torch.cat(made.encoder(x, condition), dim=1)
    assert torch.equal(before[[0, 2]], after[[0, 2]])
    assert not torch.equal(before[1], after[1])


def test_a_log_variance_stays_where_its_exponential_is_finite():
    made = network(1)
    _, log_variance = made.encoder(torch.full((1, 1, 16, 16), 1e6), torch.full((1, 2, 16, 16), 1e6))
    assert float(log_variance.detach().abs().max()) <= WIDEST


def test_members_differ_by_their_latent_maps():
    made, condition = network(1), torch.randn(1, 2, 16, 16).repeat(2, 1, 1, 1)
    one, other = made(torch.randn(2, 4, 2, 2), condition)
    assert float((one - other).abs().max()) > 1e-3
