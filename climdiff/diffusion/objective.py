"""What the training loop minimises for a diffusion model: the loss of Algorithm 18.1 of Prince (2023), weighted."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from climdiff.diffusion.denoiser import Denoiser
from climdiff.diffusion.loss import Weighting, draw, epsilon_loss
from climdiff.networks.precision import autocast


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

    def loss(self, batch: Labelled, generator: torch.Generator) -> Tensor:
        """Return the mean loss of a batch; t, eps and the condition dropout come from `generator` (on the CPU)."""
        device = next(self.network.parameters()).device
        layout = torch.channels_last
        x = batch.target.to(device, memory_format=layout)
        condition = batch.condition.to(device, memory_format=layout)
        drawn = draw(batch.target, self.network.chain.n_steps, self.condition_dropout, generator)
        with autocast(self.dtype, device):
            return epsilon_loss(self.network, x, condition, drawn, self.weighting).mean()
