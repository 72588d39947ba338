"""The critic of a generative adversarial network: says of each patch of a field how real it looks."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn


class Discriminator(nn.Module):
    """A patch discriminator (Isola et al., 2017): strided convolutions, no normalization, a score for each patch.

    It is told the condition, so that a real field of another day is a fake one.
    """

    def __init__(self, inputs: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for narrow, wide in pairwise((inputs, *widths)):
            layers += [nn.Conv2d(narrow, wide, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 3, padding=1))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Return scores (batch, patch) of fields `x` (batch, channel, y, x); high is real."""
        return self.layers(torch.cat([x, condition], dim=1)).flatten(1)
