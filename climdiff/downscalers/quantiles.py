"""Maps from one distribution to another, cell by cell: what quantile mapping and BCSD share.

Written out instead of taken from xsdba (with which a test compares): its maps give no value where quantiles are equal,
as those of dry days are, and need data of every season where they group by season.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

N_LEVELS = 100
LEVELS = np.concatenate([[0.0], (np.arange(N_LEVELS) + 0.5) / N_LEVELS, [1.0]])
"""Probabilities of the quantiles: the middles of a hundred equal parts, and both ends."""

BLOCK_BYTES = 128 * 2**20  # of training values of some rows of cells at all times
BLOCK_TIMES = 256

Read = Callable[[slice], xr.Dataset]
"""Fields of the training times of a slice, (time, y, x)."""


@dataclass(frozen=True, eq=False)
class QuantileMap:
    """Quantiles `given` and `found`, each (level, y, x); NaN in cells without values.

    A value takes the quantile of its rank, linear between levels. Beyond the outermost quantiles it keeps their
    correction; a value that many levels share (no rain) takes the quantile in the middle of them.
    """

    given: np.ndarray
    found: np.ndarray

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Return mapped values (time, y, x), float32."""
        mapped = np.full(values.shape, np.nan, np.float32)
        for row, column in np.argwhere(np.isfinite(self.given[0] + self.found[0])):
            cell = (..., row, column)
            mapped[cell] = _mapped(values[cell].astype(np.float64), self.given[cell], self.found[cell])
        return mapped


def _mapped(values: np.ndarray, given: np.ndarray, found: np.ndarray) -> np.ndarray:
    within = np.clip(values, given[0], given[-1])
    mapped = np.interp(within, given, found) + (values - within)
    first, end = (np.searchsorted(given, within, side=side) for side in ("left", "right"))
    is_shared = end - first > 1
    mapped[is_shared] = found[(first + end - 1)[is_shared] // 2] + (values - within)[is_shared]
    return mapped


def quantiles(values: np.ndarray) -> np.ndarray:
    """Return the quantiles (level, ...) of values (time, ...) along time at `LEVELS`, without the missing ones."""
    ordered = np.sort(values, axis=0)  # NaN comes last
    count = np.isfinite(ordered).sum(axis=0)
    place = LEVELS.reshape(-1, *[1] * count.ndim) * np.maximum(count - 1, 0)
    below = np.floor(place).astype(np.intp)
    above = np.minimum(below + 1, np.maximum(count - 1, 0))
    low, high = (np.take_along_axis(ordered, at, axis=0) for at in (below, above))
    return (low + (place - below) * (high - low)).astype(np.float32)


def fit_maps(
    n_times: int, shape: tuple[int, int], names: Sequence[str], given: Read, found: Read
) -> dict[str, QuantileMap]:
    """Return the map of each variable from `given` to `found` fields of the same cells, some rows of cells at a time.

    Memory is bounded by the maps and 128 MiB of values, at the price of reading all times again for the next rows.
    """
    ends = {name: np.empty((2, LEVELS.size, *shape), np.float32) for name in names}
    for rows in _row_blocks(n_times, shape, len(names)):
        values = {name: np.empty((2, n_times, rows.stop - rows.start, shape[1]), np.float32) for name in names}
        for start in range(0, n_times, BLOCK_TIMES):
            span = slice(start, start + BLOCK_TIMES)
            for side, read in enumerate((given, found)):
                fields = read(span)
                for name in names:
                    values[name][side, span] = fields[name].values[:, rows]
        for name, both in values.items():
            for side in (0, 1):
                ends[name][side, :, rows] = quantiles(both[side])
    return {name: QuantileMap(*sides) for name, sides in ends.items()}


def _row_blocks(n_times: int, shape: tuple[int, int], n_names: int) -> Iterator[slice]:
    step = max(1, BLOCK_BYTES // (8 * n_names * n_times * shape[1]))
    yield from (slice(start, min(start + step, shape[0])) for start in range(0, shape[0], step))
