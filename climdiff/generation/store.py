"""A zarr 3 store of an ensemble: made in one step, written unit by unit, every chunk checksummed and receipted.

Beside the arrays lies `.climdiff/`: `plan.json` (what the store is for), `receipts/` (what is done), `work/` (files on
their way, one folder per process) and `lock` (who works on which unit; byte k stands for unit k).
"""

from __future__ import annotations

import errno
import fcntl
import glob
import logging
import math
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from zarr.storage import MemoryStore

from climdiff.errors import MismatchError, OutputError, Problem
from climdiff.generation.crashpoints import crash_point
from climdiff.generation.plan import Plan, Unit, suggest_sizes
from climdiff.generation.receipts import FOLDER, Receipt, Receipts, put_file, sha256
from climdiff.generation.skeleton import CODECS, Skeleton, build_skeleton, differences, read_record
from climdiff.generation.template import Template
from climdiff.replacement import is_abandoned, process_name

logger = logging.getLogger(__name__)


class Store:
    """An ensemble on disk that several processes may fill at once. Made by `open_store`."""

    def __init__(self, path: Path, skeleton: Skeleton) -> None:
        self.path = path
        self.plan: Plan = skeleton.plan
        self.skeleton = skeleton
        self.receipts = Receipts(path, skeleton.unit_files)
        self.work = path / FOLDER / "work" / process_name()
        _make_folders(path)
        for folder in self.work.parent.iterdir():
            if is_abandoned(folder.name):
                shutil.rmtree(folder, ignore_errors=True)
        self.work.mkdir(exist_ok=True)
        # One open file for all claims: closing any other would free every byte this process has locked.
        self._lock = (path / FOLDER / "lock").open("r+b")

    def close(self) -> None:
        """Let go of the lock file and remove this process's folder for files on their way."""
        self._lock.close()
        shutil.rmtree(self.work, ignore_errors=True)

    def is_done(self, unit: Unit, thorough: bool = False) -> bool:
        """Return whether a unit has a receipt and its files the right size; `thorough`: the right content."""
        receipt = self.receipts.find(unit)
        return receipt is not None and not any(damage(self.path, receipt, thorough).values())

    @contextmanager
    def claim(self, unit: Unit) -> Iterator[bool]:
        """Hold a unit while working on it; False if another process holds it. Ends with the process, however it ends.

        Where the file system has no locks everybody may hold everything: work is then done twice, never wrongly.
        """
        index = self.plan.index(unit)
        try:
            fcntl.lockf(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, index)
            is_held = True
        except (BlockingIOError, PermissionError):
            is_held = False
        except OSError:
            is_held = True
        try:
            yield is_held
        finally:
            with suppress(OSError):
                fcntl.lockf(self._lock, fcntl.LOCK_UN, 1, index)

    def write(self, unit: Unit, values: Mapping[str, np.ndarray]) -> None:
        """Write a unit, read it back, leave its receipt.

        `values` holds (realization, time, y, x) of every variable, float32. A unit that is already there whole is
        compared only; the receipt of a damaged one is withdrawn first.

        Raises:
            OutputError: CD-001, what was read back differs; CD-068, another process wrote something else.
        """
        content = {
            f"{name}/{key}": data for name, array in values.items() for key, data in self._encode(unit, array).items()
        }
        receipt = Receipt(
            unit.name, unit.n_members, {name: (len(data), sha256(data)) for name, data in content.items()}
        )
        if not self.is_done(unit, thorough=True):
            self.receipts.withdraw(unit)
            for name, data in content.items():
                crash_point("before-chunk")
                put_file(self.path / name, data, self.work)
                crash_point("after-chunk")
            self._verify(unit, values, receipt)
        self.receipts.add(unit, receipt, self.work)
        self._failure(unit).unlink(missing_ok=True)

    def mark_failed(self, unit: Unit, reason: str) -> None:
        """Note why a unit could not be made; the note goes when it is made."""
        put_file(self._failure(unit), reason.encode(), self.work)

    def _failure(self, unit: Unit) -> Path:
        return self.path / FOLDER / "failed" / f"{unit.name}.txt"

    def read(self, unit: Unit) -> dict[str, np.ndarray]:
        """Return the values of a unit, (realization, time, y, x) of every variable, checksums checked."""
        group = zarr.open_group(self.path, mode="r", use_consolidated=False)
        return {name: np.asarray(_array(group, name)[unit.members, unit.times]) for name in self.skeleton.variables}

    def read_members(self, unit: Unit) -> dict[str, np.ndarray]:
        """Return the values of those first members of a unit that an earlier, smaller plan finished; may be none."""
        receipt = self.receipts.find_shorter(unit)
        if receipt is None or any(damage(self.path, receipt, thorough=True).values()):
            return {}
        return {name: array[: receipt.n_members] for name, array in self.read(unit).items()}

    def _encode(self, unit: Unit, values: np.ndarray) -> dict[str, bytes]:
        """Return the chunk files of one variable: key in the whole array -> content."""
        chunks = self.skeleton.chunks
        files: dict[str, Any] = {}
        array = zarr.create_array(
            MemoryStore(files), shape=values.shape, chunks=chunks, config={"write_empty_chunks": True}, **CODECS
        )
        array[...] = values
        first = (unit.members.start // chunks[0], unit.times.start // chunks[1], 0, 0)
        encoded = {}
        for key, content in files.items():
            if key.startswith("c/"):
                numbers = [int(part) + start for part, start in zip(key[2:].split("/"), first, strict=True)]
                encoded["c/" + "/".join(map(str, numbers))] = content.to_bytes()
        return encoded

    def _verify(self, unit: Unit, values: Mapping[str, np.ndarray], receipt: Receipt) -> None:
        try:
            stored = self.read(unit)
            wrong = [name for name in values if not np.array_equal(stored[name], values[name], equal_nan=True)]
        except (RuntimeError, ValueError) as error:
            wrong = [str(error)]
        wrong += [path for path, fault in damage(self.path, receipt, thorough=True).items() if fault]
        if wrong:
            what = f"unit {unit.name} does not read back as written ({', '.join(wrong)})"
            raise OutputError(Problem(1, str(self.path), what, "check the disk, then run the same command again"))


def open_store(
    path: Path,
    template: Template,
    times: xr.DataArray,
    members: int,
    provenance: Mapping[str, Any],
    *,
    times_per_unit: int | None = None,
    members_per_unit: int | None = None,
    chunks: Mapping[str, int] | None = None,
) -> Store:
    """Return the store at `path`: made if nothing is there, grown if it has fewer members, else as it is.

    `provenance` (recipe and bundle hashes, sampler, guidance, seed, version) says what makes the values: an existing
    store must have the same, `INFORMATIVE` apart. Sizes left out are those of the existing store, or suggested ones.

    Raises:
        MismatchError: CD-044, something else is at `path`, or a store of another plan; says every difference.
        RecipeError: CD-072, chunks do not fit the units.
    """
    recorded = read_record(path)

    def skeleton() -> Skeleton:
        suggested = suggest_sizes(times.size, members, math.prod(template.shape))
        old = recorded["identity"] if recorded else {}
        n_times = times_per_unit or old.get("times_per_unit", suggested[0])
        n_members = members_per_unit or old.get("members_per_unit", suggested[1])
        wishes = chunks
        if wishes is None and (n_times, n_members) == (old.get("times_per_unit"), old.get("members_per_unit")):
            wishes = dict(zip(template.dims, old["chunks"], strict=True))
        plan = Plan(times.size, members, n_times, n_members)
        return build_skeleton(template, times, plan, wishes, provenance, recorded and recorded["attributes"])

    wanted = skeleton()
    if recorded is None:
        if _create(path, wanted):
            return Store(path, wanted)
        recorded = read_record(path)
        wanted = skeleton()
    assert recorded is not None
    found = differences(recorded, wanted.record)
    if found:
        fix = "ask for what the store holds, give another path with --out, or remove it to make it anew"
        raise MismatchError(Problem(44, str(path), f"store belongs to another run ({'; '.join(found)})", fix))
    _warn_of_version(path, recorded, provenance)
    store = Store(path, wanted)
    for name, content in wanted.all_files().items():
        file = path / name
        if not file.is_file() or file.read_bytes() != content:
            put_file(file, content, store.work)
            crash_point("after-metadata")
    return store


def _create(path: Path, skeleton: Skeleton) -> bool:
    """Make a store in one step; False if another process was faster."""
    path.parent.mkdir(parents=True, exist_ok=True)
    prefix, suffix = f".{path.name}.", ".partial"
    for leftover in path.parent.glob(f"{glob.escape(prefix)}*{suffix}"):
        if is_abandoned(leftover.name.removeprefix(prefix).removesuffix(suffix)):
            shutil.rmtree(leftover, ignore_errors=True)
    temporary = path.parent / f"{prefix}{process_name()}{suffix}"
    try:
        _make_folders(temporary)
        for name, content in skeleton.all_files().items():
            file = temporary / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        crash_point("before-create")
        temporary.rename(path)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
            raise
        return False
    crash_point("after-create")
    return True


def _make_folders(path: Path) -> None:
    """Make what may be empty and so may get lost in a copy."""
    for folder in ("receipts", "work", "failed"):
        (path / FOLDER / folder).mkdir(parents=True, exist_ok=True)
    (path / FOLDER / "lock").touch()


def _warn_of_version(path: Path, recorded: Mapping[str, Any], provenance: Mapping[str, Any]) -> None:
    old, new = recorded["identity"].get("version"), provenance.get("version")
    if old != new:
        logger.warning(
            "%s was begun with climdiff %s, this is %s: to be safe, finish it with the former", path, old, new
        )


def failures(path: Path) -> list[str]:
    """Return why units of a store could not be made, in the order of the units."""
    return [file.read_text(errors="replace") for file in sorted((path / FOLDER / "failed").glob("*.txt"))]


def damage(path: Path, receipt: Receipt, thorough: bool) -> dict[str, int]:
    """Return the fault of every file in a receipt: 0 none, 3 missing, 4 empty, 5 wrong size, 1 wrong content."""
    faults = {}
    for name, (size, digest) in receipt.files.items():
        file = path / name
        try:
            found = file.stat().st_size
            if found != size:
                faults[name] = 5 if found else 4
            else:
                faults[name] = int(thorough and sha256(file.read_bytes()) != digest)
        except FileNotFoundError:
            faults[name] = 3
    return faults


def _array(group: zarr.Group, name: str) -> zarr.Array:
    array = group[name]
    assert isinstance(array, zarr.Array)
    return array
