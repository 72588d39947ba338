"""Finds missing values block by block and applies the user's policy: stop, mask, or skip the date."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import xarray as xr

from climdiff.data.pairs import Pairs, read
from climdiff.data.times import iso_dates
from climdiff.errors import DataError, Problem

logger = logging.getLogger(__name__)

Policy = Literal["error", "mask", "skip_date"]


@dataclass
class _Count:
    """What is missing of one variable: cells per date, and which cells were ever there."""

    missing: list[np.ndarray] = field(default_factory=list)
    infinite: list[np.ndarray] = field(default_factory=list)
    seen: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=bool))
    valid: tuple[float, float] = (-np.inf, np.inf)
    invalid: list[np.ndarray] = field(default_factory=list)
    extremes: tuple[float, float] = (np.inf, -np.inf)

    def add(self, values: np.ndarray) -> None:
        flat = values.reshape(len(values), -1)
        beyond = (flat < self.valid[0]) | (flat > self.valid[1])
        self.invalid.append(np.asarray(beyond.any(axis=1)))
        low, high = np.fmin.reduce(flat, axis=None), np.fmax.reduce(flat, axis=None)
        self.extremes = float(np.fmin(self.extremes[0], low)), float(np.fmax(self.extremes[1], high))
        absent = np.isnan(values)
        self.missing.append(absent.reshape(len(values), -1).sum(axis=1))
        self.infinite.append(np.isinf(values).reshape(len(values), -1).any(axis=1))
        present = ~absent.all(axis=0)
        self.seen = present if self.seen.size == 0 else self.seen | present


def apply_missing_policy(pairs: Pairs, policy: Policy, block_times: int = 256) -> Pairs:
    """Return the pairs to go on with under a policy for missing values (NaN), after one look at all of them.

    `error`: any missing value stops. `skip_date`: dates with a missing value are left out; cells that are missing on
    every date (the sea of a land-only data set) do not count and stay masked. `mask`: dates are kept and the loss and
    the scores leave missing cells out; only dates are skipped that have nothing to learn from (no target value at all)
    or nothing to go by (a predictor without any value).

    Memory: one block of dates, one mask per variable, and two numbers per date and variable.

    Raises:
        DataError: CD-032 values outside the variable's valid range (attributes `valid_min`, `valid_max`); CD-033, with
            dates and share: infinite values or a variable without any value (every policy), missing values (`error`),
            or no date left.
    """
    sides = {"coarse": pairs.coarse} | ({} if pairs.fine is None else {"fine": pairs.fine})
    counts = {side: _scan(values, block_times) for side, values in sides.items()}
    problems = [
        problem
        for side, variables in counts.items()
        for name, count in variables.items()
        for problem in _refuse(pairs.times, side, name, count, policy)
    ]
    if problems:
        raise DataError(*problems)
    drop = np.zeros(pairs.n_times, dtype=bool)
    if policy == "skip_date":
        for count in (count for variables in counts.values() for count in variables.values()):
            drop |= np.concatenate(count.missing) > (~count.seen).sum()
    else:
        for count in counts["coarse"].values():
            drop |= np.concatenate(count.missing) == count.seen.size
        if "fine" in counts:
            drop |= np.all([np.concatenate(c.missing) == c.seen.size for c in counts["fine"].values()], axis=0)
    if not drop.any():
        return pairs
    dates = iso_dates(pairs.times, np.flatnonzero(drop))
    if drop.all():
        what = f"all {pairs.n_times} dates have missing values and policy '{policy}' leaves none"
        raise DataError(Problem(33, "data", what, "set data.on_missing to mask, or repair the data"))
    logger.warning("missing values: policy '%s' skips %d of %d dates: %s", policy, drop.sum(), drop.size, dates)
    return pairs.select(np.flatnonzero(~drop))


def _scan(values: xr.Dataset, block_times: int) -> dict[str, _Count]:
    counts = {
        str(name): _Count(valid=(field.attrs.get("valid_min", -np.inf), field.attrs.get("valid_max", np.inf)))
        for name, field in values.data_vars.items()
    }
    for block in _blocks(values, block_times):
        for name, count in counts.items():
            count.add(block[name].values)
    return counts


def _blocks(values: xr.Dataset, block_times: int) -> Iterator[xr.Dataset]:
    for start in range(0, values.sizes["time"], block_times):
        yield read(values, slice(start, start + block_times))


def _refuse(times: xr.DataArray, side: str, name: str, count: _Count, policy: Policy) -> list[Problem]:
    missing, infinite = np.concatenate(count.missing), np.concatenate(count.infinite)
    if infinite.any():
        what = f"variable '{name}' is infinite on {infinite.sum()} of {infinite.size} dates ({_dates(times, infinite)})"
        return [Problem(33, side, what, "repair these dates or declare the value as missing (_FillValue)")]
    invalid = np.concatenate(count.invalid)
    if invalid.any():
        what = (
            f"variable '{name}' reaches from {count.extremes[0]:g} to {count.extremes[1]:g}, outside its valid range "
            f"{count.valid[0]:g} to {count.valid[1]:g}, on {invalid.sum()} of {invalid.size} dates "
            f"({_dates(times, invalid)})"
        )
        return [
            Problem(32, side, what, "repair these dates, or name a missing value or another valid_range in the entry")
        ]
    if not count.seen.any():
        what = f"variable '{name}' has no value at all on any of {missing.size} dates"
        return [Problem(33, side, what, "check the variable's name, _FillValue and valid range in the catalog entry")]
    if policy == "error" and missing.any():
        share = 100.0 * missing.sum() / (missing.size * count.seen.size)
        what = (
            f"variable '{name}' is missing in {share:.3g} % of its cells, on {(missing > 0).sum()} of {missing.size} "
            f"dates ({_dates(times, missing > 0)})"
        )
        return [Problem(33, side, what, "set data.on_missing to mask or skip_date, or repair the data")]
    return []


def _dates(times: xr.DataArray, chosen: np.ndarray) -> str:
    return iso_dates(times, np.flatnonzero(chosen))
