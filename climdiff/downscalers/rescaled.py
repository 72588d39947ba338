"""Members of another method, changed in every block of cells so that its mean is that of the coarse field.

Rain is multiplied, what has no natural zero is shifted; with analogs this is their usual correction (constructed or
rescaled analogs). What a block gets is told by the coarse field, how it is spread within the block by the method.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from climdiff.downscalers.contract import Downscaler
from climdiff.errors import DataError, Problem
from climdiff.grids.blocks import Blocks
from climdiff.grids.conserving import scaled, shifted

LARGEST_FACTOR = 20.0


@dataclass(frozen=True, eq=False)
class Rescaled:
    """Keeps the block means of members of `method`.

    Attributes:
        method: Whose members are changed.
        blocks: How the fine cells make up the coarse ones, for each variable that is kept; others stay as they are.
        limits: Lowest and highest value of a cell, per variable kept.
        positive: Variables that are multiplied, by up to `LARGEST_FACTOR`: a few drops are no pattern of a flood. What
            is missing then is spread evenly over the block.
    """

    method: Downscaler
    blocks: Mapping[str, Blocks]
    limits: Mapping[str, tuple[float, float]]
    positive: frozenset[str]

    def downscale(self, coarse: xr.Dataset, members: Sequence[int], seed: int) -> xr.Dataset:
        """Return the members of the method with the block means of `coarse`; see `contract.Downscaler`.

        A block with a missing mean or cell is left as it is; means beyond the limits are brought to them.

        Raises:
            DataError: CD-036, coarse data without a variable that is kept; as the method.
        """
        absent = [name for name in self.blocks if name not in coarse.data_vars]
        if absent:
            what = f"no variable {absent} among {sorted(map(str, coarse.data_vars))}"
            raise DataError(Problem(36, "coarse data", what, "block means need the target variables as predictors"))
        made = self.method.downscale(coarse, members, seed)
        for name, blocks in self.blocks.items():
            low, high = self.limits[name]
            means = blocks.oriented(coarse[name].values.astype(np.float64))
            for row in range(len(members)):
                fields = made[name].values[row]
                if name in self.positive:
                    fields[:] = scaled(_moistened(fields, means, blocks), means, blocks, high)
                else:
                    fields[:] = shifted(fields, means, blocks, low, high)
        return made


def _moistened(fields: np.ndarray, means: np.ndarray, blocks: Blocks) -> np.ndarray:
    """Return rain that has only to be multiplied by `LARGEST_FACTOR` or less for the block means asked for."""
    lacking = np.nan_to_num(means / LARGEST_FACTOR - blocks.mean(fields)).clip(min=0)
    return fields + blocks.spread(lacking)
