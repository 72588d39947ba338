"""A noise-fed network taught by a proper score from scratch: the fair CRPS of two draws, in cells, means and edges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from climdiff.diffusion.objective import Labelled
from climdiff.diffusion.two_draws import fair_crps
from climdiff.networks.noise_fed import NoiseFed
from climdiff.objectives.draws import sample, two_made, ungrouped


class Scored(NamedTuple):
    """The score of `diffusion.distillation` for a network that was taught by nothing before."""

    network: NoiseFed
    dtype: torch.dtype

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """The network."""
        return {"generator": self.network}

    @property
    def groups(self) -> tuple[str, ...]:
        """No groups."""
        return ()

    def losses(self, batch: Labelled, generator: torch.Generator, step: int) -> Iterator[tuple[str, Tensor, Tensor]]:
        """Yield the score of each sample (batch,), and zeros; the noise comes from `generator` (on the CPU)."""
        truth, known, condition = sample(self.network, batch)
        one, other = two_made(self.network, condition, generator, self.dtype).chunk(2)
        losses = fair_crps(one, other, truth.masked_fill(~known, torch.nan))
        yield "generator", losses, ungrouped(losses)
