"""The pieces of the U-Net: residual block, self-attention, changes of resolution."""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional


def group_norm(channels: int) -> nn.GroupNorm:
    """Return group normalization with groups of 16 channels where they divide evenly, else one group."""
    return nn.GroupNorm(channels // 16 if channels % 16 == 0 else 1, channels)


def start_at_zero(layer: nn.Conv2d) -> nn.Conv2d:
    """Return `layer` with zero weights, so that a residual branch begins as the identity."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions beside a skip; the embedding is added to the channels at every position."""

    def __init__(self, inputs: int, outputs: int, embedding: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm_in = group_norm(inputs)
        self.conv_in = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.embed = nn.Linear(embedding, outputs)
        self.norm_out = group_norm(outputs)
        self.dropout = nn.Dropout(dropout)
        self.conv_out = start_at_zero(nn.Conv2d(outputs, outputs, 3, padding=1))
        self.skip = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """Return features (batch, outputs, y, x) from `x` (batch, inputs, y, x) and `embedding` (batch, width)."""
        h = self.conv_in(functional.silu(self.norm_in(x)))
        h = h + self.embed(embedding)[:, :, None, None]
        h = self.conv_out(self.dropout(functional.silu(self.norm_out(h))))
        return self.skip(x) + h


class SelfAttention(nn.Module):
    """Multi-head self-attention over all positions, beside a skip."""

    def __init__(self, channels: int, head_width: int = 32) -> None:
        super().__init__()
        self.heads = channels // math.gcd(channels, head_width)
        self.norm = group_norm(channels)
        self.to_qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.out = start_at_zero(nn.Conv2d(channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` (batch, channels, y, x) plus what each position gathered from all others."""
        batch, channels, ny, nx = x.shape
        qkv = self.to_qkv(self.norm(x)).reshape(batch, 3, self.heads, channels // self.heads, ny * nx)
        q, k, v = qkv.transpose(-1, -2).unbind(1)
        gathered = functional.scaled_dot_product_attention(q, k, v)
        return x + self.out(gathered.transpose(-1, -2).reshape(batch, channels, ny, nx))


class Upsample(nn.Module):
    """Twice the resolution: nearest cell, then a 3 x 3 convolution that removes the steps."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, outputs, 2 y, 2 x) from (batch, inputs, y, x)."""
        return self.conv(functional.interpolate(x, scale_factor=2.0, mode="nearest"))


def downsample(inputs: int, outputs: int) -> nn.Conv2d:
    """Return the layer that halves the resolution: a 3 x 3 convolution of stride 2."""
    return nn.Conv2d(inputs, outputs, 3, stride=2, padding=1)
