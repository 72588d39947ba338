"""The diffusion model as a downscaler: coarse fields in, members of P(X | y) in physical units out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor, nn

from climdiff.data.conservation import Conservation, Projection
from climdiff.data.encoder import Encoder
from climdiff.data.times import refuse_other_steps
from climdiff.diffusion.denoiser import Denoiser
from climdiff.diffusion.first_guess import FirstGuess
from climdiff.diffusion.guidance import Evidence, classifier_free, projected, thresholded, told
from climdiff.downscalers.contract import realization_coordinate
from climdiff.downscalers.micro_batches import micro_batches, prepared
from climdiff.downscalers.steering import Steering
from climdiff.grids.grid import Grid
from climdiff.grids.regrid import Method
from climdiff.networks.precision import autocast
from climdiff.samplers.ancestral import NoiseSource, Sampler, amplified, start_point
from climdiff.samplers.noise import Noise, time_keys
from climdiff.samplers.persistence import Persistence, PersistentNoise

CONSERVED_BELOW = 0.2
"""Highest noise level at which block means are conserved; the last level of a sampler always is one."""


@dataclass(frozen=True, eq=False)
class Sampling:
    """How a member is drawn.

    Attributes:
        sampler: From noise to data, its options bound.
        sigmas: The noise levels it visits, (levels + 1,), down to 0.
        guidance: Weight of the condition.
        guidance_interval: Lowest and highest noise level at which guidance acts; None is all.
        limits: Lowest and highest physical value by variable, kept at every step.
        micro_batch: Fields in one network evaluation; always filled up, because a convolution may round differently for
            another batch size.
        persistence: How long the noise of each target persists from date to date; None is not at all.
        spread: Factor on all noise, that at the start and fresh noise.
    """

    sampler: Sampler
    sigmas: Tensor
    guidance: float = 1.0
    guidance_interval: tuple[float, float] | None = None
    limits: Mapping[str, tuple[float, float]] | None = None
    micro_batch: int = 32
    persistence: Persistence | None = None
    spread: float = 1.0


class DiffusionDownscaler:
    """Draws members with a trained denoiser; satisfies `contract.Downscaler`.

    With a `conservation`, block means of the drawn fields are those of the coarse ones, from `CONSERVED_BELOW` on. Each
    `steering` tells the draws something more: observations, known cells, a likelihood. `unexplained` is the variance of
    each target given the predictors, in network space, (channel,), which it is weighed against; 1 by default. With a
    `first_guess` the denoiser is of what that leaves over, and nothing steers.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        encoder: Encoder,
        coarse_grid: Grid,
        method: Method,
        sampling: Sampling,
        dtype: torch.dtype = torch.float32,
        conservation: Conservation | None = None,
        steering: Sequence[Steering] = (),
        unexplained: Tensor | None = None,
        first_guess: FirstGuess | None = None,
    ) -> None:
        self.denoiser = denoiser.eval()
        self.encoder = encoder
        self.coarse_grid = coarse_grid
        self.method: Method = method
        self.sampling = sampling
        self.dtype = dtype
        self.conservation = conservation
        self.steering = tuple(steering)
        self.unexplained = torch.ones(encoder.n_target) if unexplained is None else unexplained
        self.first_guess = first_guess

    def changed(self, **parts: Any) -> DiffusionDownscaler:
        """Return the same downscaler with other parts: sampling, conservation, steering ..., by their names."""
        return DiffusionDownscaler(**{**vars(self), **parts})

    @property
    def network(self) -> nn.Module:
        """The network that is evaluated."""
        return self.denoiser.network

    @property
    def facts(self) -> dict[str, Any]:
        """What makes the values of a member beside network, data and noise levels, in plain types."""
        facts: dict[str, Any] = {"limits": self.sampling.limits, "micro_batch": self.sampling.micro_batch}
        if self.steering:
            facts["unexplained"] = self.unexplained.tolist()
        if self.sampling.persistence is not None:
            facts["noise_half_life_steps"] = self.sampling.persistence.half_lives
        return facts

    def downscale(self, coarse: xr.Dataset, members: Sequence[int], seed: int) -> xr.Dataset:
        """Return members of the high-resolution fields given `coarse`.

        Args:
            coarse: Predictors on the coarse grid the model was trained with, physical units, (time, y, x).
            members: Member numbers; a member is the same whatever the others asked for beside it.
            seed: Key of all noise.

        Returns:
            Target variables (realization, time, y, x), float32, physical units.

        Raises:
            DataError: CD-074, coarse values beyond the limits that members are kept in while conserving them; CD-023,
                dates that noise cannot persist between; CD-025, observations or known cells of another calendar.
        """
        predictors, guess = prepared(coarse, self.encoder, self.coarse_grid, self.method, self.conservation)
        fields = self.sample(self.encoder.condition(guess), guess, predictors, members, seed)
        drawn = self.encoder.to_dataset(fields, guess)
        for each in self.steering:
            drawn = each.put_into(drawn)
        return drawn.assign_coords(realization=realization_coordinate(members))

    def sample(
        self,
        condition: Tensor,
        guess: xr.Dataset,
        coarse: xr.Dataset,
        members: Sequence[int],
        seed: int,
    ) -> Tensor:
        """Return members in network space (realization, time, channel, y, x) for `condition` (time, channel, y, x).

        `guess` are the coarse fields on the fine grid, `coarse` the same on their own, (time, Y, X) each.
        """
        keys = self._keys(guess["time"])
        low, high = self.encoder.bounds(guess, self.sampling.limits or {})
        shape = (self.encoder.n_target, *self.encoder.grid.shape)
        fields = torch.empty(len(members), len(keys), *shape)
        for steering, pairs in self._alike(len(members), guess["time"]):
            for rows, columns, filled in micro_batches(pairs, self.sampling.micro_batch):
                at = [column for _, column in filled]
                noise = self._noise(seed, [(members[row], keys[column]) for row, column in filled], shape)
                evidence = [each.bind(self.encoder, guess, at, self.unexplained) for each in steering]
                project = None if self.conservation is None else self.conservation.bind(guess, coarse, at)
                x0 = self._draw(condition[at], low[at], high[at], noise, evidence, project)
                fields[rows, columns] = x0[: len(rows)]
        return fields

    def _alike(self, n_members: int, times: xr.DataArray) -> Iterator[tuple[list[Steering], list[tuple[int, int]]]]:
        """Yield what steers, and the (member, date) it steers: a batch has either nothing to do with it or all."""
        acting = np.array([each.acts_on(times) for each in self.steering]).reshape(len(self.steering), times.size)
        patterns = np.unique(acting, axis=1).T if self.steering else np.empty((1, 0), bool)
        for pattern in patterns:
            dates = np.flatnonzero((acting == pattern[:, None]).all(axis=0)).tolist()
            steering = [each for each, acts in zip(self.steering, pattern, strict=True) if acts]
            yield steering, [(row, column) for row in range(n_members) for column in dates]

    def _keys(self, times: xr.DataArray) -> np.ndarray:
        """Return the time keys that the noise of each date is made of, (time, k)."""
        persistence = self.sampling.persistence
        if persistence is None:
            return time_keys(times.values)[:, None]
        refuse_other_steps(times, persistence.step)
        return persistence.keys(times.values)

    def _noise(
        self, seed: int, addresses: Sequence[tuple[int, np.ndarray]], shape: tuple[int, int, int]
    ) -> NoiseSource:
        persistence, spread = self.sampling.persistence, self.sampling.spread
        if persistence is None:
            return amplified(Noise(seed, [(member, int(keys[0])) for member, keys in addresses], shape), spread)
        return amplified(PersistentNoise(seed, addresses, shape, persistence.coefficients()), spread)

    @torch.no_grad()
    def _draw(
        self,
        condition: Tensor,
        low: Tensor,
        high: Tensor,
        noise: NoiseSource,
        evidence: Sequence[Evidence],
        project: Projection | None,
    ) -> Tensor:
        sigmas = self.sampling.sigmas
        device = next(self.denoiser.parameters()).device
        condition = condition.to(device, memory_format=torch.channels_last)
        low, high = low.to(device), high.to(device)
        guess = None
        if self.first_guess is not None:
            with autocast(self.dtype, device):
                guess = self.first_guess(condition)
            condition = self.first_guess.beside(condition, guess)
            low, high = (self.first_guess.to_residual(bound, guess) for bound in (low, high))
            project = None if project is None else self.first_guess.in_residuals(project, guess)
        denoise = classifier_free(
            self.denoiser.bind(condition),
            self.denoiser.unconditional(condition),
            self.sampling.guidance,
            self.sampling.guidance_interval,
        )
        denoise = told(denoise, evidence)
        denoise = thresholded(denoise, low, high)
        if project is not None:
            # churn may raise the last level by sqrt(2)
            denoise = projected(denoise, project, below=max(CONSERVED_BELOW, 1.5 * float(sigmas[-2])))
        x = start_point(sigmas, noise).to(device, memory_format=torch.channels_last)
        with autocast(self.dtype, device):
            x0 = self.sampling.sampler(denoise, x, sigmas, noise).float()
        if self.first_guess is not None and guess is not None:
            x0 = self.first_guess.to_field(x0, guess)
        return x0.cpu()
