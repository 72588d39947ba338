"""Keeps drawn fields consistent with the coarse input: their block means are what the coarse field says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from torch import Tensor

from climdiff.data.encoder import Encoder
from climdiff.grids.blocks import Blocks, blocks_of, conserve, shift
from climdiff.grids.grid import Grid

Projection = Callable[[Tensor], Tensor]
"""A map from clean fields in network space to consistent ones, both (batch, channel, y, x)."""


@dataclass(frozen=True, eq=False)
class Consistency:
    """What has to be kept: block means of `targets`; no cell above `largest` where the variable's lower bound is 0."""

    encoder: Encoder
    blocks: Blocks
    targets: tuple[str, ...]
    largest: Mapping[str, float]

    @classmethod
    def of(cls, encoder: Encoder, coarse_grid: Grid, limits: Mapping[str, tuple[float, float]]) -> Consistency:
        """Return the consistency of all targets that are predictors too.

        Raises:
            DataError: CD-020, coarse cells are no blocks of fine cells.
        """
        shared = tuple(name for name in encoder.targets if name in encoder.predictors)
        largest = {name: high for name, (low, high) in limits.items() if low == 0.0}
        return cls(encoder, blocks_of(coarse_grid, encoder.grid), shared, largest)

    def bind(self, guess: xr.Dataset, coarse: xr.Dataset, at: Sequence[int]) -> Projection:
        """Return the projection of a batch whose elements have the dates at positions `at`.

        Args:
            guess: Coarse fields on the fine grid, physical units, (time, y, x).
            coarse: The same on their own grid.
            at: Position in time of each element of the batch.
        """
        chosen = guess.isel(time=list(at)).assign_coords(time=np.arange(len(at)))
        means = {name: self._means(coarse[name].isel(time=list(at))) for name in self.targets}

        def project(x0: Tensor) -> Tensor:
            physical = self.encoder.to_dataset(x0[None], chosen).isel(realization=0)
            for name, wanted in means.items():
                physical[name] = physical[name].copy(data=self._keep(name, physical[name].values, wanted))
            return self.encoder.target(physical, chosen).to(x0)

        return project

    def _keep(self, name: str, fields: np.ndarray, means: np.ndarray) -> np.ndarray:
        if name in self.largest:
            return conserve(fields, means, self.blocks, self.largest[name])
        return shift(fields, means, self.blocks)

    def _means(self, coarse: xr.DataArray) -> np.ndarray:
        return self.blocks.oriented(coarse.transpose("time", ...).values.astype(np.float64))
