"""A network that draws a member in one evaluation, taught by a proper score instead of by denoising.

It begins as the denoiser, is given pure noise, and its answer is the member. Two draws for each training sample are
scored by their fair CRPS (`two_draws`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from climdiff.diffusion.denoiser import Denoiser
from climdiff.diffusion.objective import Labelled
from climdiff.diffusion.process import Chain
from climdiff.diffusion.two_draws import fair_crps
from climdiff.networks.precision import autocast

HIGHEST = 80.0
"""Noise level of the one evaluation, where the chain reaches it: nothing of a field is left there."""


def level(chain: Chain) -> float:
    """Return the noise level that the one evaluation starts from."""
    return min(HIGHEST, float(chain.sigma[-1]))


class OneStep(NamedTuple):
    """The fair CRPS of two draws of a network, as an objective of `training.loop`; `dtype` is what it computes in."""

    network: Denoiser
    dtype: torch.dtype

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """The student, which is all that is trained."""
        return {"denoiser": self.network}

    @property
    def groups(self) -> tuple[str, ...]:
        """No groups: there is one noise level."""
        return ()

    def losses(self, batch: Labelled, generator: torch.Generator, step: int) -> Iterator[tuple[str, Tensor, Tensor]]:
        """Yield the score of each sample (batch,), and zeros; z_T comes from `generator` (on the CPU)."""
        device = next(self.network.parameters()).device
        truth = batch.target.to(device)
        sigma = level(self.network.chain)
        z = torch.randn((2 * len(truth), *truth.shape[1:]), generator=generator)
        x = ((1 + sigma**2) ** 0.5 * z).to(device, memory_format=torch.channels_last)
        condition = batch.condition.to(device).repeat(2, 1, 1, 1).contiguous(memory_format=torch.channels_last)
        with autocast(self.dtype, device):
            drawn = self.network(x, torch.full((len(x),), sigma, dtype=torch.float64), condition).float()
        one, other = drawn.chunk(2)
        yield "denoiser", fair_crps(one, other, truth), torch.zeros(len(truth), dtype=torch.long)
