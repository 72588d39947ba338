"""What is known of the fields beside the predictors: observations, known cells, or how likely a field is."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from climdiff.data import inputs
from climdiff.data.encoder import Encoder
from climdiff.data.observations import Attributes, Observations
from climdiff.data.physical import physical
from climdiff.data.times import microseconds
from climdiff.diffusion.denoiser import Denoise
from climdiff.diffusion.guidance import inpainted, observed, steered
from climdiff.errors import DataError, Problem
from climdiff.grids.grid import Grid, check_same

Wrap = Callable[[Denoise], Denoise]
Likelihood = Callable[[Mapping[str, Tensor]], Tensor]
"""Physical fields by target, (batch, y, x) each -> log probability of each element, (batch,), differentiable."""


class Steering(Protocol):
    """Something that steers the draws of some dates."""

    def acts_on(self, times: xr.DataArray) -> np.ndarray:
        """Return which of the dates it steers, (time,) bool; the others are drawn as without it, to the bit."""
        ...

    def bind(self, encoder: Encoder, guess: xr.Dataset, at: Sequence[int]) -> Wrap:
        """Return the wrapper of the denoiser of a batch whose elements have the dates at positions `at` of `guess`."""
        ...

    def put_into(self, drawn: xr.Dataset) -> xr.Dataset:
        """Return drawn fields with what is known exactly."""
        ...


@dataclass(frozen=True, eq=False)
class ByObservations:
    """Draws fields that agree with station values within their errors."""

    observations: Observations

    def acts_on(self, times: xr.DataArray) -> np.ndarray:
        """Return the dates with an observation."""
        return self.observations.observed(times)

    def bind(self, encoder: Encoder, guess: xr.Dataset, at: Sequence[int]) -> Wrap:
        """Return the wrapper for these dates."""
        places, values, variances = self.observations.in_network_space(encoder, guess, at)
        seen = observed(places, values, torch.nan_to_num(variances, nan=1.0))
        return lambda denoise: steered(denoise, seen)

    def put_into(self, drawn: xr.Dataset) -> xr.Dataset:
        """Return the drawn fields: nothing is known exactly."""
        return drawn


@dataclass(frozen=True, eq=False)
class ByKnownCells:
    """Keeps cells that are known, and draws the others given them.

    `fields` has all targets (time, y, x), physical units, on the fine grid; NaN where the field is to be drawn.
    """

    fields: xr.Dataset

    @classmethod
    def from_dataset(cls, known: xr.Dataset, grid: Grid, targets: Attributes, where: str) -> ByKnownCells:
        """Return what a data set of fine fields with gaps says; targets it does not have are drawn everywhere.

        Raises:
            DataError: CD-036 none of the targets, CD-029 other units, CD-021 another grid, CD-022 to CD-026 dates.
        """
        names = [name for name in targets if name in known.data_vars]
        problems = inputs.time_problems(known, where)
        if not names:
            what = f"has none of the variables {', '.join(targets)}; found {', '.join(map(str, known.data_vars))}"
            problems.append(Problem(36, where, what, "name at least one as the targets of the model"))
        for name in names:
            problems += inputs.variable_problems(known, name, targets[name], where)
        if problems:
            raise DataError(*problems)
        check_same(Grid.from_dataset(known, where), grid, (where, "the model's fine grid"))
        dims = ("time", grid.y_dim, grid.x_dim)
        fields = known[names].transpose(*dims).load()
        gaps = {name: xr.full_like(fields[names[0]], np.nan) for name in targets if name not in names}
        return cls(grid.attach(fields.assign(gaps)[list(targets)].drop_attrs()))

    @property
    def hash(self) -> str:
        """SHA-256 of all known values and their dates."""
        digest = hashlib.sha256(str(self.fields["time"].values.tolist()).encode())
        for field in self.fields.values():
            digest.update(field.values.astype(np.float64).tobytes())
        return digest.hexdigest()

    def acts_on(self, times: xr.DataArray) -> np.ndarray:
        """Return the dates with known cells."""
        is_known = np.any([field.notnull().any(field.dims[1:]).values for field in self.fields.values()], axis=0)
        return np.isin(microseconds(times), microseconds(self.fields["time"])[is_known])

    def bind(self, encoder: Encoder, guess: xr.Dataset, at: Sequence[int]) -> Wrap:
        """Return the wrapper for these dates."""
        chosen = guess.isel(time=list(at))
        fields = self.fields.isel(time=np.searchsorted(microseconds(self.fields["time"]), microseconds(chosen["time"])))
        numbered = {"time": np.arange(len(at))}
        known = encoder.target(fields.assign_coords(numbered), chosen.assign_coords(numbered))
        return lambda denoise: inpainted(denoise, known)

    def put_into(self, drawn: xr.Dataset) -> xr.Dataset:
        """Return the drawn fields with the known cells as they were given, to the bit."""
        kept = self.fields.reindex(time=drawn["time"]).astype(np.float32)
        known = {name: drawn[name].where(kept[name].isnull(), kept[name]) for name in drawn.data_vars}
        return drawn.assign({name: drawn[name].copy(data=field.values) for name, field in known.items()})


@dataclass(frozen=True, eq=False)
class ByLikelihood:
    """Draws fields that a function of the physical fields says are likely: a classifier, an areal total ..."""

    likelihood: Likelihood
    scale: float = 1.0

    def acts_on(self, times: xr.DataArray) -> np.ndarray:
        """Return all dates."""
        return np.ones(times.size, bool)

    def bind(self, encoder: Encoder, guess: xr.Dataset, at: Sequence[int]) -> Wrap:
        """Return the wrapper for these dates."""
        chosen = guess.isel(time=list(at)).assign_coords(time=np.arange(len(at)))

        def log_probability(x0: Tensor, sigma: Tensor) -> Tensor:
            del sigma
            return self.likelihood(physical(x0.float(), encoder, chosen))

        return lambda denoise: steered(denoise, log_probability, self.scale)

    def put_into(self, drawn: xr.Dataset) -> xr.Dataset:
        """Return the drawn fields: nothing is known exactly."""
        return drawn
