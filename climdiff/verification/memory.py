"""How long a series remembers: the length of blocks that keep its memory, and the variance of its mean."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Memory(NamedTuple):
    """What neighbors know of each other in a series.

    `block` is the length of blocks (a number of values, not rounded) by which a circular block bootstrap estimates the
    variance of the mean best; `variance` the long-run one: n times the variance of the mean of n values.
    """

    block: float
    variance: float


def memory(series: np.ndarray) -> Memory:
    """Return the memory of a series (time,), estimated from its autocovariances.

    The lag after which autocorrelations are noise, the flat-top weights of those before it and the best block for the
    circular bootstrap are those of Politis & White (2004, sect. 3.2), with the constant 4/3 of Patton et al. (2009);
    the block is at most 3 sqrt(n) or n / 3 values. A constant series has blocks of 1.
    """
    n = len(series)
    anomaly = series - series.mean()
    variance = float(anomaly @ anomaly) / n
    if n < 4 or not variance > 1e-24 * float(np.abs(series).max()) ** 2:
        return Memory(1.0, variance)
    n_small = max(5, int(np.ceil(np.sqrt(np.log10(n)))))
    longest = min(int(np.ceil(np.sqrt(n))) + n_small, n - 1)
    correlation = np.array([anomaly[lag:] @ anomaly[:-lag] for lag in range(1, longest + 1)]) / (n * variance)
    lags = np.arange(1, min(2 * _last_lag(correlation, n, n_small), longest) + 1)
    weighted = np.minimum(1.0, 2.0 * (1.0 - lags / lags[-1])) * correlation[: len(lags)]
    long_run = 1.0 + 2.0 * float(weighted.sum())
    if long_run <= 0:  # possible by chance, as the flat-top estimate is not of one sign
        return Memory(1.0, 0.0)
    curvature = 2.0 * float((lags * weighted).sum())
    block = (2.0 * curvature**2 / (4.0 / 3.0 * long_run**2)) ** (1 / 3) * n ** (1 / 3)
    return Memory(float(np.clip(block, 1.0, np.ceil(min(3 * np.sqrt(n), n / 3)))), variance * long_run)


def _last_lag(correlation: np.ndarray, n: int, n_small: int) -> int:
    """Return the last lag whose correlation is more than noise: `n_small` in a row after it are not; at least 1."""
    is_small = np.abs(correlation) < 2.0 * np.sqrt(np.log10(n) / n)
    for lag in range(len(is_small) - n_small + 1):
        if is_small[lag : lag + n_small].all():
            return max(lag, 1)
    return int(np.flatnonzero(~is_small)[-1]) + 1 if not is_small.all() else 1
