"""Indices that need the order of times: persistence, length of spells, largest value of a year, return levels.

Members and truth are treated alike, the truth as one series more. Sums run over times in their order; from one piece
to the next only the last time and the largest values of the running year are kept, and a few fields of sums for every
member, so memory does not grow with time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from climdiff.data.times import common_step, microseconds
from climdiff.verification.correlation import correlation_sums, correlations, mean_over_cells

LEAST_STEP_MINUTES = 1.0
REGULAR = 0.95
"""Share of steps that have to be a whole number of the common one: fields of 8 days begin anew each year (45 of 46)."""
LEAST_SHARE = 0.9
LEAST_DAYS = 80
"""A year counts if it has at least this share of the times of the fullest, and a season of them."""

PERIODS = (10, 20, 50)
"""Years of the return levels; each needs as many years of data."""

_US_PER_DAY = 86_400_000_000
_US_PER_MONTH = 365.25 / 12 * _US_PER_DAY
_UNEVEN = 4 * _US_PER_DAY
"""How far steps of months and years may be from so many mean months, by the calendar: February misses 2.4 days."""
_EULER = 0.5772156649015329


@dataclass(frozen=True)
class Calendar:
    """Which times follow the one before, (time,) bool, their years, 0 where a year does not count, and the mean step.

    A year is one of the calendar; in data of winters only, its January, February and December.
    """

    follows: np.ndarray
    years: np.ndarray
    step_days: float


def calendar_of_series(truth: xr.DataArray, times: xr.DataArray) -> Calendar | str:
    """Return the calendar of a regular series, or why the times are none.

    Steps have to be of one length of at least a minute, or of as many calendar months; longer ones are gaps, between
    winters say. Fields with a `valid_time` of their own are scenes whose times were made up to number them.
    """
    if "valid_time" in truth.coords:
        return "times number scenes (there is a valid_time), they are no series"
    is_next = _neighbors(times) if times.size > 1 and times.dtype.kind in "MO" else None
    if is_next is None:
        return "times are no regular series"
    step = float(np.diff(microseconds(times))[is_next].mean())
    if step < LEAST_STEP_MINUTES * 60e6:
        return f"times are {step / 1e6:g} s apart, which is no series"
    follows = np.concatenate([[False], is_next])
    years = times.dt.year.values.astype(np.int64)
    found, counts = np.unique(years, return_counts=True)
    is_full = np.isin(years, found[counts >= max(LEAST_SHARE * counts.max(), LEAST_DAYS * _US_PER_DAY / step)])
    return Calendar(follows, np.where(is_full, years, 0), step / _US_PER_DAY)


def _neighbors(times: xr.DataArray) -> np.ndarray | None:
    """Return which steps are no gaps, (time - 1,) bool; None where the times are not regular."""
    steps, step = np.diff(microseconds(times)), common_step(times)
    if step is not None and (steps % step == 0).mean() >= REGULAR:
        return steps == step
    months = np.diff(12 * times.dt.year.values.astype(np.int64) + times.dt.month.values)
    apart = int(np.bincount(months).argmax())
    is_even = np.abs(steps - months * _US_PER_MONTH) <= _UNEVEN
    return months == apart if apart and (is_even & (months % apart == 0)).mean() >= REGULAR else None


class Series:
    """Sums over the times of one variable, added in their order."""

    def __init__(self, calendar: Calendar, thresholds: tuple[float, ...], origin: float) -> None:
        """Start empty. `origin` is any number near the values, taken off before they are squared."""
        self.calendar, self.thresholds, self.origin = calendar, thresholds, origin
        self.last: tuple[np.ndarray, np.ndarray] | None = None
        self.pairs: dict[str, np.ndarray] = {}
        self.spells = np.zeros((len(thresholds), 2, 4))  # of members and truth: wet, dry, starts of either
        self.year, self.largest = 0, np.empty(0)
        self.n_years, self.maxima, self.squares = 0, np.zeros(()), np.zeros(())

    def add(self, span: slice, members: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> None:
        """Add the times of a span that follows the last one: (realization, time, ...), (time, ...), (time, ...)."""
        fields, present = np.concatenate([members, truth[None]]), weights > 0
        before, was_present = self.last if self.last is not None else (fields[:, :1], present[:1])
        chain = np.concatenate([before, fields], axis=1)
        follows = self.calendar.follows[span].reshape(-1, *[1] * (truth.ndim - 1))
        linked = follows & present & np.concatenate([was_present, present[:-1]])
        for i, threshold in enumerate(self.thresholds):
            wet = chain >= threshold
            self._add_spells(i, wet[:, 1:], wet[:, :-1], linked, weights)
        series, kept = chain.astype(np.float64), slice(int(self.last is None), None)  # the first time follows nothing
        series -= self.origin
        sums = correlation_sums(series[:, :-1][:, kept], series[:, 1:][:, kept], linked[kept])
        self.pairs = {name: value + self.pairs.get(name, 0.0) for name, value in sums.items()}
        self._add_years(self.calendar.years[span], fields, present)
        self.last = fields[:, -1:].copy(), present[-1:].copy()

    def _add_spells(
        self, i: int, wet: np.ndarray, was_wet: np.ndarray, linked: np.ndarray, weights: np.ndarray
    ) -> None:
        for side, part in enumerate((slice(None, -1), slice(-1, None))):
            now, then = wet[part], was_wet[part]
            n = len(now)
            wet_now = now.sum(axis=0, dtype=np.int32)
            goes_on = (now & then).sum(axis=0, dtype=np.int32) * linked
            stays_dry = (n - (now | then).sum(axis=0, dtype=np.int32)) * linked
            each = (wet_now, n - wet_now, wet_now - goes_on, n - wet_now - stays_dry)
            self.spells[i, side] += [np.vdot(weights, count) / n for count in each]

    def _add_years(self, years: np.ndarray, fields: np.ndarray, present: np.ndarray) -> None:
        edges = np.flatnonzero(np.diff(years)) + 1
        for part in np.split(np.arange(len(years)), edges):
            if years[part[0]] != self.year:
                self._close_year()
                self.year, self.largest = int(years[part[0]]), np.full(fields[:, 0].shape, -np.inf)
            if self.year:
                inside = np.where(present[part], fields[:, part], -np.inf).max(axis=1)
                self.largest = np.maximum(self.largest, inside)

    def _close_year(self) -> None:
        if self.year:
            shifted = np.where(np.isfinite(self.largest), self.largest - self.origin, np.nan)
            self.n_years += 1
            self.maxima = self.maxima + shifted
            self.squares = self.squares + np.square(shifted)
        self.year = 0

    def scores(self, cell_weights: np.ndarray) -> dict[str, float]:
        """Return all indices of members and (`_truth`) of the truth; call it once, at the end."""
        self._close_year()
        found = {"lag1_correlation": mean_over_cells(correlations(self.pairs), cell_weights)}
        for threshold, both in zip(self.thresholds, self.spells, strict=True):
            for name, at in (("wet_spell", 0), ("dry_spell", 1)):
                lengths = [
                    self.calendar.step_days * sums[at] / sums[at + 2] if sums[at + 2] > 0 else float("nan")
                    for sums in both
                ]
                found[f"{name}@{threshold:g}"] = (float(lengths[0]), float(lengths[1]))
        found |= self._extremes(cell_weights)
        named = {}
        for key, pair in found.items():
            name, _, event = key.partition("@")
            for end, value in zip(("", "_truth"), pair, strict=True):
                named[f"{name}{end}@{event}" if event else f"{name}{end}"] = value
        return named

    def _extremes(self, cell_weights: np.ndarray) -> dict[str, tuple[float, float]]:
        if not self.n_years:
            return {}
        mean = self.maxima / self.n_years
        found = {"annual_maximum": mean_over_cells(self.origin + mean, cell_weights)}
        for period in PERIODS:
            if self.n_years >= period:
                variance = (self.squares - self.n_years * np.square(mean)) / (self.n_years - 1)
                level = self.origin + mean + gumbel_factor(period) * np.sqrt(np.maximum(variance, 0))
                found[f"return_level_{period}y"] = mean_over_cells(level, cell_weights)
        return found


def gumbel_factor(period: float) -> float:
    """Return how many standard deviations the level of that return period [years] lies above the mean of annual maxima.

    -sqrt(6)/pi (gamma + ln(-ln(1 - 1/T))), of a Gumbel distribution (Chow 1951).
    """
    return float(-np.sqrt(6) / np.pi * (_EULER + np.log(-np.log(1 - 1 / period))))
