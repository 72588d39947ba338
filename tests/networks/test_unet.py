"""The U-Net: shapes, padding, and the sizes the documentation lists."""

from __future__ import annotations

import pytest
import torch

from climdiff.networks.unet import Architecture, UNet, architecture

SIZES = {"tiny": 1_768_161, "small": 5_683_329, "base": 22_171_745}


def small(inputs=3, outputs=2, **changes):
    torch.manual_seed(0)
    return UNet(inputs, outputs, Architecture(**{"widths": (16, 32), "blocks": 1, **changes})).eval()


@pytest.mark.parametrize("stem", [1, 2, 4])
@pytest.mark.parametrize(("ny", "nx"), [(16, 16), (20, 28), (13, 31), (7, 7)])
def test_any_domain_comes_back_in_its_own_size(stem, ny, nx):
    out = small(stem=stem)(torch.zeros(2, 1, ny, nx), torch.ones(2), torch.zeros(2, 2, ny, nx))
    assert out.shape == (2, 2, ny, nx)


def test_padding_repeats_the_edge():
    """A domain that divides is not padded: its inner part equals that of the domain extended by its own edge."""
    network = small(stem=2, outputs=1)
    torch.nn.init.normal_(network.exit.weight)
    z, y = torch.randn(1, 1, 10, 10), torch.randn(1, 2, 10, 10)
    extended = [torch.nn.functional.pad(field, (0, 2, 0, 2), mode="replicate") for field in (z, y)]
    t = torch.tensor([5.0])
    torch.testing.assert_close(network(z, t, y), network(extended[0], t, extended[1])[..., :10, :10])


def test_a_fresh_network_predicts_zero():
    out = small()(torch.randn(2, 1, 16, 16), torch.ones(2), torch.randn(2, 2, 16, 16))
    assert float(out.abs().max()) == 0.0


def test_every_weight_is_reached_by_a_gradient():
    network = UNet(3, 1, Architecture((16, 32), blocks=2, labels=3))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    inputs = torch.randn(2, 1, 16, 16), torch.tensor([3.0, 800.0]), torch.randn(2, 2, 16, 16)
    network(*inputs, torch.tensor([0, 2])).square().sum().backward()
    untouched = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert untouched == []


def test_time_condition_and_label_change_the_answer():
    network = small(labels=2)
    torch.nn.init.normal_(network.exit.weight)
    for block in network.modules():
        if hasattr(block, "conv_out"):
            torch.nn.init.normal_(block.conv_out.weight, std=0.1)
    z, y = torch.randn(1, 1, 16, 16), torch.randn(1, 2, 16, 16)
    reference = network(z, torch.tensor([10.0]), y, torch.tensor([0]))
    for other in (
        network(z, torch.tensor([900.0]), y, torch.tensor([0])),
        network(z, torch.tensor([10.0]), y + 1, torch.tensor([0])),
        network(z, torch.tensor([10.0]), y, torch.tensor([1])),
    ):
        assert float((reference - other).abs().max()) > 1e-4


def test_sizes_have_the_documented_parameter_counts():
    counts = {size: sum(p.numel() for p in UNet(3, 1, architecture(size)).parameters()) for size in SIZES}
    assert counts == SIZES
