"""The oracle: draws from the true conditional law of the embedded world, the best any method can reach there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import xarray as xr

from climdiff.catalog.synthetic import World


@dataclass(frozen=True)
class Oracle:
    """True members of a `World`; its noise is independent of the noise of the truth."""

    world: World
    variables: tuple[str, ...] = ("pr",)

    def downscale(self, coarse: xr.Dataset, members: Sequence[int], seed: int) -> xr.Dataset:
        """Return true members (realization, time, lat, lon) of `variables`, in physical units.

        Raises DataError if `coarse` is not on the grid of the world.
        """
        return self.world.draw(coarse, members, seed)[list(self.variables)]
