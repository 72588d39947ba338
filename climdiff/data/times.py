"""Pairs the time axes of two data sets date by date, in any calendar, and says what does not match."""

from __future__ import annotations

from collections.abc import Sequence

import cftime
import numpy as np
import xarray as xr

from climdiff.errors import DataError, Problem

MICROSECONDS_PER_HOUR = 3_600_000_000
# Calendars that count the same days once the Gregorian reform (15 October 1582) is over.
REAL_WORLD_CALENDARS = ("standard", "gregorian", "proleptic_gregorian")
REFORM = int(np.datetime64("1582-10-15", "us").astype(np.int64))
SHOWN_DATES = 3


def calendar_of(times: xr.DataArray, where: str = "data") -> str:
    """Return the calendar's name; dates after the reform in any real-world calendar are `standard`.

    Raises:
        DataError: CD-025 when `times` holds numbers instead of dates.
    """
    if times.dtype.kind != "M" and not (times.size and isinstance(times.values.flat[0], cftime.datetime)):
        raise DataError(
            Problem(
                25,
                where,
                f"coordinate 'time' has {times.size} values of type {times.dtype}, expected decoded dates",
                "give the time variable CF attributes 'units' and 'calendar' and open it with decode_times=True",
            )
        )
    calendar = str(times.dt.calendar)
    if calendar in REAL_WORLD_CALENDARS and times.size and _count(times, calendar).min() >= REFORM:
        return "standard"
    return calendar


def microseconds(times: xr.DataArray) -> np.ndarray:
    """Return the times as int64 microseconds since 1970-01-01 in their own calendar [us]."""
    return _count(times, str(times.dt.calendar))


def iso_dates(times: xr.DataArray, positions: Sequence[int] | np.ndarray | slice, shown: int = SHOWN_DATES) -> str:
    """Return the first `shown` of the times at `positions` as ISO 8601 text, followed by … when there are more."""
    chosen = times.values[positions]
    texts = [_iso(value) for value in chosen[:shown]]
    return ", ".join(texts) + (", …" if len(chosen) > shown else "")


