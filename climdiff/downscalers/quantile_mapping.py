"""Quantile mapping: the interpolated value of a cell becomes the fine training value of the same rank there.

Empirical, cell by cell, linear between quantiles, with the correction of the outermost quantile beyond them (Boé et
al., 2007). It gives every cell its training distribution and knows nothing of what interpolation cannot see: one field,
too smooth in space, with the variance of the coarse field blown up (Maraun, 2013).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from climdiff.data.pairs import Pairs
from climdiff.downscalers.contract import ensemble
from climdiff.downscalers.guess import Guess
from climdiff.downscalers.quantiles import fit_maps


class QuantileMapping:
    """Maps interpolated `targets` to the training distribution of each cell; no two members differ."""

    def __init__(self, train: Pairs, targets: Sequence[str]) -> None:
        """Fit the quantiles of interpolated and fine training values of each cell.

        Raises:
            DataError: CD-036, a target that the coarse data do not have.
        """
        assert train.fine is not None
        guess = Guess.of_pairs(train, targets)
        self.guess = guess
        self.attributes = {name: train.fine[name].attrs for name in targets}
        self.maps = fit_maps(
            train.n_times,
            train.fine_grid.shape,
            targets,
            lambda span: guess(train.coarse.isel(time=span)),
            lambda span: train.truth(span).transpose("time", guess.target.y_dim, guess.target.x_dim),
        )

    def downscale(self, coarse: xr.Dataset, members: Sequence[int], seed: int) -> xr.Dataset:
        """Return the mapped field once per member; see `contract.Downscaler`. The seed plays no role.

        Raises:
            DataError: As `Guess`.
        """
        del seed
        guess = self.guess(coarse)
        fields = {}
        for name, mapped in self.maps.items():
            values = mapped(guess[name].values)
            if self.attributes[name].get("lower_bound") == 0:
                values = np.maximum(values, 0)
            fields[name] = np.broadcast_to(values, (len(members), *values.shape))
        return ensemble(fields, self.attributes, self.guess.target, members, coarse["time"])
