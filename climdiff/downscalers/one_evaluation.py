"""Networks that make a member in one evaluation, as a downscaler: regression, CRPS-trained, autoencoder, adversarial.

A network without noise makes one field. With `residuals`, whole fields that it left over on dates of the training are
added to it, drawn at random (after Roulston & Smith, 2003): the simplest ensemble around a regression.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import xarray as xr
from torch import Tensor, nn

from climdiff.data.conservation import Conservation, Projection
from climdiff.data.encoder import Encoder
from climdiff.downscalers.contract import realization_coordinate
from climdiff.downscalers.micro_batches import micro_batches, prepared
from climdiff.grids.grid import Grid
from climdiff.grids.regrid import Method
from climdiff.networks.precision import autocast
from climdiff.samplers.noise import Noise, normal, time_keys


@dataclass(frozen=True)
class Drawing:
    """How a member is made: `limits`, lowest and highest physical value by variable; fields in one evaluation."""

    limits: Mapping[str, tuple[float, float]]
    micro_batch: int = 32


class OneEvaluation:
    """Makes members with a network (noise, condition) -> field; satisfies `contract.Downscaler`.

    `network` is as `networks.noise_fed.Maker`. Limits, conservation and addresses of noise are those of
    `downscalers.diffusion`. `residuals` (date, channel, y, x) are in network space, NaN where
    nothing is added.
    """

    def __init__(
        self,
        network: nn.Module,
        encoder: Encoder,
        coarse_grid: Grid,
        method: Method,
        sampling: Drawing,
        dtype: torch.dtype = torch.float32,
        conservation: Conservation | None = None,
        residuals: Tensor | None = None,
    ) -> None:
        self.network = network.eval()
        self.encoder = encoder
        self.coarse_grid = coarse_grid
        self.method: Method = method
        self.sampling = sampling
        self.dtype = dtype
        self.conservation = conservation
        self.residuals = residuals

    def changed(self, **parts: Any) -> OneEvaluation:
        """Return the same downscaler with other parts, by their names."""
        return OneEvaluation(**{**vars(self), **parts})

    @property
    def facts(self) -> dict[str, Any]:
        """What makes the values of a member beside network and data, in plain types."""
        return {"limits": self.sampling.limits, "micro_batch": self.sampling.micro_batch}

    def downscale(self, coarse: xr.Dataset, members: Sequence[int], seed: int) -> xr.Dataset:
        """Return members of the high-resolution fields given `coarse`; as `DiffusionDownscaler.downscale`.

        Raises:
            DataError: CD-074, coarse values beyond the limits that members are kept in while conserving them.
        """
        predictors, guess = prepared(coarse, self.encoder, self.coarse_grid, self.method, self.conservation)
        fields = self.sample(self.encoder.condition(guess), guess, predictors, members, seed)
        drawn = self.encoder.to_dataset(fields, guess)
        return drawn.assign_coords(realization=realization_coordinate(members))

    def sample(
        self, condition: Tensor, guess: xr.Dataset, coarse: xr.Dataset, members: Sequence[int], seed: int
    ) -> Tensor:
        """Return members in network space (realization, time, channel, y, x) for `condition` (time, channel, y, x).

        `guess` are the coarse fields on the fine grid, `coarse` the same on their own, (time, Y, X) each.
        """
        keys = time_keys(guess["time"].values).tolist()
        low, high = self.encoder.bounds(guess, self.sampling.limits)
        fields = torch.empty(len(members), len(keys), self.encoder.n_target, *self.encoder.grid.shape)
        pairs = [(row, column) for row in range(len(members)) for column in range(len(keys))]
        for rows, columns, filled in micro_batches(pairs, self.sampling.micro_batch):
            at = [column for _, column in filled]
            addresses = [(members[row], keys[column]) for row, column in filled]
            project = None if self.conservation is None else self.conservation.bind(guess, coarse, at)
            made = self._made(condition[at], seed, addresses)
            made = _allowed(made, low[at], high[at], project)
            fields[rows, columns] = made[: len(rows)]
        return fields

    @torch.no_grad()
    def _made(self, condition: Tensor, seed: int, addresses: Sequence[tuple[int, int]]) -> Tensor:
        shape = self.network.noise_shape(self.encoder.grid.shape)  # type: ignore[operator]
        z = Noise(seed, addresses, shape)(0) if shape[0] else torch.empty(len(addresses), *shape)
        device = next(self.network.parameters()).device
        condition = condition.to(device, memory_format=torch.channels_last)
        with autocast(self.dtype, device):
            made = self.network(z.to(device), condition).float().cpu()
        if self.residuals is None:
            return made
        chosen = self.residuals[[_position(seed, *address, len(self.residuals)) for address in addresses]]
        return made + chosen.nan_to_num(0.0)


def _position(seed: int, member: int, time_key: int, n: int) -> int:
    """Return which of `n` residuals a member of a date gets, each as likely: a function of its address alone."""
    z = float(normal(seed, member, time_key, 0, (1,))[0])
    return min(int(0.5 * math.erfc(-z / math.sqrt(2)) * n), n - 1)


def _allowed(x0: Tensor, low: Tensor, high: Tensor, project: Projection | None) -> Tensor:
    """Return fields within the limits and, where that is asked for, with the block means of the coarse ones."""
    x0 = torch.minimum(torch.maximum(x0, low), high)
    return x0 if project is None else project(x0)