def pair_times(
    coarse: xr.DataArray, fine: xr.DataArray, where: tuple[str, str], allow_gaps: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return positions in `coarse` and in `fine`, sorted by date, at which both hold the same dates.

    Args:
        coarse: Times, any order and calendar.
        fine: Times, any order and calendar.
        where: What to call the two in messages.
        allow_gaps: Pair the dates both have and leave out the others, instead of raising CD-023.

    Raises:
        DataError: CD-022 duplicated times; CD-024 overlapping pieces; CD-025 different calendars; CD-026 missing dates;
            CD-027 the same dates apart from an offset; CD-023 times that only one of the two has.
    """
    absent = [problem for times, name in zip((coarse, fine), where, strict=True) for problem in _absent(times, name)]
    if absent:
        raise DataError(*absent)
    calendars = calendar_of(coarse, where[0]), calendar_of(fine, where[1])
    problems = [
        problem for times, name in zip((coarse, fine), where, strict=True) for problem in _duplicates(times, name)
    ]
    if calendars[0] != calendars[1]:
        problems.append(_other_calendar(coarse, fine, calendars, where))
    if problems:
        raise DataError(*problems)
    numbers = microseconds(coarse), microseconds(fine)
    order = np.argsort(numbers[0], kind="stable"), np.argsort(numbers[1], kind="stable")
    in_fine, in_coarse = np.isin(numbers[0][order[0]], numbers[1]), np.isin(numbers[1][order[1]], numbers[0])
    if not (in_fine.all() and in_coarse.all()) and not (allow_gaps and in_fine.any()):
        only = order[0][~in_fine], order[1][~in_coarse]
        raise DataError(_mismatch(coarse, fine, only, where))
    return order[0][in_fine], order[1][in_coarse]


def common_step(times: xr.DataArray) -> int | None:
    """Return the time from one date to the next [us] where most neighbors are that far apart, else None."""
    steps, counts = np.unique(np.diff(microseconds(times)), return_counts=True)
    most = int(counts.argmax()) if counts.size else 0
    return int(steps[most]) if counts.size and 2 * counts[most] > counts.sum() else None


def refuse_other_steps(times: xr.DataArray, step: int) -> None:
    """Refuse dates that are not a whole number of steps [us] apart: CD-023, with the first of them."""
    numbers = microseconds(times)
    off = np.flatnonzero((numbers - numbers[0]) % step)
    if off.size:
        hours = step / MICROSECONDS_PER_HOUR
        what = (
            f"{iso_dates(times, off[:1])} is no whole number of steps of {hours:g} h after {iso_dates(times, [0])}; "
            f"noise that persists needs the step of the training data"
        )
        fix = "give dates of that step, or set sample.noise_half_life to null"
        raise DataError(Problem(23, "predictors", what, fix))


def among(times: xr.DataArray, others: xr.DataArray, where: str) -> np.ndarray:
    """Return which of `times` are among `others`, (time,) bool.

    Raises:
        DataError: CD-025, two calendars.
    """
    calendars = calendar_of(times), calendar_of(others, where)
    if calendars[0] != calendars[1]:
        what = f"dates are of calendar '{calendars[1]}', those of the predictors of '{calendars[0]}'"
        raise DataError(Problem(25, where, what, "convert one of them on purpose"))
    return np.isin(microseconds(times), microseconds(others))


def numbered(fields: xr.Dataset, at: Sequence[int]) -> xr.Dataset:
    """Return the fields at those positions in time, numbered instead of dated: a batch may hold a date twice."""
    return fields.isel(time=list(at)).assign_coords(time=np.arange(len(at)))


def _count(times: xr.DataArray, calendar: str) -> np.ndarray:
    if times.dtype.kind == "M":
        return times.values.astype("datetime64[us]").astype(np.int64)
    values = times.values
    has_year_zero = values.flat[0].has_year_zero
    unit = "microseconds since 1970-01-01"
    return np.asarray(cftime.date2num(values, unit, calendar=calendar, has_year_zero=has_year_zero), dtype=np.int64)


def _iso(value: np.datetime64 | cftime.datetime) -> str:
    text = value.isoformat() if isinstance(value, cftime.datetime) else str(value.astype("datetime64[us]"))
    return text.removesuffix(".000000").removesuffix("T00:00:00")


def _absent(times: xr.DataArray, name: str) -> list[Problem]:
    """Return CD-023 where there are no dates at all, CD-026 where some are missing: one NaT would pair with another."""
    if times.size == 0:
        return [Problem(23, name, "coordinate 'time' holds no dates at all", "choose a period inside the data")]
    n_missing = int(times.isnull().sum())
    what = f"coordinate 'time': {n_missing} of {times.size} dates are missing (NaT)"
    return [Problem(26, name, what, "remove these times, or give them their dates")] if n_missing else []


def _duplicates(times: xr.DataArray, name: str) -> list[Problem]:
    numbers = microseconds(times)
    values, first, counts = np.unique(numbers, return_index=True, return_counts=True)
    if len(values) == len(numbers):
        return []
    repeated = np.sort(first[counts > 1])
    found = f"coordinate 'time': {len(repeated)} of {len(values)} dates appear more than once"
    back = np.flatnonzero(np.diff(numbers) < 0)
    if len(back):
        jump = f"{_iso(times.values[back[0]])} is followed by {_iso(times.values[back[0] + 1])}"
        what = f"{found} because pieces overlap ({jump}): {iso_dates(times, repeated)}"
        return [Problem(24, name, what, "leave the overlapping file out of the catalog entry's urlpath")]
    fix = "drop the copies with ds.drop_duplicates('time') after checking that they are equal"
    return [Problem(22, name, f"{found}: {iso_dates(times, repeated)}", fix)]


def _other_calendar(
    coarse: xr.DataArray, fine: xr.DataArray, calendars: tuple[str, str], where: tuple[str, str]
) -> Problem:
    what = (
        f"coordinate 'time' has calendar '{calendars[0]}' ({coarse.size} dates) in {where[0]} "
        f"and '{calendars[1]}' ({fine.size} dates) in {where[1]}; dates of two calendars are never paired implicitly"
    )
    fix = f"convert one of them on purpose, for example fine.convert_calendar('{calendars[0]}', align_on='date')"
    return Problem(25, " and ".join(where), what, fix)


def _mismatch(
    coarse: xr.DataArray, fine: xr.DataArray, only: tuple[np.ndarray, np.ndarray], where: tuple[str, str]
) -> Problem:
    """Return CD-027 when a constant offset explains the mismatch, else CD-023 with the dates of both sides."""
    numbers = np.sort(microseconds(coarse)), np.sort(microseconds(fine))
    place = " and ".join(where)
    offset = _offset(*numbers) if len(only[0]) == coarse.size and len(only[1]) == fine.size else None
    if offset is not None:
        low, high = (f"{value / MICROSECONDS_PER_HOUR:+g}" for value in offset)
        hours = f"{low} h" if low == high else f"between {low} and {high} h"
        what = (
            f"coordinate 'time': the same dates but {where[1]} is labelled {hours} from {where[0]} "
            f"({iso_dates(coarse, [0])} against {iso_dates(fine, [0])})"
        )
        fix = "say in the catalog entry which moment a label stands for (time_label), or shift one time axis on purpose"
        return Problem(27, place, what, fix)
    parts = [
        f"{len(positions)} of {times.size} times are only in {name} ({iso_dates(times, positions)})"
        for times, positions, name in zip((coarse, fine), only, where, strict=True)
        if len(positions)
    ]
    steps = [float(np.median(np.diff(values))) / MICROSECONDS_PER_HOUR for values in numbers if len(values) > 1]
    if len(set(steps)) > 1:
        parts.append(f"typical steps are {steps[0]:g} h and {steps[1]:g} h")
    if len(only[0]) == coarse.size:
        ends = [f"{_iso(times.values.min())} to {_iso(times.values.max())}" for times in (coarse, fine)]
        parts.append(f"none is in both: {where[0]} covers {ends[0]}, {where[1]} {ends[1]}")
    fix = "add the missing dates, or keep those both have on purpose (in Python: align(..., allow_gaps=True))"
    return Problem(23, place, "coordinate 'time': " + "; ".join(parts), fix)


def _offset(coarse: np.ndarray, fine: np.ndarray) -> tuple[int, int] | None:
    """Return the smallest and largest `fine - coarse` [us] if every fine time has its own coarse time within a step."""
    steps = np.concatenate([np.diff(coarse), np.diff(fine)])
    step = steps.min() if len(steps) else 31 * 24 * MICROSECONDS_PER_HOUR
    after = np.searchsorted(coarse, fine)
    candidates = []
    for partner in (after - 1, after):
        if partner.min() >= 0 and partner.max() < len(coarse) and len(np.unique(partner)) == len(fine):
            difference = fine - coarse[partner]
            candidates.append((int(difference.min()), int(difference.max())))
    if not candidates:
        return None
    low, high = min(candidates, key=lambda pair: (pair[1] - pair[0], abs(pair[0])))
    return (low, high) if max(abs(low), abs(high)) < step else None


def evenly_spread(n_times: int, at_most: int) -> np.ndarray:
    """Return positions among `n_times` dates, evenly spread, both ends among them; all if they are not more."""
    return np.unique(np.linspace(0, n_times - 1, min(at_most, n_times)).round().astype(int))
