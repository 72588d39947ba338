"""Exponential moving average of weights: what is validated, kept as best and sampled from."""

from __future__ import annotations

import copy

import torch
from torch import nn


def decay(step: int, half_life: int, ramp: float = 0.1) -> float:
    """Return the share of the average that survives step `step` (counted from 1).

    The half-life grows with training, `ramp` times the steps done, until it reaches `half_life`, so that the random
    start is forgotten (Karras et al., 2024, section 3: averages of a fixed relative length).
    """
    return 0.5 ** (1 / max(min(half_life, ramp * step), 1e-3))


class Average:
    """The moving average of a network's weights, held in a copy of it that is ready to be used."""

    def __init__(self, network: nn.Module, half_life: int) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.half_life = half_life

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Move the average towards `network` after step `step` (counted from 1)."""
        share = 1 - decay(step, self.half_life)
        torch._foreach_lerp_(list(self.network.parameters()), list(network.parameters()), share)
        for kept, now in zip(self.network.buffers(), network.buffers(), strict=True):
            kept.copy_(now)
