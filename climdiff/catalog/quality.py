"""What is wrong with times and values of an opened part: a quick look at opening, or a scan of everything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr

from climdiff.catalog.opening import Opened
from climdiff.catalog.plausibility import implausible
from climdiff.catalog.schema import Part, Variable
from climdiff.catalog.stand_ins import listed, stand_ins
from climdiff.errors import Problem

_SAMPLE_CELLS = 2_000_000
_BLOCK_CELLS = 4_000_000
_QUANTILE_SAMPLE = 1_000_000
_SAME_CALENDAR = ({"standard", "gregorian", "proleptic_gregorian"}, {"noleap", "365_day"}, {"all_leap", "366_day"})
_TAIL = 3
_LISTED = 5


def quick(opened: Opened, part: Part, where: str) -> list[Problem]:
    """Return what is wrong with the times, and with a few fields spread over them."""
    dataset = opened.dataset
    problems = time_problems(dataset, part, where)
    for name, variable in part.variables.items():
        if name in dataset:
            scan = scan_fields(dataset[name], _sample(dataset[name]), opened.conversions[name])
            problems += value_problems(name, variable, scan, where)
    return problems


def full(opened: Opened, part: Part, where: str) -> list[Problem]:
    """Return everything wrong with times and values, read in blocks of at most 16 MB."""
    dataset = opened.dataset
    problems = time_problems(dataset, part, where) + gap_problems(dataset, part, where)
    for name, variable in part.variables.items():
        if name in dataset:
            scan = scan_fields(dataset[name], _blocks(dataset[name]), opened.conversions[name])
            problems += value_problems(name, variable, scan, where) + scan.missing_problems(name, where)
    return problems


def time_problems(dataset: xr.Dataset, part: Part, where: str) -> list[Problem]:
    """Return problems of an opened part's sorted times: repeated ones (CD-022), another calendar (CD-025)."""
    if "time" not in dataset.coords:
        return []
    problems = []
    times = dataset["time"]
    index = times.to_index()
    repeated = index[index.duplicated()].unique()
    if len(repeated):
        what = f"coordinate 'time' has {len(repeated)} times more than once: {_list(repeated)}"
        problems.append(Problem(22, where, what, "remove the repeated times, or the overlapping file"))
    found = str(times.dt.calendar)
    if part.calendar is not None and _calendar(found) != _calendar(part.calendar):
        what = f"coordinate 'time' has calendar {found!r}, the entry says {part.calendar!r}"
        problems.append(Problem(25, where, what, "correct calendar in the entry"))
    return problems


def gap_problems(dataset: xr.Dataset, part: Part, where: str) -> list[Problem]:
    """Return missing times (CD-023) of a part whose entry gives `time_step`; only `months` are expected to be there."""
    if part.time_step is None or "time" not in dataset.coords:
        return []
    index = dataset["time"].to_index()
    months = set(part.months or range(1, 13))
    steps = np.diff(index) / np.timedelta64(1, "s") if index.dtype.kind == "M" else _seconds(np.diff(index))
    gaps = []
    for at in np.flatnonzero(np.abs(steps - part.time_step * 86400.0) > 1.0):
        before, after = index[at], index[at + 1]
        if not _skips_months(before, after, months):
            gaps.append(f"{before} to {after}")
    if not gaps:
        return []
    what = f"coordinate 'time' leaves {len(gaps)} gaps in steps of {part.time_step:g} days: {_list(gaps)}"
    return [Problem(23, where, what, "supply the missing times, or correct time_step or months in the entry")]


def _skips_months(before: Any, after: Any, months: set[int]) -> bool:
    """Return whether all months after `before` and before `after` are ones the data do not cover."""
    month, last = before.month % 12 + 1, after.month
    between = []
    while month != last:
        between.append(month)
        month = month % 12 + 1
    return bool(between) and not months & set(between)


