"""What is known of the fields beside the predictors: observations, known cells, or how likely a field is."""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from climdiff.data import inputs
from climdiff.data.encoder import Encoder
from climdiff.data.observations import Observations
from climdiff.data.physical import physical
from climdiff.data.times import among, iso_dates, microseconds, numbered
from climdiff.diffusion.guidance import Evidence, matched, observed
from climdiff.errors import DataError, Problem, RecipeError
from climdiff.grids.grid import Grid, check_same
from climdiff.grids.orientation import oriented

logger = logging.getLogger(__name__)

Likelihood = Callable[[Mapping[str, Tensor]], Tensor]
"""Physical fields by target, (batch, y, x) on the CPU -> log probability of each element, (batch,), differentiable."""


def refuse_other_dates(steering: Steering, times: xr.DataArray) -> None:
    """Refuse what speaks of none of the dates (CD-023), and warn of dates that are not used.

    Raises:
        DataError: CD-023 not one common date, CD-025 another calendar.
    """
    if steering.times is None:
        return
    used = int(among(times, steering.times, "what is given").sum())
    if used < steering.times.size:
        logger.warning("what is given: %d of its %d dates are dates of the predictors", used, steering.times.size)
    if not used:
        what = f"from {iso_dates(steering.times, [0])} on, not one date is a date of the predictors, which begin "
        what += f"{iso_dates(times, [0])}"
        raise DataError(Problem(23, "what is given", what, "give dates and times of day of the predictors"))


class Steering(Protocol):
    """Something that steers the draws of some dates."""

    @property
    def times(self) -> xr.DataArray | None:
        """The dates it speaks of; None is all."""
        ...

    def acts_on(self, times: xr.DataArray) -> np.ndarray:
        """Return which of the dates it steers, (time,) bool; the others are drawn as without it, to the bit."""
        ...

    def bind(self, encoder: Encoder, guess: xr.Dataset, at: Sequence[int], unexplained: Tensor) -> Evidence:
        """Return what it knows of a batch whose elements have the dates at positions `at` of `guess`.

        `unexplained` is the variance of each target given the predictors, in network space, (channel,).
        """
        ...

    def put_into(self, drawn: xr.Dataset) -> xr.Dataset:
        """Return drawn fields with what is known exactly."""
        ...


