"""Splits pairs into periods that are kept apart by an embargo, so that no split knows another's weather."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import xarray as xr

from climdiff.data.pairs import Pairs
from climdiff.data.times import iso_dates, microseconds
from climdiff.errors import Problem, RecipeError

MICROSECONDS_PER_DAY = 86_400_000_000


def split_periods(
    pairs: Pairs, periods: Mapping[str, tuple[str, str]], embargo_days: float, where: str = "split"
) -> dict[str, Pairs]:
    """Return the pairs of each period, lazy.

    Args:
        pairs: All pairs, sorted by date.
        periods: First and last date of each split, both included, ISO 8601 as exact as wanted: ("1983", "1997-02")
            is from the start of 1983 to the end of February 1997 in the calendar of the data.
        embargo_days: Dates of two splits have to be at least this far apart [days].
        where: What to call the place the periods come from in messages.

    Raises:
        RecipeError: CD-043 for all periods that are no dates, hold no data, overlap or come closer than the embargo.
    """
    problems: list[Problem] = []
    found: dict[str, slice] = {}
    for name, (first, last) in periods.items():
        chosen = _positions(pairs, first, last)
        if isinstance(chosen, str):
            fix = "write dates as YYYY, YYYY-MM or YYYY-MM-DD that exist in the calendar of the data"
            problems.append(Problem(43, where, f"period '{name}' ({first} to {last}): {chosen}", fix))
        elif chosen.stop <= chosen.start:
            ends = iso_dates(pairs.times, [0]), iso_dates(pairs.times, [-1])
            what = f"period '{name}' ({first} to {last}) holds no data, which cover {ends[0]} to {ends[1]}"
            problems.append(Problem(43, where, what, "choose a period inside the data, its first date first"))
        else:
            found[name] = chosen
    for one, other in combinations(sorted(found, key=lambda name: found[name].start), 2):
        problem = _too_close(pairs.times, (one, found[one]), (other, found[other]), embargo_days, where)
        problems += [problem] if problem else []
    if problems:
        raise RecipeError(*problems)
    return {name: pairs.select(found[name]) for name in periods}


def _positions(pairs: Pairs, first: str, last: str) -> slice | str:
    """Return the positions of the dates from `first` to `last`, or what is wrong with the two."""
    index = pairs.times.to_index()
    try:
        start, stop = index.get_slice_bound(first, "left"), index.get_slice_bound(last, "right")
    except (ValueError, KeyError, TypeError) as error:
        return f"not a date of calendar '{pairs.times.dt.calendar}' ({error})"
    return slice(int(start), int(stop))


def _too_close(
    times: xr.DataArray, early: tuple[str, slice], late: tuple[str, slice], embargo_days: float, where: str
) -> Problem | None:
    """Return CD-043 when two splits share dates or lie closer than the embargo; `early` starts first."""
    (one, first), (other, second) = early, late
    numbers = microseconds(times)
    if second.start < first.stop:
        last = min(first.stop, second.stop) - 1
        shared = f"{last - second.start + 1} dates, {iso_dates(times, [second.start])} to {iso_dates(times, [last])}"
        return Problem(
            43, where, f"periods '{one}' and '{other}' overlap ({shared})", "give every date to one period only"
        )
    gap_days = (numbers[second.start] - numbers[first.stop - 1]) / MICROSECONDS_PER_DAY
    if gap_days >= embargo_days:
        return None
    last_allowed = np.searchsorted(numbers, numbers[second.start] - embargo_days * MICROSECONDS_PER_DAY, "right") - 1
    close = np.arange(max(last_allowed + 1, first.start), first.stop)
    what = (
        f"periods '{one}' (last date {iso_dates(times, [first.stop - 1])}) and '{other}' "
        f"(first date {iso_dates(times, [second.start])}) are {gap_days:g} days apart, expected at least "
        f"{embargo_days:g}; {len(close)} dates of '{one}' are too close: {iso_dates(times, close)}"
    )
    end = f"end '{one}' on {iso_dates(times, [last_allowed])}" if last_allowed >= first.start else f"move '{one}'"
    return Problem(43, where, what, f"{end} or earlier, or lower embargo_days")
