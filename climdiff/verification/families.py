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

from climdiff.verification import aggregation, fields, fractions, probabilistic, spectra

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


def _error_sums(block: Block) -> Sums:
    return fields.error_sums(block.members, block.truth, block.weights)


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
    return {
        f"{name}@{label}": value for label in sums for name, value in probabilistic.event_scores(sums[label]).items()
    }


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


FAMILIES = (
    Family("crps", _crps_sums, _crps_scores),
    Family("block_crps", _block_crps_sums, _block_crps_scores),
    Family("errors", _error_sums, _error_scores),
    Family("ranks", _rank_sums, _no_scores),
    Family("events", _event_sums, _event_scores),
    Family("fss", _fss_sums, _fss_scores, _fss_tables),
    Family("spectrum", _spectrum_sums, _no_scores),
)
