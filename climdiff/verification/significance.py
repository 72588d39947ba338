"""How sure a difference between two forecasts is: a paired block bootstrap over times.

Both forecasts are scored at the same times, and the same draws serve both, so what makes a day hard for all cancels
out. Neighbouring times are alike, so blocks of times are drawn and not times (Künsch 1989): here blocks of a fixed
length on the time axis closed to a circle (Politis & Romano 1992), which gives every time the same chance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from climdiff.errors import DataError, Problem
from climdiff.verification.scorecard import VariableScores

LEVEL = 0.95
DRAWS_AT_A_TIME = 2**22  # block indices in memory: 32 MiB


@dataclass(frozen=True)
class Difference:
    """Mean fair CRPS of a forecast less that of a reference, in percent of the reference: negative is better.

    `low` and `high` bound the 95 % interval; it rests on `n_blocks` blocks (fewer than about 20 say little).
    """

    percent: float
    low: float
    high: float
    n_blocks: int

    @property
    def is_better(self) -> bool:
        """True when the whole interval lies below 0."""
        return self.high < 0


def compare(
    forecast: VariableScores,
    reference: VariableScores,
    *,
    block_days: float | None,
    seed: int,
    scenes: np.ndarray | None = None,
    n_draws: int = 2000,
) -> Difference:
    """Return the difference of two score cards of one variable over the same times.

    Args:
        forecast: Scores of the forecast to judge.
        reference: Scores of the one to beat.
        block_days: Length of a block [days]; None takes every time as a block of its own (separate events or patches).
        seed: Of the draws.
        scenes: (time,), what each time belongs to: times of one scene are alike and drawn together, instead of blocks.
        n_draws: Number of resampled periods.

    Raises:
        DataError: The two were not scored at the same times (CD-023) or cells (CD-021).
    """
    if not np.array_equal(forecast.times.values, reference.times.values):
        what = f"scores of {len(forecast.crps)} and {len(reference.crps)} times that are not the same"
        raise DataError(Problem(23, "scores", what, "score both on the same times"))
    if not np.allclose(forecast.weight, reference.weight, rtol=1e-9):
        raise DataError(Problem(21, "scores", "scores of other cells or weights", "score both on the same cells"))
    if scenes is not None:
        numbers = np.unique(scenes, return_inverse=True)[1]
        weight = np.bincount(numbers, forecast.weight)
        mine, theirs = (
            np.bincount(numbers, np.where(one.weight > 0, one.crps, 0.0) * one.weight) / np.maximum(weight, 1e-300)
            for one in (forecast, reference)
        )
        return bootstrap(mine, theirs, weight, length=1, seed=seed, n_draws=n_draws)
    length = 1 if block_days is None else block_length(forecast.times, block_days)
    return bootstrap(forecast.crps, reference.crps, forecast.weight, length=length, seed=seed, n_draws=n_draws)


def block_length(times: xr.DataArray, block_days: float) -> int:
    """Return how many consecutive times make `block_days`, by the median step; at least 1."""
    if times.size < 2:
        return 1
    steps = np.diff(times.values)
    in_days = steps / np.timedelta64(1, "D") if steps.dtype.kind == "m" else [s.total_seconds() / 86400 for s in steps]
    return max(1, round(block_days / float(np.median(in_days))))


def bootstrap(
    scores: np.ndarray, reference: np.ndarray, weights: np.ndarray, *, length: int, seed: int, n_draws: int = 2000
) -> Difference:
    """Return the difference of two weighted mean scores in percent, with its bootstrap percentile interval.

    Args:
        scores: (time,) of the forecast; NaN where the weight is 0.
        reference: (time,) of the reference.
        weights: (time,) >= 0.
        length: Number of consecutive times in a block, cut to the length of the series.
        seed: Of the draws.
        n_draws: Number of resampled series.

    Raises:
        DataError: The reference's mean score is 0, so a percentage has no meaning (CD-033).
    """
    used = weights > 0
    weight = weights[used]
    sums = np.stack([scores[used] * weight, reference[used] * weight])
    if not sums[1].sum() > 0:
        raise DataError(Problem(33, "scores", "the reference has a mean score of 0", "choose another reference"))
    n = sums.shape[1]
    length = min(length, n)
    circle = np.concatenate(
        [np.zeros((2, 1)), np.cumsum(np.concatenate([sums, sums[:, : length - 1]], axis=1), axis=1)], axis=1
    )
    blocks = circle[:, length:] - circle[:, :-length]  # (2, n): the sum of the block that begins at each time
    n_blocks = -(-n // length)
    generator = np.random.default_rng(seed)
    percent = np.empty(n_draws)
    step = max(1, DRAWS_AT_A_TIME // n_blocks)
    for start in range(0, n_draws, step):
        drawn = generator.integers(n, size=(min(step, n_draws - start), n_blocks))
        mine, theirs = blocks[0][drawn].sum(axis=1), blocks[1][drawn].sum(axis=1)
        percent[start : start + step] = 100 * (mine / theirs - 1)
    low, high = np.quantile(percent, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Difference(100 * (sums[0].sum() / sums[1].sum() - 1), float(low), float(high), n_blocks)
