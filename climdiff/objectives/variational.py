"""The evidence lower bound that teaches a conditional variational autoencoder (Kingma & Welling, 2014, eq. 10).

-log p(x | y) <= E_q[-log p(x | z, y)] + KL(q(z | x, y) || p(z)), with p(z) = N(0, I) whatever the condition, so that a
member needs nothing but noise. The prior term is weighed by beta (Higgins et al., 2017) and turned on slowly
(Bowman et al., 2016), else it silences the latent map before the decoder has learned to listen.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from climdiff.diffusion.objective import Labelled
from climdiff.networks.autoencoder import Autoencoder
from climdiff.networks.precision import autocast
from climdiff.objectives.draws import made, mean_of_known, sample, ungrouped


class Bound(NamedTuple):
    """The negative bound for each cell, as an objective.

    Attributes:
        network: The autoencoder.
        beta: Weight of the prior.
        warmup_steps: Steps over which this weight grows from 0.
        dtype: What the network computes in.
    """

    network: Autoencoder
    beta: float
    warmup_steps: int
    dtype: torch.dtype

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """The autoencoder, encoder and decoder in one."""
        return {"autoencoder": self.network}

    @property
    def groups(self) -> tuple[str, ...]:
        """No groups."""
        return ()

    def losses(self, batch: Labelled, generator: torch.Generator, step: int) -> Iterator[tuple[str, Tensor, Tensor]]:
        """Yield the negative bound of each sample (batch,), by known cell, and zeros; noise is from `generator`."""
        truth, known, condition = sample(self.network, batch)
        with autocast(self.dtype, condition.device):
            mean, log_variance = self.network.encoder(truth, condition)
        noise = torch.randn(mean.shape, generator=generator).to(mean.device)
        z = mean + (0.5 * log_variance).exp() * noise
        decoded = made(self.network, z, condition, self.dtype)
        fit = mean_of_known(surprise(truth, decoded, self.network.log_deviation), known)
        n_known = known.sum(dim=(1, 2, 3)).clamp(min=1)
        losses = fit + self.weight(step) * divergence(mean, log_variance) / n_known
        yield "autoencoder", losses, ungrouped(losses)

    def weight(self, step: int) -> float:
        """Return the weight of the prior at `step` (from 1)."""
        return self.beta * min(1.0, step / max(self.warmup_steps, 1))


def surprise(x: Tensor, mean: Tensor, log_deviation: Tensor) -> Tensor:
    """Return -log N(x; mean, deviation^2) of every cell of (batch, channel, y, x); one deviation for each channel."""
    log_deviation = log_deviation[:, None, None]
    return 0.5 * ((x - mean) / log_deviation.exp()).square() + log_deviation + 0.5 * math.log(2 * math.pi)


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return KL(N(mean, variance) || N(0, I)) of each sample, (batch,), in nats."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=(1, 2, 3))
