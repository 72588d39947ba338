"""How long weather is remembered: the time after which a series of means knows little of how it was."""

from __future__ import annotations

import numpy as np
import xarray as xr

from climdiff.data.times import common_step, microseconds

FEWEST_PAIRS = 30
"""Pairs of dates that a correlation is taken from at least."""
DAY = 86_400_000_000
YEAR = 359 * DAY  # the shortest calendar has 360 days, the last of which begins 359 after the first
HARMONICS = 2


def decorrelation_days(series: np.ndarray, times: xr.DataArray) -> float | None:
    """Return the time after which the autocorrelation of anomalies falls below 1/e [days].

    Anomalies are what two harmonics of the year and a line leave. Only pairs of dates that exist are compared, so gaps
    do no harm. Between two lags the correlation is taken to be a line.

    Args:
        series: (time,), means over the domain.
        times: (time,), sorted.

    Returns:
        None where it cannot be measured: the dates have no common step, or too few are neighbors, or the correlation
        does not fall within the dates there are.
    """
    step, numbers = common_step(times), microseconds(times)
    known = np.isfinite(series)
    if step is None or step <= 0 or known.sum() < FEWEST_PAIRS:
        return None
    numbers, anomaly = numbers[known], _anomalies(series[known], times[known], numbers[known])
    before = 1.0
    for lag in range(1, len(numbers) // 2):
        partner = np.searchsorted(numbers, numbers + lag * step)
        first = np.flatnonzero(numbers[np.minimum(partner, len(numbers) - 1)] == numbers + lag * step)
        if len(first) < FEWEST_PAIRS:
            return None
        one, other = anomaly[first], anomaly[partner[first]]
        scale = np.sqrt((one @ one) * (other @ other))
        correlation = float(one @ other / scale) if scale > 0 else 0.0
        if correlation < np.exp(-1):
            share = (before - np.exp(-1)) / (before - correlation)
            return float((lag - 1 + share) * step / DAY)
        before = correlation
    return None


def _anomalies(series: np.ndarray, times: xr.DataArray, numbers: np.ndarray) -> np.ndarray:
    """Return what a line and harmonics of the year leave; the line alone where the dates do not span a year."""
    columns = [np.ones(len(series)), np.linspace(-1, 1, len(series))]
    if numbers[-1] - numbers[0] >= YEAR:
        angle = 2 * np.pi * times.dt.decimal_year.values
        columns += [wave(k * angle) for k in range(1, HARMONICS + 1) for wave in (np.sin, np.cos)]
    known = np.stack(columns, axis=1)
    return np.asarray(series - known @ np.linalg.lstsq(known, series, rcond=None)[0])
