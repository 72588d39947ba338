"""Finds what is missing or damaged in a store, by its receipts, and says which dates and members are hit."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from climdiff.errors import MismatchError, Problem
from climdiff.generation.plan import Plan, Unit, unit_files
from climdiff.generation.receipts import Receipts, sha256
from climdiff.generation.skeleton import PLAN_FILE, read_record
from climdiff.generation.store import damage, failures
from climdiff.generation.template import date_text

_REPAIR = "run the same generate command with --repair: it makes only what is damaged"
_FAULTS = {
    1: "content differs from its receipt (a bit was flipped, or something else wrote here)",
    3: "missing chunk",
    4: "chunk is empty (0 bytes)",
    5: "chunk is truncated or has grown",
}
_LISTED = 10


def check_store(path: Path) -> list[Problem]:
    """Return everything wrong with a store: damaged files with array, chunk and time range, then what is not made yet.

    Reads every byte of the store once, one file at a time.

    Raises:
        MismatchError: CD-044 or CD-006, it is no climdiff store or its plan cannot be read.
    """
    record = read_record(path)
    if record is None:
        what = "nothing there, expected a climdiff store"
        raise MismatchError(Problem(44, str(path), what, "check the path, or run generate first"))
    problems = _metadata_problems(path, record["files"])
    identity = record["identity"]
    plan = Plan(identity["n_times"], record["members"], identity["times_per_unit"], identity["members_per_unit"])
    coordinates = None if problems else xr.open_zarr(path, chunks=None)
    receipts = Receipts(path, None if coordinates is None else _files(identity, coordinates))
    missing: list[str] = []
    n_missing = 0
    for unit in plan.units:
        receipt = receipts.find(unit)
        if receipt is None:
            n_missing += 1
            missing += [unit.name] if len(missing) < _LISTED else []
            continue
        for name, fault in damage(path, receipt, thorough=True).items():
            if fault:
                what = f"{_place(name, identity['chunks'], coordinates)}: {_FAULTS[fault]}"
                problems.append(Problem(fault, str(path / name), what, _REPAIR))
    problems += [
        Problem(75, str(path), reason, "mend the input, then run the same command") for reason in failures(path)
    ]
    if n_missing:
        more = ", ..." if n_missing > len(missing) else ""
        what = f"{n_missing} of {len(plan.units)} units are not made yet ({', '.join(missing)}{more})"
        problems.append(Problem(11, str(path), what, "run the same generate command again to complete it"))
    return problems


def _files(identity: dict[str, Any], ensemble: xr.Dataset) -> Callable[[Unit], set[str]]:
    variables = list(identity["variables"])
    shape = ensemble[variables[0]].shape[2:]
    return partial(unit_files, variables=variables, chunks=identity["chunks"], shape=shape)


def _metadata_problems(path: Path, files: dict[str, str]) -> list[Problem]:
    problems = []
    for name, digest in sorted(files.items()):
        file = path / name
        if not file.is_file():
            problems.append(
                Problem(
                    6,
                    str(file),
                    f"file of the store's metadata or coordinates is missing ({PLAN_FILE} lists it)",
                    _AGAIN,
                )
            )
        elif sha256(file.read_bytes()) != digest:
            problems.append(
                Problem(6, str(file), f"metadata or coordinates differ from the hash in {PLAN_FILE}", _AGAIN)
            )
    return problems


_AGAIN = "run the same generate command again: it writes metadata and coordinates anew"


def _place(name: str, chunks: list[int], ensemble: xr.Dataset | None) -> str:
    """Return array, chunk index and, where coordinates can be read, what the chunk covers along each dimension."""
    array, _, key = name.partition("/c/")
    index = [int(part) for part in key.split("/")]
    place = f"variable {array!r}, chunk ({', '.join(map(str, index))})"
    if ensemble is None:
        return place
    ranges = []
    for dim, number, size in zip(ensemble[array].dims, index, chunks, strict=True):
        values = ensemble[dim].values[number * size : (number + 1) * size]
        ranges.append(f"{dim} {_text(values[0])} to {_text(values[-1])}")
    return f"{place}, {', '.join(ranges)}"


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float | int | np.number) else date_text(value)
