"""How sure differences between forecasts are: intervals that hold together, by a paired block bootstrap over times.

Forecast and references are scored at the same times, and the same draws serve all, so what makes a day hard for all
cancels out. Neighboring times are alike, so blocks of times are drawn and not times (Künsch 1989), on the time axis
closed to a circle (Politis & Romano 1992), which gives every time the same chance. Daily scores have heavy tails and
blocks are few: quantiles of resampled differences would be too narrow, so each difference is divided by its standard
error before it is resampled, and only then (Götze & Künsch 1996). One critical value serves all comparisons: the
quantile of the largest of these ratios (Romano & Wolf 2005, the single step), so that with the given confidence all
intervals hold at once.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np

from climdiff.errors import DataError, Problem
from climdiff.verification.memory import memory
from climdiff.verification.scorecard import VariableScores

Key = TypeVar("Key", bound=Hashable)
LEVEL = 0.95
MIN_BLOCKS = 6
"""Blocks are no longer than leaves so many: fewer cannot tell how much blocks differ."""
MIN_INDEPENDENT = 10
"""Times that remember each other are worth fewer independent ones; with fewer than this, nothing is told."""
NEARLY_ALL = 0.99
"""Share of a score that must come from so many times, too: of one that is 0 but for a few events, few times tell."""
LENGTHENED = 1.5
"""Blocks are this much longer than is best for a variance: intervals suffer more from blocks too short."""
METHOD = "paired circular block bootstrap, studentized, simultaneous by the largest ratio"
DRAWS_AT_A_TIME = 2**22  # counts in memory: 32 MiB


class Paired(NamedTuple):
    """Scores (time,) of a forecast and of a reference, NaN where the weight is 0, and the weights >= 0.

    `power` turns the ratio of mean scores into that of what is quoted: 1/2 for squared errors, quoted as RMSE.
    """

    forecast: np.ndarray
    reference: np.ndarray
    weight: np.ndarray
    power: float = 1.0


@dataclass(frozen=True)
class Difference:
    """Mean score of a forecast less that of a reference, in percent of the reference: negative is better.

    It is NaN where the score of the reference is 0, of which nothing is a percentage. `low` and `high` bound the
    interval, NaN where there are too few times for one. All intervals of one call of `compare` contain their true
    values at once with probability `level`. They rest on `n` times with weight, which are worth `n_independent` (or no
    more make up nearly all of a score), in blocks of `block`. `error` is the standard error of `percent`, NaN as the
    interval. `means` are the mean scores of both where that of the reference is 0, and nothing was drawn.
    """

    percent: float
    low: float
    high: float
    n: int
    n_independent: float
    block: int
    level: float = LEVEL
    error: float = float("nan")
    means: tuple[float, float] = (float("nan"), float("nan"))

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return -(-self.n // self.block)

    @property
    def is_defined(self) -> bool:
        """True unless the reference has a score of 0."""
        return bool(np.isfinite(self.percent))

    @property
    def is_told(self) -> bool:
        """True when there were enough times for an interval that ends."""
        return bool(np.isfinite([self.low, self.high]).all())

    @property
    def is_better(self) -> bool:
        """True when the whole interval lies below 0."""
        return self.is_told and self.high < 0

    @property
    def is_worse(self) -> bool:
        """True when the whole interval lies above 0."""
        return self.is_told and self.low > 0

    def to_json(self) -> dict[str, Any]:
        """Return all of it in plain types; what could not be told is None."""
        low, high = (float(end) if self.is_told else None for end in (self.low, self.high))
        state = "better" if self.is_better else "worse" if self.is_worse else "no difference"
        untold = "too few times" if self.is_defined else "reference without error"
        return {
            "difference_percent": self.percent if self.is_defined else None,
            "low": low,
            "high": high,
            "verdict": state if self.is_told else untold,
            "level": self.level,
            "n": self.n,
            "n_independent": self.n_independent if self.is_defined else None,
            "block": self.block if self.is_defined else None,
            "n_blocks": self.n_blocks if self.is_defined else None,
            "method": METHOD,
        }


def paired(forecast: VariableScores, reference: VariableScores, score: str, order: np.ndarray | None = None) -> Paired:
    """Return the scores of two score cards of one variable, time by time.

    Args:
        forecast: Scores of the forecast to judge.
        reference: Scores of the one to beat.
        score: `crps_fair`, or another that both cards have time by time.
        order: (time,), positions of times that puts those that are alike beside each other; as they are if None.

    Raises:
        DataError: The two were not scored at the same times (CD-023) or cells (CD-021).
    """
    if not np.array_equal(forecast.times.values, reference.times.values):
        what = f"scores of {len(forecast.crps)} and {len(reference.crps)} times that are not the same"
        raise DataError(Problem(23, "scores", what, "score both on the same times"))
    if not np.allclose(forecast.weight, reference.weight, rtol=1e-9):
        raise DataError(Problem(21, "scores", "scores of other cells or weights", "score both on the same cells"))
    mine, theirs = (card.crps if score == "crps_fair" else card.by_time[score] for card in (forecast, reference))
    weight, power = forecast.weight, 0.5 if score == "rmse" else 1.0
    order = np.arange(len(weight)) if order is None else order
    return Paired(mine[order], theirs[order], weight[order], power)


def compare(
    comparisons: Mapping[Key, Paired], *, seed: int, level: float = LEVEL, n_draws: int = 2000
) -> dict[Key, Difference]:
    """Return the difference in each comparison, with intervals that hold together.

    A reference whose scores are all 0, as those of interpolated rain in a dry period, has no percentage: that
    difference is NaN, and the others are as they are without it.

    Args:
        comparisons: Series over the same times, in order.
        seed: Of the draws.
        level: Confidence that all intervals hold.
        n_draws: Number of resampled series.
    """
    defined = {key: each for key, each in comparisons.items() if _weighted(each)[1].sum() > 0}
    found = _intervals(defined, seed, level, n_draws) if defined else {}
    return {key: found[key] if key in found else _without_percentage(each, level) for key, each in comparisons.items()}


def _without_percentage(each: Paired, level: float) -> Difference:
    """Return the difference from a reference that has no error."""
    nan, weight = float("nan"), float(each.weight.sum())
    mine, theirs = (float(side.sum() / weight) ** each.power if weight > 0 else nan for side in _weighted(each))
    return Difference(nan, nan, nan, int((each.weight > 0).sum()), nan, 1, level, means=(mine, theirs))


def _intervals(comparisons: Mapping[Key, Paired], seed: int, level: float, n_draws: int) -> dict[Key, Difference]:
    """Return the differences from references that have an error."""
    has_weight = np.stack([each.weight > 0 for each in comparisons.values()])
    is_used = has_weight.any(axis=0)
    sums = [_weighted(each) for each in comparisons.values()]
    forecast, reference = (np.stack(side)[:, is_used] for side in zip(*sums, strict=True))  # (comparison, time)
    ratio = forecast.sum(axis=1) / reference.sum(axis=1)
    scale = reference.mean(axis=1, keepdims=True)
    residual = (forecast - ratio[:, None] * reference) / scale
    parts = [residual, forecast, reference]
    own = [[part[i, has] for part in parts] for i, has in enumerate(has_weight[:, is_used])]  # times with weight
    n_independent = np.array([min(*map(_n_independent, x), _n_contributing(*x[1:])) for x in own])
    is_told = n_independent >= MIN_INDEPENDENT
    longest = max((memory(x).block for part in parts for x in part[is_told]), default=1.0)
    block = int(np.clip(round(LENGTHENED * longest), 1, max(1, is_used.sum() // MIN_BLOCKS)))
    error = np.full(len(ratio), np.nan)
    critical = np.nan
    if is_told.any():
        critical, error[is_told] = _studentized(
            residual[is_told], (reference / scale)[is_told], block, seed, level, n_draws
        )
    found = {}
    for i, (key, each) in enumerate(comparisons.items()):
        half = critical * error[i]
        ends = np.maximum([ratio[i], ratio[i] - half, ratio[i] + half], 0.0)
        percent, low, high = map(float, 100 * (ends**each.power - 1))
        slope = 100 * each.power * max(ratio[i], np.finfo(float).tiny) ** (each.power - 1)
        counts = len(own[i][0]), float(n_independent[i]), block
        found[key] = Difference(percent, low, high, *counts, level, float(slope * error[i]))
    return found


def _weighted(each: Paired) -> tuple[np.ndarray, np.ndarray]:
    """Return weighted scores of forecast and reference, 0 where there is no weight."""
    mine, theirs = (np.where(each.weight > 0, side, 0.0) * each.weight for side in (each.forecast, each.reference))
    return mine, theirs


def _n_independent(series: np.ndarray) -> float:
    """Return how many independent times would know the mean as well (Zwiers & von Storch 1995), at most all."""
    variance = float(series.var())
    return len(series) / max(1.0, memory(series).variance / variance) if variance > 0 else float(len(series))


def _n_contributing(forecast: np.ndarray, reference: np.ndarray) -> int:
    """Return how many times, those of the largest scores first, make up nearly all of both scores' sum."""
    total = np.cumsum(np.sort(np.abs(forecast) + np.abs(reference))[::-1])
    return int(np.searchsorted(total, NEARLY_ALL * total[-1])) + 1


