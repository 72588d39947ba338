"""A noise-fed network that learns to pass for real before a critic that learns to tell (Goodfellow et al., 2014).

The hinge loss (Lim & Ye, 2017), a penalty on the critic's gradient at real fields (Mescheder et al., 2018, R1), and a
content term that ties a member to its truth, as conditional networks have it (Isola et al., 2017; Ravuri et al., 2021).
The content term is not the absolute error, which draws all members to the median, but the fair CRPS of two draws.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from climdiff.diffusion.objective import Labelled
from climdiff.diffusion.two_draws import fair_crps
from climdiff.networks.discriminator import Discriminator
from climdiff.networks.noise_fed import NoiseFed
from climdiff.objectives.draws import sample, two_made


class Adversarial(NamedTuple):
    """The two losses of generator and critic, as an objective that yields twice.

    Attributes:
        network: The generator.
        discriminator: The critic, which computes in float32: its gradient has a gradient.
        content: Weight of the fair CRPS beside the critic's score.
        penalty: Weight of the critic's squared gradient.
        dtype: What the generator computes in.
    """

    network: NoiseFed
    discriminator: Discriminator
    content: float
    penalty: float
    dtype: torch.dtype

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """The generator first: it is what makes members."""
        return {"generator": self.network, "discriminator": self.discriminator}

    @property
    def groups(self) -> tuple[str, ...]:
        """Losses are told apart by network."""
        return ("generator", "discriminator")

    def losses(self, batch: Labelled, generator: torch.Generator, step: int) -> Iterator[tuple[str, Tensor, Tensor]]:
        """Yield the losses of the generator, then, when it has moved, of the critic, to whom missing cells are 0."""
        truth, known, condition = sample(self.network, batch)
        drawn = two_made(self.network, condition, generator, self.dtype)
        twice = condition.repeat(2, 1, 1, 1)
        fake = drawn * known.repeat(2, 1, 1, 1)
        score = -self.discriminator(fake, twice).mean(1)
        one, other = drawn.chunk(2)
        content = fair_crps(one, other, truth.masked_fill(~known, torch.nan))
        losses = self.content * content + _mean_of_two(score)
        yield "generator", losses, torch.zeros(len(losses), dtype=torch.long)
        losses = self._telling(truth, fake.detach(), condition, twice)
        yield "discriminator", losses, torch.ones(len(losses), dtype=torch.long)

    def _telling(self, truth: Tensor, fake: Tensor, condition: Tensor, twice: Tensor) -> Tensor:
        real = truth.clone().requires_grad_()
        of_real, of_fake = self.discriminator(real, condition), self.discriminator(fake, twice)
        hinged = relu(1 - of_real).mean(1) + _mean_of_two(relu(1 + of_fake).mean(1))
        return hinged + 0.5 * self.penalty * steepness(of_real, real)


def _mean_of_two(scores: Tensor) -> Tensor:
    """Return the mean over the two draws of each condition, (batch,) from (2 batch,)."""
    return scores.reshape(2, -1).mean(0)


def steepness(scores: Tensor, fields: Tensor) -> Tensor:
    """Return the squared gradient of the scores (batch, patch) in the fields they are of, by patch, (batch,)."""
    (gradient,) = torch.autograd.grad(scores.sum(), fields, create_graph=True)
    return gradient.square().sum(dim=(1, 2, 3)) / scores.shape[1]
