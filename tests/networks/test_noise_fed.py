"""A network fed with noise: one evaluation, any domain, and no field of a batch matters to another."""

from __future__ import annotations

import pytest
import torch

from climdiff.networks.noise_fed import NoiseFed
from climdiff.networks.unet import UNet, architecture


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    network = NoiseFed(UNet(1 + 2, 1, architecture("tiny")), 1).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    return network


def test_a_field_has_the_cells_of_its_condition(network):
    condition = torch.randn(2, 2, 13, 10)
    z = torch.randn(2, *network.noise_shape((13, 10)))
    assert network(z, condition).shape == (2, 1, 13, 10)


def test_a_field_depends_on_its_own_noise_and_condition_only(network):
    z, condition = torch.randn(3, 1, 8, 8), torch.randn(3, 2, 8, 8)
    before = network(z, condition)
    z[1], condition[1] = 5.0, -5.0
    after = network(z, condition)
    assert torch.equal(before[[0, 2]], after[[0, 2]])
    assert not torch.equal(before[1], after[1])


def test_without_noise_channels_the_condition_is_all():
    network = NoiseFed(UNet(2, 1, architecture("tiny")), 0)
    assert network.noise_shape((8, 8)) == (0, 8, 8)
    assert network(torch.empty(2, 0, 8, 8), torch.randn(2, 2, 8, 8)).shape == (2, 1, 8, 8)