def _studentized(
    residual: np.ndarray, reference: np.ndarray, block: int, seed: int, level: float, n_draws: int
) -> tuple[float, np.ndarray]:
    """Return the critical value of all, and the standard error of each ratio of means: an interval is their product.

    The ratio of a draw differs from the one found by sum(residual) / sum(reference), of standard error
    sqrt(sum((residual - difference * reference)^2)) / sum(reference), all sums over the blocks drawn.
    `residual` and `reference` are (comparison, time), the latter of mean 1.
    """
    n = residual.shape[1]
    n_blocks = -(-n // block)
    e, r = _block_sums(residual, block), _block_sums(reference, block)
    products = np.concatenate([e, r, e * e, e * r, r * r])
    generator = np.random.default_rng(seed)
    largest = np.empty(n_draws)
    step = max(1, DRAWS_AT_A_TIME // n)
    for start in range(0, n_draws, step):
        chosen = generator.integers(n, size=(min(step, n_draws - start), n_blocks))
        counts = np.stack([np.bincount(one, minlength=n) for one in chosen]).astype(np.float64)
        sum_e, sum_r, sum_ee, sum_er, sum_rr = np.split(counts @ products.T, 5, axis=1)
        difference = sum_e / sum_r
        error = np.sqrt(np.maximum(sum_ee - 2 * difference * sum_er + difference**2 * sum_rr, 0.0)) / sum_r
        largest[start : start + step] = _ratio(np.abs(difference), error).max(axis=1)
    critical = float(np.quantile(largest, level, method="higher"))
    # Blocks miss the memory that reaches across their ends: the flat-top estimate does not.
    variance = [max(float((sums**2).mean()) / block, memory(x).variance) for sums, x in zip(e, residual, strict=True)]
    return critical, np.sqrt(np.array(variance) / n)


def _block_sums(series: np.ndarray, block: int) -> np.ndarray:
    """Return the sum of the block that begins at each time, on the circle: (comparison, time)."""
    circle = np.cumsum(np.concatenate([np.zeros((len(series), 1)), series, series[:, : block - 1]], axis=1), axis=1)
    return circle[:, block:] - circle[:, :-block]


def _ratio(difference: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Return difference over error: 0 where there is neither, up to rounding, and infinite without an error."""
    scale = np.maximum(difference, error)
    found = np.divide(difference, error, out=np.full(difference.shape, np.inf), where=error > 0)
    return np.where(scale > 1e-12, found, 0.0)