@dataclass(frozen=True, eq=False)
class ByObservations:
    """Draws fields that agree with station values within their errors."""

    observations: Observations

    @property
    def times(self) -> xr.DataArray:
        """Dates of the observations."""
        return self.observations.times

    def acts_on(self, times: xr.DataArray) -> np.ndarray:
        """Return the dates with an observation."""
        return self.observations.observed(times)

    def bind(self, encoder: Encoder, guess: xr.Dataset, at: Sequence[int], unexplained: Tensor) -> Evidence:
        """Return the log probability of the observations of these dates."""
        places, values, variances = self.observations.in_network_space(encoder, guess, at)
        channels = torch.div(places, math.prod(encoder.grid.shape), rounding_mode="floor")
        return Evidence(observed(places, values, variances, unexplained[channels]))

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
    def from_dataset(cls, known: xr.Dataset, grid: Grid, targets: inputs.Attributes, where: str) -> ByKnownCells:
        """Return what a data set of fine fields with gaps says; targets it does not have are drawn everywhere.

        Raises:
            DataError: CD-036 none of the targets, CD-029 other units, CD-030 values that cannot be, CD-021 another
                grid, CD-022 to CD-026 dates.
        """
        if not isinstance(known, xr.Dataset):
            raise DataError(Problem(17, where, f"is a {type(known).__name__}, expected an xarray Dataset", "wrap it"))
        names = [name for name in targets if name in known.data_vars]
        problems = inputs.time_problems(known, where)
        for name in names[1:]:
            if set(known[name].dims) != set(known[names[0]].dims):
                what = f"'{name}' has dimensions {known[name].dims}, '{names[0]}' {known[names[0]].dims}"
                problems.append(Problem(17, where, what, "give all variables on the fine grid of the model"))
        if not names:
            what = f"has none of the variables {', '.join(targets)}; found {', '.join(map(str, known.data_vars))}"
            problems.append(Problem(36, where, what, "name at least one as the targets of the model"))
        for name in names:
            problems += inputs.variable_problems(known, name, targets[name], where)
        if problems:
            raise DataError(*problems)
        known = oriented(known, grid, where)
        check_same(Grid.from_dataset(known, where), grid, (where, "the model's fine grid"))
        fields = inputs.in_memory(known[names].transpose("time", grid.y_dim, grid.x_dim), where)
        if not any(bool(field.notnull().any()) for field in fields.values()):
            raise DataError(Problem(33, where, f"not one value of {', '.join(names)}", "leave the file out"))
        problems = [each for name in names for each in inputs.value_problems(fields[name], targets[name], where)]
        if problems:
            raise DataError(*problems)
        gaps = {name: xr.full_like(fields[names[0]], np.nan) for name in targets if name not in names}
        return cls(grid.attach(fields.assign(gaps)[list(targets)].drop_attrs()))

    @property
    def times(self) -> xr.DataArray:
        """Dates of the fields."""
        return self.fields["time"]

    @property
    def hash(self) -> str:
        """SHA-256 of all known values and their dates."""
        digest = hashlib.sha256(str(microseconds(self.times).tolist()).encode())
        for field in self.fields.values():
            digest.update(field.values.astype(np.float64).tobytes())
        return digest.hexdigest()

    @cached_property
    def _has_known(self) -> np.ndarray:
        return np.any([field.notnull().any(field.dims[1:]).values for field in self.fields.values()], axis=0)

    def acts_on(self, times: xr.DataArray) -> np.ndarray:
        """Return the dates with known cells."""
        known_dates = microseconds(self.times)[self._has_known]
        return among(times, self.times, "known fields") & np.isin(microseconds(times), known_dates)

    def bind(self, encoder: Encoder, guess: xr.Dataset, at: Sequence[int], unexplained: Tensor) -> Evidence:
        """Return the known cells of these dates, and how likely they make a field."""
        rows = np.searchsorted(microseconds(self.times), microseconds(guess["time"].isel(time=list(at))))
        known = encoder.target(numbered(self.fields, rows.tolist()), numbered(guess, at))
        return Evidence(matched(known, unexplained[:, None, None]), known)

    def put_into(self, drawn: xr.Dataset) -> xr.Dataset:
        """Return the drawn fields with the known cells as they were given, to the bit."""
        rows, columns = np.nonzero(microseconds(drawn["time"])[:, None] == microseconds(self.times))
        changed = {}
        for name, field in drawn.data_vars.items():
            values, known = field.values.copy(), self.fields[name].values[columns].astype(field.dtype)
            values[:, rows] = np.where(np.isnan(known), values[:, rows], known)
            changed[name] = field.copy(data=values)
        return drawn.assign(changed)


@dataclass(frozen=True, eq=False)
class ByLikelihood:
    """Draws fields that a function of the physical fields says are likely: a classifier, an areal total ..."""

    likelihood: Likelihood
    scale: float = 1.0
    times: xr.DataArray | None = None

    def acts_on(self, times: xr.DataArray) -> np.ndarray:
        """Return all dates."""
        return np.ones(times.size, bool)

    def bind(self, encoder: Encoder, guess: xr.Dataset, at: Sequence[int], unexplained: Tensor) -> Evidence:
        """Return the log probability that the function gives.

        Raises:
            RecipeError: CD-037, when called: an answer that is not one number for each field.
        """
        del unexplained
        chosen = numbered(guess, at)

        def log_probability(x0: Tensor, sigma: Tensor) -> Tensor:
            del sigma
            with torch.autocast(x0.device.type, enabled=False), torch.autocast("cpu", enabled=False):
                found = self.likelihood(physical(x0.float(), encoder, chosen))
            if not isinstance(found, Tensor) or found.shape != (len(x0),) or not found.requires_grad:
                answer = f"a tensor {tuple(found.shape)}" if isinstance(found, Tensor) else f"a {type(found).__name__}"
                what = f"returned {answer}, expected ({len(x0)},) that depends on the fields: one number for each"
                raise RecipeError(Problem(37, "likelihood", what, "reduce over y and x alone, with torch functions"))
            return self.scale * found

        return Evidence(log_probability)

    def put_into(self, drawn: xr.Dataset) -> xr.Dataset:
        """Return the drawn fields: nothing is known exactly."""
        return drawn