@dataclass
class Scan:
    """What a pass over the fields of one variable found."""

    n: int = 0
    total: float = 0.0
    smallest: float = np.inf
    largest: float = -np.inf
    n_infinite: int = 0
    sentinels: Counter[str] = field(default_factory=Counter)
    n_missing: int = 0
    n_cells: int = 0
    n_dates: int = 0
    empty_steps: list[str] = field(default_factory=list)
    partial_steps: list[str] = field(default_factory=list)
    sample: list[np.ndarray] = field(default_factory=list)
    stride: int | None = None
    mask: np.ndarray | None = None
    constant_tail: int = 0
    tail_value: float = np.nan

    def add(self, block: xr.DataArray, conversion: tuple[float, float] = (1.0, 0.0)) -> None:
        """Take in some times of the variable; every `stride`-th value is kept for the percentile, without one none."""
        fields = block.transpose("time", ...).values if "time" in block.dims else block.values[None]
        is_missing = np.isnan(fields)
        finite = fields[np.isfinite(fields)].astype(float)
        self.n_infinite += int(np.isinf(fields).sum())
        self.n_missing += int(is_missing.sum())
        self.n_cells += fields.size
        self.n_dates += len(fields)
        if finite.size:
            self.n += finite.size
            self.total += float(finite.sum())
            self.smallest = min(self.smallest, float(finite.min()))
            self.largest = max(self.largest, float(finite.max()))
            if self.stride is not None:
                self.sample.append(finite[:: min(self.stride, finite.size)])
            self.sentinels += stand_ins(finite, *conversion)
        labels = map(str, block["time"].to_index()) if "time" in block.dims else ["the only field"]
        for label, gone in zip(labels, is_missing, strict=True):
            if gone.all():
                self.empty_steps.append(label)
                continue
            self.mask = gone if self.mask is None else self.mask
            if (gone != self.mask).any():
                self.partial_steps.append(label)
        _follow_tail(self, fields)

    @property
    def mean(self) -> float:
        """The mean of all finite values; there has to be one."""
        return self.total / self.n

    @property
    def high(self) -> float:
        """The 99.9th percentile; there have to be a `stride` and a finite value."""
        return float(np.quantile(np.concatenate(self.sample), 0.999))

    def missing_problems(self, name: str, where: str) -> list[Problem]:
        """Return problems a sample cannot show: missing values (CD-033), no variance (CD-034), a dead tail (CD-009)."""
        problems = []
        fix = "set data.on_missing in the recipe to mask or skip_date, or supply the values"
        if self.n == 0:
            return [Problem(33, where, f"variable {name!r} has no value at all", "correct the data or the entry")]
        if self.empty_steps:
            what = f"variable {name!r} is missing entirely on {len(self.empty_steps)} dates: {_list(self.empty_steps)}"
            problems.append(Problem(33, where, what, fix))
        if self.partial_steps:
            share = self.n_missing / self.n_cells
            what = f"variable {name!r} has missing values ({share:.2%}) that come and go: {_list(self.partial_steps)}"
            problems.append(Problem(33, where, what, fix))
        if self.smallest == self.largest:
            what = f"variable {name!r} is {self.smallest:g} everywhere"
            problems.append(Problem(34, where, what, "leave it out, or correct the data"))
        elif self.constant_tail >= _TAIL and self.tail_value != 0.0:
            what = f"variable {name!r} is {self.tail_value:g} everywhere on the last {self.constant_tail} dates"
            problems.append(Problem(9, where, what, "make the file again: its end was not written"))
        return problems


def scan_fields(
    values: xr.DataArray, blocks: Iterable[xr.DataArray], conversion: tuple[float, float] = (1.0, 0.0)
) -> Scan:
    """Return what a pass over `blocks` of a variable finds, one block in memory at a time.

    `conversion` is (scale, offset) from values in the file, which is where sentinels are looked for.
    """
    scan = Scan(stride=max(1, int(np.ceil(values.size / _QUANTILE_SAMPLE))))
    for block in blocks:
        scan.add(block, conversion)
    return scan


def _follow_tail(scan: Scan, fields: np.ndarray) -> None:
    for values in fields:
        low = float(values.flat[0])
        if (values == low).all():
            scan.constant_tail = scan.constant_tail + 1 if low == scan.tail_value else 1
            scan.tail_value = low
        else:
            scan.constant_tail, scan.tail_value = 0, np.nan


def value_problems(name: str, variable: Variable, scan: Scan, where: str) -> list[Problem]:
    """Return sentinels (CD-032), infinities (CD-033) and implausible or impossible numbers (CD-030)."""
    problems = []
    if scan.sentinels:
        what = f"variable {name!r} has values that stand for missing ones: {listed(scan.sentinels)}"
        return [Problem(32, where, what, f"set missing: [...] of {name} in the entry")]
    if scan.n_infinite:
        what = f"variable {name!r} is infinite in {scan.n_infinite} cells"
        problems.append(Problem(33, where, what, "correct the data"))
    if not scan.n:
        return problems
    low, high = variable.valid_range or (-np.inf, np.inf)
    if scan.smallest < low or scan.largest > high:
        what = f"variable {name!r} runs from {scan.smallest:.4g} to {scan.largest:.4g} {variable.units}"
        what += f", outside its valid range {low:g} to {high:g}"
        problems.append(Problem(30, where, what, "correct the units, scale_factor or valid_range in the entry"))
    strange = implausible(variable.standard_name, variable.units, scan.mean, scan.high)
    if strange and variable.is_plausibility_checked:
        fix = f"set scale_factor of {name} in the entry, or is_plausibility_checked: false if the numbers are right"
        problems.append(Problem(30, where, f"variable {name!r} {strange}", fix))
    return problems


def _sample(values: xr.DataArray) -> Iterator[xr.DataArray]:
    if "time" not in values.dims:
        yield values.load()
        return
    n_times = values.sizes["time"]
    cells = max(1, values.size // max(n_times, 1))
    for step in np.unique(np.linspace(0, n_times - 1, int(np.clip(_SAMPLE_CELLS // cells, 3, 24))).astype(int)):
        yield values.isel(time=slice(step, step + 1)).load()


def _blocks(values: xr.DataArray) -> Iterator[xr.DataArray]:
    if "time" not in values.dims:
        yield values.load()
        return
    n_times = values.sizes["time"]
    length = max(1, _BLOCK_CELLS // max(1, values.size // max(n_times, 1)))
    for start in range(0, n_times, length):
        yield values.isel(time=slice(start, start + length)).load()


def _calendar(name: str) -> str:
    return next((min(same) for same in _SAME_CALENDAR if name in same), name)


def _seconds(steps: np.ndarray) -> np.ndarray:
    return np.array([step.total_seconds() for step in steps])


def _list(items: Iterable[object]) -> str:
    shown = [str(item) for item in items]
    more = f" and {len(shown) - _LISTED} more" if len(shown) > _LISTED else ""
    return ", ".join(shown[:_LISTED]) + more
