"""Linear regression on principal components of the predictors, with whole residual fields of training times added.

Regression of fields on components: von Storch & Zwiers (1999, ch. 14); resampled residuals: Davison & Hinkley (1997,
algorithm 6.3). It works where the network works: in the space of the recipe's transforms, so rain is never negative.
A residual field keeps the structure in space and between variables. It knows what is linear there; the size of its
residuals depends on the day only by way of the days it draws them from.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from climdiff.data.pairs import Pairs
from climdiff.data.times import iso_dates
from climdiff.downscalers.components import principal_components
from climdiff.downscalers.contract import ensemble
from climdiff.downscalers.draws import date_keys, generator
from climdiff.downscalers.guess import Guess
from climdiff.errors import DataError, Problem
from climdiff.grids.grid import Grid, check_same
from climdiff.transforms.pipeline import Block, Pipeline

MOST_COMPONENTS = 200
N_ALIKE = 50  # on the validation split of Iberian winters, fair CRPS of rain is 3 % better with 50 than with all
LARGEST_LEVERAGE = 0.9
BLOCK_TIMES = 256
READ_TIMES = 64  # residual fields in memory beside the result


class Regression:
    """Draws members as a prediction and the residual fields, of all targets together, of a training time.

    The number of components is chosen for each target by generalized cross-validation (Golub et al., 1979) on the
    training times. A member's residuals are those of a time drawn from the `n_alike` training times with the nearest
    predictors, because rain errs more on a wet day than on a dry one; None draws from all times.
    """

    def __init__(
        self,
        train: Pairs,
        targets: Pipeline,
        predictors: Pipeline,
        *,
        calendar: bool = True,
        n_alike: int | None = N_ALIKE,
    ) -> None:
        """Fit transforms, components and coefficients on training pairs, in passes over blocks of times.

        Raises:
            DataError: CD-075, training predictors that miss cells; CD-033, too few times; as `Pipeline.fit`.
        """
        assert train.fine is not None
        self.n_alike = n_alike
        self.attributes = {name: train.fine[name].attrs for name in targets.steps}
        self.calendar = calendar
        shared = [name for name in targets.steps if name in train.coarse.data_vars]
        self.train = train
        self.guess = Guess.of_pairs(train, shared)
        self.predictors, self.targets = predictors, targets
        self.predictor_state = predictors.fit(self._coarse_blocks, train.times)
        self.target_state = targets.fit(self._fine_blocks, train.times)
        self.components = principal_components(lambda: (rows for _, rows in self._rows()), MOST_COMPONENTS)
        self.scores = np.concatenate([self.components.scores(rows) for _, rows in self._rows()])
        self.fits = self._fit(np.column_stack([self._calendar(train.times), self.scores]))

    def downscale(self, coarse: xr.Dataset, members: Sequence[int], seed: int) -> xr.Dataset:
        """Return members without number; see `contract.Downscaler`.

        Raises:
            DataError: Predictors that are absent (CD-036), on another grid (CD-021) or miss cells (CD-075).
        """
        check_same(Grid.from_dataset(coarse, "coarse data"), self.train.coarse_grid, ("coarse data", "training data"))
        times = coarse["time"]
        scores = self.components.scores(self._encoded(coarse, "coarse data"))
        design = np.column_stack([self._calendar(times), scores])
        chosen = self._chosen(scores, times, members, seed)
        guess = self._guess(coarse)
        drawn = {name: np.empty((*chosen.shape, *self.train.fine_grid.shape), np.float32) for name in self.fits}
        for positions, residuals in self._residuals(np.unique(chosen)):
            at = np.minimum(np.searchsorted(positions, chosen), len(positions) - 1)
            here = positions[at] == chosen
            for name, values in drawn.items():
                values[here] = residuals[name][at[here]]
        for row in range(len(members)):
            member = self._physical(design, {name: values[row] for name, values in drawn.items()}, times, guess)
            for name, values in drawn.items():
                values[row] = member[name].values
        return ensemble(drawn, self.attributes, self.train.fine_grid, members, times)

    def _physical(
        self, design: np.ndarray, residuals: dict[str, np.ndarray], times: xr.DataArray, guess: xr.Dataset | None
    ) -> xr.Dataset:
        """Return one member of all dates in physical units."""
        dims = ("time", self.train.fine_grid.y_dim, self.train.fine_grid.x_dim)
        fields = {
            name: (dims, (fit.predicted(design).reshape(residuals[name].shape) + residuals[name]).astype(np.float32))
            for name, fit in self.fits.items()
        }
        encoded = self.train.fine_grid.attach(xr.Dataset(fields, {"time": times.variable}))
        return self.targets.invert(encoded, self.target_state, guess)

    def _chosen(self, scores: np.ndarray, times: xr.DataArray, members: Sequence[int], seed: int) -> np.ndarray:
        """Return the training time whose residuals each member takes, (realization, time)."""
        chosen = np.empty((len(members), times.size), np.int64)
        for at, key in enumerate(date_keys(times)):
            pool = self._alike(scores[at])
            for row, member in enumerate(members):
                chosen[row, at] = pool[generator(seed, member, key).integers(len(pool))]
        return chosen

    def _alike(self, scores: np.ndarray) -> np.ndarray:
        if self.n_alike is None:
            return np.arange(len(self.scores))
        distance = np.square(self.scores - scores).sum(axis=1)
        return np.argsort(distance, kind="stable")[: self.n_alike]

    def _residuals(self, positions: np.ndarray) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
        """Yield training positions and their residuals (time, y, x), grown by what fitting took from them."""
        for start in range(0, len(positions), READ_TIMES):
            part = positions[start : start + READ_TIMES]
            encoded = self._encoded_truth(part)
            design = np.column_stack([self._calendar(self.train.times[part]), self.scores[part]])
            found = {}
            for name, fit in self.fits.items():
                residual = encoded[name].values - fit.predicted(design).reshape(encoded[name].shape)
                found[name] = residual / np.sqrt(1 - fit.leverage[part])[:, None, None]
            yield part, found

    def _fit(self, design: np.ndarray) -> dict[str, _Fit]:
        """Return the coefficients of each target; columns of the design come in the order of their choice."""
        basis, triangle = np.linalg.qr(design)
        n_cells = math.prod(self.train.fine_grid.shape)
        products = {name: np.zeros((basis.shape[1], n_cells)) for name in self.targets.steps}
        squares = dict.fromkeys(products, 0.0)
        for span in self._spans():
            encoded = self._encoded_truth(span)
            for name in products:
                values = encoded[name].values.reshape(len(encoded["time"]), -1).astype(np.float64)
                products[name] += basis[span].T @ values
                squares[name] += np.nansum(np.square(values))
        return {name: _Fit.of(basis, triangle, product, squares[name]) for name, product in products.items()}

    def _calendar(self, times: xr.DataArray) -> np.ndarray:
        """Return a constant and, where there is a calendar, the annual cycle, (time, 1 or 3)."""
        ones = np.ones(times.size)
        if not self.calendar:
            return ones[:, None]
        angle = 2 * np.pi * np.asarray((times.dt.dayofyear - 1) / times.dt.days_in_year)
        return np.column_stack([ones, np.sin(angle), np.cos(angle)])

    def _spans(self) -> Iterator[slice]:
        yield from (slice(start, start + BLOCK_TIMES) for start in range(0, self.train.n_times, BLOCK_TIMES))

    def _coarse_blocks(self) -> Iterator[Block]:
        for span in self._spans():
            yield self.train.coarse[list(self.predictors.steps)].isel(time=span).load(scheduler="synchronous"), None

    def _fine_blocks(self) -> Iterator[Block]:
        for span in self._spans():
            yield self.train.truth(span), self._guess(self.train.coarse.isel(time=span))

    def _guess(self, coarse: xr.Dataset) -> xr.Dataset | None:
        """Return the targets as the coarse field has them, on the fine grid; None where it has none."""
        return self.guess(coarse) if self.guess.variables else None

    def _encoded_truth(self, index: slice | np.ndarray) -> xr.Dataset:
        return self.targets.apply(
            self.train.truth(index), self.target_state, self._guess(self.train.coarse.isel(time=index))
        )

    def _rows(self) -> Iterator[tuple[slice, np.ndarray]]:
        for span in self._spans():
            yield span, self._encoded(self.train.coarse.isel(time=span), "training predictors")

    def _encoded(self, coarse: xr.Dataset, where: str) -> np.ndarray:
        """Return transformed predictors of those times, (time, predictor and cell), float64."""
        absent = [name for name in self.predictors.steps if name not in coarse.data_vars]
        if absent:
            what = f"no variable {absent} among {sorted(map(str, coarse.data_vars))}"
            raise DataError(Problem(36, where, what, "name predictors that the coarse data have"))
        chosen = coarse[list(self.predictors.steps)].load(scheduler="synchronous")
        grid = self.train.coarse_grid
        encoded = self.predictors.apply(chosen, self.predictor_state).transpose("time", grid.y_dim, grid.x_dim)
        rows = [encoded[name].values.reshape(encoded.sizes["time"], -1) for name in self.predictors.steps]
        joined = np.concatenate(rows, axis=1).astype(np.float64)
        missing = np.flatnonzero(~np.isfinite(joined).all(axis=1))
        if len(missing):
            what = f"predictors {list(self.predictors.steps)} miss cells at {iso_dates(coarse['time'], missing)}"
            raise DataError(Problem(75, where, what, "fill or leave out these dates"))
        return joined


@dataclass(frozen=True, eq=False)
class _Fit:
    """Coefficients (column, cell) of the first columns of the design, and leverages of the training times, (time,)."""

    coefficients: np.ndarray
    leverage: np.ndarray

    @classmethod
    def of(cls, basis: np.ndarray, triangle: np.ndarray, product: np.ndarray, squares: float) -> _Fit:
        """Return the fit whose number of columns has the least generalized cross-validation error."""
        n_times, n_columns = basis.shape
        columns = np.arange(1, max(2, min(n_columns + 1, (n_times + 1) // 2)))  # fewer than half of the times
        left = squares - np.cumsum(np.nansum(np.square(product[: len(columns)]), axis=1))
        best = int(np.argmin(left / np.square(1 - columns / n_times))) + 1
        coefficients = np.linalg.solve(triangle[:best, :best], product[:best])
        leverage = np.square(basis[:, :best]).sum(axis=1).clip(max=LARGEST_LEVERAGE)
        return cls(coefficients, leverage)

    def predicted(self, design: np.ndarray) -> np.ndarray:
        """Return predictions (time, cell); a date at a time, so that it has the same bits beside any others."""
        return np.stack([row[: len(self.coefficients)] @ self.coefficients for row in design])
