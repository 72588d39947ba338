"""A network that draws a member in one evaluation, taught by a proper score instead of by denoising.

It begins as the denoiser, is given pure noise, and its answer is the member. Two draws for each training sample are
scored by the fair CRPS (Ferro, 2014). In expectation it is lowest for draws whose law is the true one, so spread is
learned with skill (Pacchiardi et al., 2024; Lang et al., 2024, train weather models so). The score of single cells says
nothing about what cells have in common: it is added up over cells, means of 2 x 2 and 4 x 4 cells, and differences of
neighbors, which tell textures apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from climdiff.diffusion.denoiser import Denoiser
from climdiff.diffusion.objective import Labelled
from climdiff.diffusion.process import Chain
from climdiff.networks.precision import autocast

HIGHEST = 80.0
"""Noise level of the one evaluation, where the chain reaches it: nothing of a field is left there."""

FUNCTIONALS: tuple[tuple[int, Callable[[Tensor], Tensor]], ...] = (
    (1, lambda field: field),
    (2, lambda field: avg_pool2d(field, 2)),
    (4, lambda field: avg_pool2d(field, 4)),
    (2, lambda field: field[..., 1:, :] - field[..., :-1, :]),
    (2, lambda field: field[..., :, 1:] - field[..., :, :-1]),
)
"""Least side of a field, and what two draws and the truth are compared in, of (batch, channel, y, x) each.

A value that involves a missing cell is NaN; cells beyond the last whole square of 2 or 4 are in no mean.
"""


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


def fair_crps(one: Tensor, other: Tensor, truth: Tensor) -> Tensor:
    """Return the fair CRPS of two draws, (|x1 - y| + |x2 - y| - |x1 - x2|) / 2, as means over all `FUNCTIONALS`.

    Args:
        one: A draw (batch, channel, y, x).
        other: Another draw for the same conditions.
        truth: The truth; what involves a missing cell (NaN) does not count, nor what the field is too small for.

    Returns:
        (batch,), the sum of the means over each functional.
    """
    total = truth.new_zeros(len(truth))
    for side, functional in FUNCTIONALS:
        if min(truth.shape[-2:]) < side:
            continue
        a, b, y = functional(one), functional(other), functional(truth)
        known = ~y.isnan()
        y = torch.where(known, y, torch.zeros_like(y))
        score = 0.5 * ((a - y).abs() + (b - y).abs() - (a - b).abs()) * known
        total = total + score.sum(dim=(1, 2, 3)) / known.sum(dim=(1, 2, 3)).clamp(min=1)
    return total
