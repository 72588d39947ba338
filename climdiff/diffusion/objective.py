"""What the training loop minimises for a diffusion model: the loss of Algorithm 18.1 of Prince (2023), weighted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from climdiff.diffusion.denoiser import Denoiser
from climdiff.diffusion.loss import Weighting, draw, epsilon_loss
from climdiff.diffusion.schedules import sigma_of_time
from climdiff.networks.precision import autocast

BANDS = (0.1, 1.0, 10.0)
"""Noise levels between the bands that the training loss is reported for."""


class Labelled(Protocol):
    """A batch: clean targets (batch, channel, y, x), NaN where missing, and their condition."""

    @property
    def target(self) -> Tensor:
        """Clean targets in network space."""
        ...

    @property
    def condition(self) -> Tensor:
        """Condition channels of the same samples."""
        ...


class Objective(NamedTuple):
    """Loss of a denoiser on a batch; `dtype` is what its convolutions compute in."""

    network: Denoiser
    weighting: Weighting
    condition_dropout: float
    dtype: torch.dtype

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """The denoiser, which is all that is trained."""
        return {"denoiser": self.network}

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the bands of noise levels that losses are told apart by."""
        edges = [f"{edge:g}" for edge in BANDS]
        inner = [f"sigma_{low}_to_{high}" for low, high in pairwise(edges)]
        return (f"sigma_below_{edges[0]}", *inner, f"sigma_above_{edges[-1]}")

    def losses(self, batch: Labelled, generator: torch.Generator, step: int) -> Iterator[tuple[str, Tensor, Tensor]]:
        """Yield the denoiser's loss of each sample (batch,) and the number of its group (batch,), at any step.

        t, eps and the condition dropout come from `generator` (on the CPU).
        """
        device = next(self.network.parameters()).device
        layout = torch.channels_last
        x = batch.target.to(device, memory_format=layout)
        condition = batch.condition.to(device, memory_format=layout)
        chain = self.network.chain
        drawn = draw(batch.target, chain, self.weighting, self.condition_dropout, generator)
        with autocast(self.dtype, device):
            losses = epsilon_loss(self.network, x, condition, drawn, self.weighting)
        bands = torch.bucketize(sigma_of_time(chain, drawn.t), torch.tensor(BANDS, dtype=torch.float64))
        yield "denoiser", losses, bands
