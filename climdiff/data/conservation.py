"""Keeps drawn fields consistent with the coarse input: their block means are what the coarse field says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from climdiff.data.encoder import Encoder
from climdiff.data.pairs import Pairs
from climdiff.data.times import evenly_spread, iso_dates, numbered
from climdiff.errors import DataError, Problem
from climdiff.grids.blocks import Blocks, blocks_of
from climdiff.grids.conserving import scaled, shifted

Projection = Callable[[Tensor], Tensor]
"""A map from clean fields in network space to consistent ones, both (batch, channel, y, x)."""

Weights = Literal["area", "plain"]
"""How the fine cells of a block weigh in its mean: by their area, or all the same."""

Limits = Mapping[str, tuple[float, float]]

LARGEST_MISFIT = 0.02
"""Training truth whose block means miss the coarse field by more than this share of its spread is not conserved."""

N_COMPARED = 64


@dataclass(frozen=True, eq=False)
class Conservation:
    """What has to be kept: block means of some targets, within physical limits.

    Attributes:
        encoder: Between network space and physical units.
        blocks: How the means of each target are taken.
        limits: Lowest and highest value of a cell, per target.
        positive: Targets that are scaled, because 0 is their least value by nature; the others are shifted.
    """

    encoder: Encoder
    blocks: Mapping[str, Blocks]
    limits: Limits
    positive: frozenset[str]

    def refuse_unreachable(self, coarse: xr.Dataset) -> None:
        """Refuse block means that no field within the limits has: CD-074, with the date and both values."""
        problems = []
        for name, blocks in self.blocks.items():
            low, high = self.limits[name]
            values = blocks.oriented(coarse[name].values).reshape(coarse.sizes["time"], -1)
            beyond = (values < low) | (values > high)
            if beyond.any():
                dates = iso_dates(coarse["time"], np.flatnonzero(beyond.any(axis=1)))
                what = (
                    f"coarse '{name}' reaches from {np.nanmin(values):.4g} to {np.nanmax(values):.4g}, members only "
                    f"from {low:.4g} to {high:.4g}: block means cannot be conserved on {dates}"
                )
                problems.append(
                    Problem(74, "sample.conserve", what, "raise sample.largest, or set sample.conserve to false")
                )
        if problems:
            raise DataError(*problems)

    def bind(self, guess: xr.Dataset, coarse: xr.Dataset, at: Sequence[int]) -> Projection:
        """Return the projection of a batch whose elements have the dates at positions `at`.

        A value that is missing after projection, because guess or mean are, stays what it was.

        Args:
            guess: Coarse fields on the fine grid, physical units, (time, y, x).
            coarse: The same on their own grid, (time, Y, X).
            at: Position in time of each element of the batch.
        """
        chosen = numbered(guess, at)
        means = {
            name: blocks.oriented(coarse[name].values[list(at)].astype(np.float64))
            for name, blocks in self.blocks.items()
        }
        is_kept = torch.tensor([name in self.blocks for name in self.encoder.targets])[:, None, None]

        def project(x0: Tensor) -> Tensor:
            physical = self.encoder.to_dataset(x0[None], chosen).isel(realization=0)
            for name, wanted in means.items():
                physical[name] = physical[name].copy(data=self._keep(name, physical[name].values, wanted))
            projected = self.encoder.target(physical, chosen).to(x0)
            return torch.where(is_kept.to(x0.device) & projected.isfinite(), projected, x0)

        return project

    def _keep(self, name: str, fields: np.ndarray, means: np.ndarray) -> np.ndarray:
        low, high = self.limits[name]
        if name in self.positive:
            return scaled(fields, means, self.blocks[name], high)
        return shifted(fields, means, self.blocks[name], low, high)


def block_weights(pairs: Pairs, names: Sequence[str]) -> dict[str, Weights]:
    """Return for each variable which mean over blocks of its fine field the coarse field is.

    The two are compared on up to 64 dates, evenly spread over the pairs.

    Raises:
        DataError: CD-020, coarse cells are no blocks of fine ones, or the coarse field is no block mean at all.
    """
    blocks = blocks_of(pairs.coarse_grid, pairs.fine_grid)
    dates = evenly_spread(pairs.n_times, N_COMPARED)
    truth, coarse = pairs.truth(dates), pairs.select(dates).coarse.compute(scheduler="synchronous")
    chosen: dict[str, Weights] = {}
    problems = []
    for name in names:
        wanted = blocks.oriented(coarse[name].values.astype(np.float64))
        fine = truth[name].values.astype(np.float64)
        by_area, plainly = _rms(blocks.mean(fine) - wanted), _rms(blocks.plain().mean(fine) - wanted)
        chosen[name] = "area" if by_area <= plainly else "plain"
        misfit, spread = min(by_area, plainly), float(np.nanstd(wanted))
        if not misfit <= LARGEST_MISFIT * spread:
            what = (
                f"coarse '{name}' is no block mean of fine '{name}': they differ by {misfit:.3g} (RMS), the standard "
                f"deviation of the coarse field is {spread:.3g}"
            )
            fix = "set sample.conserve to false, or give coarse data that are block means of the fine ones"
            problems.append(Problem(20, "sample.conserve", what, fix))
    if problems:
        raise DataError(*problems)
    return chosen


def _rms(error: np.ndarray) -> float:
    return float(np.sqrt(np.nanmean(error**2)))
