"""Everything wrong with a data set, found in one go and without filling memory."""

from __future__ import annotations

import xarray as xr

from climdiff.catalog import quality
from climdiff.catalog.entries import find, find_part, open_unchecked, place
from climdiff.catalog.schema import Entry
from climdiff.errors import ClimdiffError, Problem


def check(subject: str | Entry) -> list[Problem]:
    """Return all problems of an entry, of one of its parts (`<entry>/<part>`), or an empty list.

    Every subset is opened and read whole, in blocks; the embedded world is only opened. Files that are absent or
    refused are problems like others.

    Raises:
        RecipeError: there is no such entry or part, or its catalog file is wrong.
    """
    if isinstance(subject, str) and "/" in subject:
        entry, part_name, _ = find_part(subject, _some_subset(subject))
        part_names = [part_name]
    else:
        entry = find(subject) if isinstance(subject, str) else subject
        part_names = list(entry.parts)
    problems: list[Problem] = []
    times: dict[str, dict[str, xr.DataArray]] = {}
    for part_name in part_names:
        part = entry.parts[part_name]
        for subset in part.subsets or [None]:
            where = place(f"{entry.name}/{part_name}", subset)
            try:
                opened = open_unchecked(entry, part_name, subset)
            except ClimdiffError as error:
                problems += error.problems
                continue
            problems += opened.problems
            if part.engine != "synthetic":
                problems += quality.full(opened, part, where)
            if "time" in opened.dataset.coords:
                times.setdefault(subset or "", {})[part_name] = opened.dataset["time"]
    problems += _unpaired(entry, times)
    return list(dict.fromkeys(problems))


def _some_subset(reference: str) -> str | None:
    name, _, part_name = reference.partition("/")
    part = find(name).parts.get(part_name)
    return next(iter(part.subsets), None) if part is not None else None


def _unpaired(entry: Entry, times: dict[str, dict[str, xr.DataArray]]) -> list[Problem]:
    """Return dates that only one of `coarse` and `fine` has (CD-023)."""
    problems = []
    for subset, found in times.items():
        if not {"coarse", "fine"} <= found.keys():
            continue
        coarse, fine = found["coarse"].to_index(), found["fine"].to_index()
        where = place(f"{entry.name}/coarse and fine", subset or None)
        if coarse.dtype != fine.dtype:
            what = "calendars differ between coarse and fine"
            problems.append(Problem(25, where, what, "convert one of the two"))
        elif len(alone := coarse.symmetric_difference(fine)):
            what = f"{len(alone)} times are in only one of them, the first is {alone[0]}"
            problems.append(Problem(23, where, what, "supply the other, or leave them out"))
    return problems
