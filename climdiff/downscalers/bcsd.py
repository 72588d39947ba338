"""Bias correction and spatial disaggregation after Wood et al. (2004), for single days as by Thrasher et al. (2012).

Coarse values are mapped to the distribution of the fine data on the coarse grid; their anomaly from the climatology of
the month, a ratio for rain and a difference otherwise, is interpolated and put on the fine climatology. What is finer
than the coarse grid is the climatology's: one field, the same relief every day.

We differ in one way: quantiles are those of all training times of a cell, where Wood et al. take those of each month
and Thrasher et al. those of days around the date. Biases of seasons that have the same values are mixed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from climdiff.data.pairs import Pairs
from climdiff.downscalers.contract import ensemble
from climdiff.downscalers.guess import Guess
from climdiff.downscalers.quantiles import BLOCK_TIMES, fit_maps
from climdiff.grids.grid import Grid
from climdiff.grids.regrid import regrid

N_MONTHS = 12


class BCSD:
    """Bias correction and spatial disaggregation of `targets`; no two members differ."""

    def __init__(self, train: Pairs, targets: Sequence[str], *, calendar: bool = True) -> None:
        """Fit coarse quantiles and the climatologies of both grids; without a calendar of all times, not of months.

        Raises:
            DataError: CD-036, a target that the coarse data do not have.
        """
        assert train.fine is not None
        self.calendar = calendar
        self.names = tuple(targets)
        self.identity = Guess(train.coarse_grid, train.coarse_grid, self.names)
        self.grids = train.coarse_grid, train.fine_grid
        self.attributes = {name: train.fine[name].attrs for name in targets}
        identity, names = self.identity, list(targets)

        def observed(span: slice) -> xr.Dataset:
            coarse = regrid(train.truth(span)[names], train.fine_grid, train.coarse_grid, "conservative")
            return coarse.transpose("time", train.coarse_grid.y_dim, train.coarse_grid.x_dim)

        def given(span: slice) -> xr.Dataset:
            return identity(train.coarse.isel(time=span))

        self.maps = fit_maps(train.n_times, train.coarse_grid.shape, names, given, observed)
        coarse, fine = _Climatology(names, train.coarse_grid), _Climatology(names, train.fine_grid)
        for start in range(0, train.n_times, BLOCK_TIMES):
            span = slice(start, start + BLOCK_TIMES)
            months = self._months(train.times[span])
            coarse.add(observed(span), months)
            fine.add(train.truth(span), months)
        self.climatologies = {name: (coarse.means(name), fine.means(name)) for name in names}

    def downscale(self, coarse: xr.Dataset, members: Sequence[int], seed: int) -> xr.Dataset:
        """Return the disaggregated field once per member; see `contract.Downscaler`. The seed plays no role.

        Raises:
            DataError: As `Guess`.
        """
        del seed
        given, months = self.identity(coarse), self._months(coarse["time"])
        source, target = self.grids
        fields = {}
        for name in self.names:
            usual, fine = (means[months] for means in self.climatologies[name])
            values = self.maps[name](given[name].values).astype(np.float64)
            is_positive = self.attributes[name].get("lower_bound") == 0
            if is_positive:
                anomaly = np.divide(values.clip(min=0), usual, out=np.zeros_like(usual), where=~(usual <= 0))
            else:
                anomaly = values - usual
            dims = ("time", source.y_dim, source.x_dim)
            moved = regrid(source.attach(xr.DataArray(anomaly, dims=dims)), source, target).values
            fields[name] = np.maximum(fine * moved, 0) if is_positive else fine + moved
            fields[name] = np.broadcast_to(fields[name], (len(members), *fine.shape))
        return ensemble(fields, self.attributes, target, members, coarse["time"])

    def _months(self, times: xr.DataArray) -> np.ndarray:
        """Return the row of the climatology of each time: its month, or without a calendar the row of all times."""
        if not self.calendar:
            return np.full(times.size, N_MONTHS)
        return times.dt.month.values - 1


class _Climatology:
    """Sums of fields by month, of which means are made."""

    def __init__(self, names: Sequence[str], grid: Grid) -> None:
        self.dims = ("time", grid.y_dim, grid.x_dim)
        self.sums = {name: np.zeros((2, N_MONTHS + 1, *grid.shape)) for name in names}

    def add(self, fields: xr.Dataset, months: np.ndarray) -> None:
        for name, (total, count) in self.sums.items():
            values = fields[name].transpose(*self.dims).values.astype(np.float64)
            for month in np.unique(months):
                some = values[months == month]
                for row in {int(month), N_MONTHS}:
                    total[row] += np.nansum(some, axis=0)
                    count[row] += np.isfinite(some).sum(axis=0)

    def means(self, name: str) -> np.ndarray:
        """Return the mean of each month, the last of all; a month that training does not have gets that of all."""
        total, count = self.sums[name]
        known = np.where(count > 0, total, total[-1]), np.where(count > 0, count, count[-1])
        return np.divide(*known, out=np.full(total.shape, np.nan), where=known[1] > 0)
