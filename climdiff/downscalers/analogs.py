"""The most similar days of the past: fine fields of the training times whose coarse fields are nearest.

Lorenz (1969) looked for such pairs; as a downscaling method: Zorita & von Storch (1999).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

import numpy as np
import xarray as xr

from climdiff.data.times import iso_dates, pair_times
from climdiff.downscalers.training_fields import check_enough, gather
from climdiff.errors import DataError, Problem
from climdiff.grids.grid import Grid, check_same

TRAINING = "coarse training data"
BLOCK_BYTES = 32 * 2**20  # of coarse training fields, and of distances, in float64 at a time
ROUNDING = 1e-12  # of the squared norms: more than the rounding of a float64 matrix product


class Analogs:
    """Finds the nearest training times exactly; member i is the i-th nearest, and no random number is drawn.

    The distance is Euclidean over all cells of the predictors, each divided by its standard deviation over training
    times and cells. Of equal distances the one stored first comes first.
    """

    def __init__(self, fine: xr.Dataset, coarse: xr.Dataset, predictors: Sequence[str]) -> None:
        """Take lazily opened training data of the same times: `fine` and `coarse`, each (time, y, x) on its own grid.

        Raises:
            DataError: Times that are not the same (CD-022 to CD-027), or unknown predictors (CD-036).
        """
        self.predictors = tuple(predictors)
        self.coarse = _select(coarse, self.predictors, TRAINING)
        self.grid = Grid.from_dataset(self.coarse, TRAINING)
        self.fine = fine
        coarse_at, fine_at = pair_times(coarse["time"], fine["time"], (TRAINING, "fine training data"))
        self.fine_at = fine_at[np.argsort(coarse_at)]

    def downscale(self, coarse: xr.Dataset, members: Sequence[int], seed: int) -> xr.Dataset:
        """Return the fine fields of the nearest training times; see `contract.Downscaler`. The seed plays no role.

        Raises:
            DataError: More members than complete training times (CD-033), predictors that are absent (CD-036), on
                another grid (CD-021) or miss cells (CD-075), or that are constant in training (CD-034).
        """
        del seed
        check_enough(members, len(self.fine_at))
        coarse = _select(coarse, self.predictors, "coarse data")
        check_same(Grid.from_dataset(coarse, "coarse data"), self.grid, ("coarse data", TRAINING))
        queries = self._standardized(coarse, slice(None))
        missing = np.flatnonzero(~np.isfinite(queries).all(axis=1))
        if len(missing):
            what = f"predictors {list(self.predictors)} miss cells at {iso_dates(coarse['time'], missing)}"
            raise DataError(Problem(75, "coarse data", what, "fill or leave out these dates"))
        blocks = (self._standardized(self.coarse, span) for span in self._spans())
        nearest = find_nearest(queries, blocks, max(members) + 1)
        if (nearest < 0).any():
            check_enough(members, int((nearest >= 0).sum(axis=1).min()))
        return gather(self.fine, self.fine_at[nearest[:, list(members)].T], members, coarse["time"])

    @cached_property
    def _mean_std(self) -> dict[str, tuple[float, float]]:
        """Mean and standard deviation of every predictor over all training times and cells."""
        return {name: self._fit(name) for name in self.predictors}

    def _fit(self, name: str) -> tuple[float, float]:
        """Return mean and standard deviation of one predictor from sums of block after block (Chan et al. 1983)."""
        count, mean, squares = 0, 0.0, 0.0
        for span in self._spans():
            values = self.coarse[name].isel(time=span).values.astype(np.float64)
            values = values[np.isfinite(values)]
            if not values.size:
                continue
            step = values.mean() - mean
            squares += np.square(values - values.mean()).sum() + step**2 * count * values.size / (count + values.size)
            mean += step * values.size / (count + values.size)
            count += values.size
        if not squares > 0:
            what = f"variable '{name}' is missing or the same everywhere and always"
            raise DataError(Problem(34, TRAINING, what, "leave it out of the predictors"))
        return float(mean), float(np.sqrt(squares / count))

    def _spans(self) -> Iterator[slice]:
        """Yield slices of training times that hold a bounded number of bytes."""
        n_times = self.coarse.sizes["time"]
        step = max(1, BLOCK_BYTES // (8 * len(self.predictors) * math.prod(self.grid.shape)))
        yield from (slice(start, min(start + step, n_times)) for start in range(0, n_times, step))

    def _standardized(self, coarse: xr.Dataset, span: slice) -> np.ndarray:
        """Return the predictors of those times in standard units, (time, predictor and cell), float64."""
        rows = []
        for name in self.predictors:
            mean, std = self._mean_std[name]
            values = coarse[name].transpose("time", self.grid.y_dim, self.grid.x_dim).isel(time=span).values
            rows.append((values.astype(np.float64).reshape(len(values), -1) - mean) / std)
        return np.concatenate(rows, axis=1)


def find_nearest(queries: np.ndarray, blocks: Iterable[np.ndarray], k: int) -> np.ndarray:
    """Return (query, k) row numbers of the k rows nearest to each query, nearest first; -1 where there are fewer.

    A matrix product gives all distances to within rounding; those that could be among the nearest are then summed
    term by term, so the order is exact and does not depend on how rows or queries are cut into blocks. Rows with NaN
    are never near.

    Args:
        queries: (query, feature), finite.
        blocks: Consecutive pieces (row, feature) of the rows to search.
        k: How many to find.
    """
    distances = np.full((len(queries), k), np.inf)
    rows = np.full((len(queries), k), -1)
    first = 0
    for block in blocks:
        norms = np.square(block).sum(axis=1)
        step = max(1, BLOCK_BYTES // (8 * len(block)))
        for start in range(0, len(queries), step):
            some = queries[start : start + step]
            some_norms = np.square(some).sum(axis=1)[:, None]
            rough = some_norms - 2 * some @ block.T + norms
            slack = ROUNDING * (some_norms + norms)
            for i, query in enumerate(some, start):
                near = _candidates(rough[i - start], slack[i - start], k, distances[i, -1])
                exact = np.concatenate([distances[i], np.square(block[near] - query).sum(axis=1)])
                order = np.argsort(exact, kind="stable")[:k]
                distances[i] = exact[order]
                rows[i] = np.concatenate([rows[i], first + near])[order]
        first += len(block)
    return rows


def _candidates(rough: np.ndarray, slack: np.ndarray, k: int, limit: float) -> np.ndarray:
    """Return the rows that may be among the k nearest, given distances known to within `slack` and the k-th so far."""
    if len(rough) > k:
        limit = min(limit, np.partition(rough + slack, k - 1)[k - 1])
    return np.flatnonzero(rough - slack <= limit)


def _select(coarse: xr.Dataset, predictors: Sequence[str], where: str) -> xr.Dataset:
    """Return only the predictors."""
    absent = [name for name in predictors if name not in coarse.data_vars]
    if absent:
        what = f"no variable {absent} among {sorted(map(str, coarse.data_vars))}"
        raise DataError(Problem(36, where, what, "name predictors that the coarse data have"))
    return coarse[list(predictors)]
