"""Two stages: a regression first, then diffusion of what it leaves over (after Mardani et al., 2025, section 3).

The regression explains what the condition determines; the diffusion model learns the law of the rest, of unit variance
again, and is told the first guess beside the condition. Whoever uses it works in residuals and comes back to fields.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from climdiff.diffusion.objective import Labelled
from climdiff.networks.noise_fed import NoiseFed
from climdiff.networks.precision import autocast


class Given(NamedTuple):
    """A batch as the second stage sees it."""

    target: Tensor
    condition: Tensor


class FirstGuess(nn.Module):
    """A regression that is trained already, and how large its residuals are, in network space.

    `deviation` (channel,) is their root mean square on training dates; a residual over it has unit variance.
    """

    deviation: Tensor

    def __init__(self, network: NoiseFed, n_target: int) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("deviation", torch.ones(n_target))
        self.eval().requires_grad_(False)

    @torch.no_grad()
    def forward(self, condition: Tensor) -> Tensor:
        """Return the first guess (batch, channel, y, x), float32, for condition channels (batch, channel, y, x)."""
        return self.network(condition[:, :0], condition)

    def beside(self, condition: Tensor, guess: Tensor) -> Tensor:
        """Return the condition of the second stage: that of the first, and the guess."""
        return torch.cat([condition, guess.to(condition.dtype)], dim=1)

    def to_residual(self, field: Tensor, guess: Tensor) -> Tensor:
        """Return what a field in network space is beyond the guess, of unit variance."""
        return (field - guess) / self.deviation.to(field)[:, None, None]

    def to_field(self, residual: Tensor, guess: Tensor) -> Tensor:
        """Return the field in network space that a residual means; the inverse of `to_residual`."""
        return guess + self.deviation.to(residual)[:, None, None] * residual

    def in_residuals(self, project: Callable[[Tensor], Tensor], guess: Tensor) -> Callable[[Tensor], Tensor]:
        """Return a map of fields to fields as one of residuals to residuals."""
        return lambda residual: self.to_residual(project(self.to_field(residual, guess)), guess)


class SecondStage(NamedTuple):
    """An objective of the training loop that is given residuals of a first guess instead of fields."""

    objective: Any
    first_guess: FirstGuess
    dtype: torch.dtype

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """Those of the objective: the first guess stands still."""
        return self.objective.networks

    @property
    def groups(self) -> tuple[str, ...]:
        """Those of the objective."""
        return self.objective.groups

    def losses(self, batch: Labelled, generator: torch.Generator, step: int) -> Iterator[tuple[str, Tensor, Tensor]]:
        """Yield what the objective yields for the residuals of a batch; missing cells stay missing."""
        device = self.first_guess.deviation.device
        target = batch.target.to(device)
        condition = batch.condition.to(device, memory_format=torch.channels_last)
        with autocast(self.dtype, device):
            guess = self.first_guess(condition)
        given = Given(self.first_guess.to_residual(target, guess), self.first_guess.beside(condition, guess))
        yield from self.objective.losses(given, generator, step)
