"""The data sets climdiff knows by name, opened lazily with canonical names, units and coordinates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

import xarray as xr

from climdiff.catalog import files, opening, quality
from climdiff.catalog.schema import Entry, Part
from climdiff.catalog.synthetic import World
from climdiff.errors import DataError, Problem, RecipeError

__all__ = ["Entry", "Part", "find", "find_part", "names", "open_part", "open_unchecked"]


def names() -> list[str]:
    """Return the names of all entries, sorted."""
    return sorted(files.paths())


def find(name: str) -> Entry:
    """Return the entry `name`.

    Raises:
        RecipeError: there is no such entry, or its file is wrong (CD-037).
        SecurityError: its file has what catalogs may not have (CD-039, CD-040).
    """
    known = files.paths()
    if name not in known:
        problem = _unknown("catalog entry", name, sorted(known), "catalog")
        looked = ", ".join(f"{folder}{'' if folder.is_dir() else ' (absent)'}" for folder in files.folders())
        own = f"{problem.fix}, or describe data of your own in {files.OWN}/<name>.yaml"
        raise RecipeError(replace(problem, what=f"{problem.what} in {looked}", fix=own))
    return files.read(known[name])


def find_part(reference: str, subset: str | None = None) -> tuple[Entry, str, str | None]:
    """Return (entry, part name, subset) of `<entry>/<part>`; the default subset where none is given.

    Raises:
        RecipeError: unknown entry, part or subset (CD-037).
    """
    name, _, part_name = reference.partition("/")
    entry = find(name)
    if part_name not in entry.parts:
        raise RecipeError(_unknown("part", part_name, sorted(entry.parts), name))
    part = entry.parts[part_name]
    chosen = part.default_subset if subset is None else subset
    if chosen is not None and chosen not in part.subsets:
        raise RecipeError(_unknown("subset", chosen, sorted(part.subsets), reference))
    if chosen is None and part.subsets:
        what = f"has the subsets {', '.join(part.subsets)} and none was named"
        raise RecipeError(Problem(37, reference, what, "name a subset"))
    return entry, part_name, chosen


def open_part(reference: str, subset: str | None = None, options: Mapping[str, Any] | None = None) -> xr.Dataset:
    """Return a part `<entry>/<part>` as a lazy data set (time, y, x) of float32 fields in the entry's units.

    Names, units, coordinates and times are checked, and a sample of the values. `options` are those of the embedded
    world.

    Raises:
        RecipeError: unknown entry, part, subset or option (CD-037).
        DataError: no file (CD-012), or everything found wrong with the data.
        SecurityError: an address or file that is not allowed (CD-039, CD-040, CD-042).
    """
    entry, part_name, chosen = find_part(reference, subset)
    opened = open_unchecked(entry, part_name, chosen, options)
    problems = list(opened.problems)
    if entry.parts[part_name].engine != "synthetic":
        problems += quality.quick(opened, entry.parts[part_name], place(reference, chosen))
    if problems:
        raise DataError(*problems)
    return opened.dataset


def open_unchecked(
    entry: Entry, part_name: str, subset: str | None, options: Mapping[str, Any] | None = None
) -> opening.Opened:
    """Return what of a part can be opened, and the problems of the rest, without looking at values."""
    if entry.parts[part_name].engine == "synthetic":
        return opening.Opened(World.from_options(options).open(part_name))
    if options:
        what = f"options {', '.join(sorted(options))} given, but only the embedded world has options"
        raise RecipeError(Problem(37, f"{entry.name}/{part_name}", what, "remove data.options"))
    return opening.open_files(entry, part_name, subset)


def place(reference: str, subset: str | None) -> str:
    """Return the name of a part and subset for messages."""
    return reference if subset is None else f"{reference} ({subset})"


def _unknown(kind: str, name: str, known: list[str], where: str) -> Problem:
    near = get_close_matches(name, known, n=1)
    fix = f"did you mean {near[0]!r}" if near else f"use one of {', '.join(known)}"
    return Problem(37, where, f"no {kind} {name!r}", fix)
