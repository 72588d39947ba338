"""The coarse field itself on the fine grid: what any method must beat to be worth its name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import xarray as xr

from climdiff.downscalers.contract import realization_coordinate
from climdiff.downscalers.guess import Guess


@dataclass(frozen=True, eq=False)
class Interpolation(Guess):
    """Interpolates `variables` by `method`; no two members differ."""

    def downscale(self, coarse: xr.Dataset, members: Sequence[int], seed: int) -> xr.Dataset:
        """Return the interpolated field once per member; see `contract.Downscaler`. The seed plays no role.

        Raises:
            DataError: A variable is not among the coarse ones (CD-036), or the coarse grid is another one (CD-021).
        """
        del seed
        fields = self(coarse).expand_dims(realization=len(members))
        return fields.assign_coords(realization=realization_coordinate(members))
