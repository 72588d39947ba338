"""Blocks begin as identities and keep shapes; attention sees all positions alike."""

from __future__ import annotations

import torch

from climdiff.networks.blocks import ResidualBlock, SelfAttention, Upsample, downsample


def test_a_fresh_residual_block_is_the_identity():
    block = ResidualBlock(16, 16, 8)
    x = torch.randn(2, 16, 6, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(block(x, torch.randn(2, 8)), x)


def test_the_embedding_is_added_at_every_position():
    """A constant field stays constant away from the border whatever the embedding."""
    torch.manual_seed(0)
    block = ResidualBlock(16, 16, 8)
    torch.nn.init.normal_(block.conv_out.weight)
    out = block(torch.ones(1, 16, 9, 9), torch.randn(1, 8))[..., 2:-2, 2:-2]
    assert float(out.detach().std(dim=(-1, -2)).max()) < 1e-4
    other = block(torch.ones(1, 16, 9, 9), torch.randn(1, 8))[..., 2:-2, 2:-2]
    assert float((out - other).detach().abs().max()) > 1e-3


def test_attention_commutes_with_a_permutation_of_positions():
    torch.manual_seed(0)
    attention = SelfAttention(32)
    torch.nn.init.normal_(attention.out.weight)
    x = torch.randn(2, 32, 4, 4)
    order = torch.randperm(16)
    shuffled = x.reshape(2, 32, 16)[..., order].reshape(x.shape)
    expected = attention(x).reshape(2, 32, 16)[..., order].reshape(x.shape)
    torch.testing.assert_close(attention(shuffled), expected, rtol=1e-4, atol=1e-5)


def test_resolution_halves_and_doubles():
    x = torch.zeros(1, 8, 6, 10)
    assert downsample(8, 16)(x).shape == (1, 16, 3, 5)
    assert Upsample(8, 4)(x).shape == (1, 4, 12, 20)
