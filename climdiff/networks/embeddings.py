"""How diffusion time and labels enter a network: as vectors added to the channels of every block."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def sinusoidal(t: Tensor, width: int, longest_period: float = 10_000.0) -> Tensor:
    """Return the sinusoidal features of diffusion time `t`.

    Args:
        t: Diffusion time in steps of the chain, shape (batch,); need not be whole.
        width: Number of features, even.
        longest_period: Longest wavelength of the features, in steps.

    Returns:
        Features of shape (batch, width): sines first, then cosines, at geometrically spaced frequencies
        (Vaswani et al., 2017, section 3.5).
    """
    half = width // 2
    frequency = torch.exp(-math.log(longest_period) * torch.arange(half, device=t.device) / half)
    angle = t.float()[:, None] * frequency
    return torch.cat([angle.sin(), angle.cos()], dim=-1)


class TimeEmbedding(nn.Module):
    """Sinusoidal diffusion time sent through a shallow network (Prince, 2023, section 18.5)."""

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        self.features = features
        self.layers = nn.Sequential(nn.Linear(features, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, t: Tensor) -> Tensor:
        """Return the embedding (batch, width) of diffusion time `t` (batch,)."""
        return self.layers(sinusoidal(t, self.features))
