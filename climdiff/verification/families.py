"""One contract for every family of scores: what a block of values adds to its sums, and what the sums say.

The formulas are plain numpy in a file per family; here each meets the score card. A family sums over cells and times,
so the sums of two blocks add up and the cut into blocks does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray as xr

from climdiff.verification import (
    aggregation,
    discrimination,
    distribution,
    fields,
    fractions,
    multivariate,
    probabilistic,
    spectra,
    spread,
    wetness,
)

Sums = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Setting:
    """What all blocks of a variable have in common: members, thresholds of events, and the shape of its cells."""

    n_members: int
    thresholds: tuple[float, ...]
    shape: tuple[int, ...]

    @property
    def labels(self) -> list[str]:
        """The thresholds as names of scores have them."""
        return [f"{threshold:g}" for threshold in self.thresholds]


@dataclass(frozen=True, eq=False)
class Block:
    """A few times of one variable in memory, every cell a finite number.

    `members` is (realization, time, ...), `truth` (time, ...), `weights` (time, ...) float64 and 0 where the truth is
    missing; `complete` (time,) is False for times at which any cell is missing.
    """

    members: np.ndarray
    truth: np.ndarray
    weights: np.ndarray
    complete: np.ndarray
    setting: Setting

    @cached_property
    def crps_terms(self) -> tuple[np.ndarray, np.ndarray]:
        """What `probabilistic.crps_terms` says of the values and of all thresholds."""
        return probabilistic.crps_terms(self.members, self.truth, self.setting.thresholds)

    @cached_property
    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance over the members, (time, ...) each."""
        return fields.moments(self.members)

    @cached_property
    def counts(self) -> list[np.ndarray]:
        """Per threshold the number of members that reach it, (time, ...)."""
        return [probabilistic.event_count(self.members, threshold) for threshold in self.setting.thresholds]

    @cached_property
    def seen(self) -> list[np.ndarray]:
        """Per threshold whether the truth reaches it, (time, ...) bool."""
        return [self.truth >= threshold for threshold in self.setting.thresholds]


def _no_tables(sums: Sums, setting: Setting) -> dict[str, xr.DataArray]:
    return {}


@dataclass(frozen=True)
class Family:
    """Scores that rest on the same sums.

    `sums` gives the additive sums of a block, {} where the family has no meaning for cells of that shape; `scores` the
    numbers they stand for, by name, and `tables` what has more than one number, on dimensions of its own.
    """

    name: str
    sums: Callable[[Block], Sums]
    scores: Callable[[Sums, Setting], dict[str, float]]
    tables: Callable[[Sums, Setting], dict[str, xr.DataArray]] = _no_tables


def _crps_sums(block: Block) -> Sums:
    return probabilistic.crps_sums(*block.crps_terms, block.weights)


def _crps_scores(sums: Sums, setting: Setting) -> dict[str, float]:
    return probabilistic.crps_scores(sums, setting.n_members, setting.thresholds)


def _crps_map_sums(block: Block) -> Sums:
    if len(block.setting.shape) != 2:
        return {}
    error, spread = block.crps_terms
    return {"crps": (block.weights * (error[0] - spread[0])).sum(axis=0), "weight": block.weights.sum(axis=0)}


def _crps_map_tables(sums: Sums, setting: Setting) -> dict[str, xr.DataArray]:
    crps, weight = sums["crps"], sums["weight"]
    mean = np.divide(crps, weight, out=np.full(weight.shape, np.nan), where=weight > 0)
    return {"crps_fair_by_cell": xr.DataArray(mean.astype(np.float32), dims=("y", "x"))}


def _error_sums(block: Block) -> Sums:
    return fields.error_sums(*block.moments, block.truth, block.weights)


def _error_scores(sums: Sums, setting: Setting) -> dict[str, float]:
    return fields.error_scores(sums, setting.n_members)


def _rank_sums(block: Block) -> Sums:
    return {"table": probabilistic.rank_table(block.members, block.truth, block.weights)}


def _no_scores(sums: Sums, setting: Setting) -> dict[str, float]:
    return {}


def _event_sums(block: Block) -> Sums:
    each = zip(block.counts, block.seen, block.setting.labels, strict=True)
    n_members = block.setting.n_members
    return {label: probabilistic.count_table(count, seen, block.weights, n_members) for count, seen, label in each}


def _event_scores(sums: Sums, setting: Setting) -> dict[str, float]:
    each = {
        label: probabilistic.event_scores(table) | {"roc_area": discrimination.roc(table).area}
        for label, table in sums.items()
    }
    return {f"{name}@{label}": value for label, scores in each.items() for name, value in scores.items()}


def _roc_tables(sums: Sums, setting: Setting) -> dict[str, xr.DataArray]:
    curves = [discrimination.roc(sums[label]) for label in setting.labels]
    if not curves:
        return {}
    called = np.arange(setting.n_members + 1, -1, -1)
    coordinates = {"threshold": list(setting.thresholds), "called_from_members": called}
    rates = {name: np.stack([getattr(curve, name) for curve in curves]) for name in ("hit_rate", "false_alarm_rate")}
    return {f"roc_{name}": xr.DataArray(rate, coordinates, tuple(coordinates)) for name, rate in rates.items()}


def _spread_sums(block: Block) -> Sums:
    return spread.spread_sums(*block.moments, block.truth, block.weights) if block.setting.n_members > 1 else {}


def _spread_scores(sums: Sums, setting: Setting) -> dict[str, float]:
    return {"spread_reliability": spread.spread_skill(sums, setting.n_members).reliability}


def _spread_tables(sums: Sums, setting: Setting) -> dict[str, xr.DataArray]:
    found = spread.spread_skill(sums, setting.n_members)
    names = ("spread", "error", "weight")
    return {f"by_spread_{name}": xr.DataArray(getattr(found, name), dims="spread_bin") for name in names}


def _energy_sums(block: Block) -> Sums:
    return multivariate.energy_sums(block.members, block.truth, block.weights)


def _energy_scores(sums: Sums, setting: Setting) -> dict[str, float]:
    return {"energy_fair": multivariate.mean_score(sums)}


def _variogram_sums(block: Block) -> Sums:
    if len(block.setting.shape) != 2:
        return {}
    return multivariate.variogram_sums(block.members, block.truth, block.weights)


def _variogram_scores(sums: Sums, setting: Setting) -> dict[str, float]:
    return {"variogram_fair": multivariate.mean_score(sums)}


def _distribution_sums(block: Block) -> Sums:
    return distribution.distribution_sums(block.members, block.truth, block.weights)


def _distribution_scores(sums: Sums, setting: Setting) -> dict[str, float]:
    return distribution.distribution_scores(sums)


def _wetness_sums(block: Block) -> Sums:
    each = [
        wetness.wetness_sums(block.members, block.truth, block.weights, threshold)
        for threshold in block.setting.thresholds
    ]
    return {name: np.stack([sums[name] for sums in each]) for name in each[0]} if each else {}


def _wetness_scores(sums: Sums, setting: Setting) -> dict[str, float]:
    found: dict[str, float] = {}
    for i, label in enumerate(setting.labels):
        scores = wetness.wetness_scores({name: value[i] for name, value in sums.items()})
        found |= {f"{name}@{label}": value for name, value in scores.items()}
    return found


def _block_crps_sums(block: Block) -> Sums:
    if not aggregation.factors_of(block.setting.shape):
        return {}
    return aggregation.block_crps_sums(block.members, block.truth, block.weights)


def _block_crps_scores(sums: Sums, setting: Setting) -> dict[str, float]:
    return aggregation.block_crps_scores(sums, setting.shape)


def _fss_sums(block: Block) -> Sums:
    widths = fractions.widths_of(block.setting.shape)
    if not (widths and block.counts):
        return {}
    each = [
        fractions.fss_sums(count, seen, block.weights, block.setting.n_members, widths)
        for count, seen in zip(block.counts, block.seen, strict=True)
    ]
    return {name: np.stack([sums[name] for sums in each]) for name in each[0]}


def _fss_scores(sums: Sums, setting: Setting) -> dict[str, float]:
    widths, found = fractions.widths_of(setting.shape), fractions.fss(sums)
    return {
        f"fss_{width}@{label}": float(found[i, j])
        for i, label in enumerate(setting.labels)
        for j, width in enumerate(widths)
    }


def _fss_tables(sums: Sums, setting: Setting) -> dict[str, xr.DataArray]:
    coordinates = {"threshold": list(setting.thresholds), "width": list(fractions.widths_of(setting.shape))}
    return {"fss": xr.DataArray(fractions.fss(sums), coordinates, ("threshold", "width"))}


def _spectrum_sums(block: Block) -> Sums:
    if len(block.setting.shape) != 2 or min(block.setting.shape) < spectra.MIN_CELLS:
        return {}
    return spectra.spectrum_sums(block.members, block.truth, block.complete)


CELLWISE = ("crps", "errors", "events", "distribution")
"""Families that need no neighbors and no whole field: those that parts of the times or cells have as well."""

FAMILIES = (
    Family("crps", _crps_sums, _crps_scores),
    Family("crps_map", _crps_map_sums, _no_scores, _crps_map_tables),
    Family("block_crps", _block_crps_sums, _block_crps_scores),
    Family("errors", _error_sums, _error_scores),
    Family("ranks", _rank_sums, _no_scores),
    Family("events", _event_sums, _event_scores, _roc_tables),
    Family("wetness", _wetness_sums, _wetness_scores),
    Family("spread", _spread_sums, _spread_scores, _spread_tables),
    Family("energy", _energy_sums, _energy_scores),
    Family("variogram", _variogram_sums, _variogram_scores),
    Family("distribution", _distribution_sums, _distribution_scores),
    Family("fss", _fss_sums, _fss_scores, _fss_tables),
    Family("spectrum", _spectrum_sums, _no_scores),
)
