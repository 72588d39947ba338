"""Receipts say that a unit is written and verified: one small JSON file each, without a time stamp, never overwritten.

What is missing of a run is all units less the receipts; there is no progress file that two processes could fight over.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from climdiff.errors import OutputError, Problem
from climdiff.generation.crashpoints import crash_point
from climdiff.generation.plan import Unit
from climdiff.generation.records import ReceiptRecord
from climdiff.replacement import replacing

FOLDER = ".climdiff"


@dataclass(frozen=True)
class Receipt:
    """The files of a unit, path below the store -> (size in bytes, sha256), and how many members it has."""

    unit: str
    n_members: int
    files: Mapping[str, tuple[int, str]]

    def to_json(self) -> bytes:
        """Return the receipt as it is stored; equal receipts are equal bytes."""
        files = {path: {"size": size, "sha256": digest} for path, (size, digest) in sorted(self.files.items())}
        return to_bytes({"unit": self.unit, "members": self.n_members, "files": files})

    @classmethod
    def from_json(cls, content: bytes) -> Receipt:
        """Read a stored receipt.

        Raises:
            ValueError: it is not one.
        """
        found = ReceiptRecord.model_validate_json(content)
        return cls(found.unit, found.members, {path: (file.size, file.sha256) for path, file in found.files.items()})


def to_bytes(content: Mapping[str, object]) -> bytes:
    """Return JSON with sorted keys, the same bytes for the same content."""
    return (json.dumps(content, sort_keys=True, indent=1) + "\n").encode()


def sha256(content: bytes) -> str:
    """Return the hex digest of some bytes."""
    return hashlib.sha256(content).hexdigest()


def put_file(path: Path, content: bytes, work: Path) -> None:
    """Put a file in place in one step, written under `work`, which must be this process's own.

    Raises:
        OSError: it cannot be written, and names it; nothing of it is left.
    """
    with replacing(path, work / sha256(str(path).encode())[:16]) as building:
        building.write_bytes(content)


class Receipts:
    """The receipts of one store."""

    def __init__(self, store: Path, files: Callable[[Unit], Collection[str]] | None) -> None:
        """`files` gives the paths of a unit's files below the store; without it receipts may name any."""
        self._folder = store / FOLDER / "receipts"
        self._files = files

    def path(self, unit: Unit) -> Path:
        """Return where the receipt of a unit is; a short last block has a receipt of its own."""
        return self._folder / f"{unit.name}-n{unit.n_members:04d}.json"

    def _shorter(self, unit: Unit) -> list[Unit]:
        """Return the same block with fewer members, the longest first."""
        return [
            replace(unit, members=slice(unit.members.start, end))
            for end in range(unit.members.stop - 1, unit.members.start, -1)
        ]

    def count(self) -> int:
        """Return how many receipts there are, in one listing."""
        return sum(1 for _ in self._folder.iterdir())

    def sample_sizes(self, n_most: int = 100) -> list[int]:
        """Return the sizes of some finished units [bytes]."""
        receipts = (_read(path) for path in itertools.islice(self._folder.iterdir(), n_most))
        return [sum(size for size, _ in receipt.files.values()) for receipt in receipts if receipt is not None]

    def find(self, unit: Unit) -> Receipt | None:
        """Return the receipt of a unit, None if there is none, it is damaged, or of anything but this unit's files."""
        receipt = _read(self.path(unit))
        if receipt is None or (receipt.unit, receipt.n_members) != (unit.name, unit.n_members):
            return None
        is_whole = self._files is None or set(receipt.files) == set(self._files(unit))
        return receipt if is_whole else None

    def find_shorter(self, unit: Unit) -> Receipt | None:
        """Return the receipt of the same block when it had fewer members, the one with most of them."""
        found = (self.find(shorter) for shorter in self._shorter(unit))
        return next((receipt for receipt in found if receipt is not None), None)

    def add(self, unit: Unit, receipt: Receipt, work: Path) -> None:
        """Leave a receipt, whole or not at all; if another process was faster, both must say the same.

        Receipts of the same block with fewer members go first: their files have been replaced by now.

        Raises:
            OutputError: CD-068, another process left a different receipt.
        """
        path, content = self.path(unit), receipt.to_json()
        for shorter in self._shorter(unit):
            self.path(shorter).unlink(missing_ok=True)
        temporary = work / f"{path.name}.receipt"
        temporary.write_bytes(content)
        try:
            crash_point("before-receipt")
            os.link(temporary, path)
        except FileExistsError:
            if path.read_bytes() != content:
                what = "two processes made different values for this unit"
                fix = "run with the same thread count and package versions everywhere, then generate with repair"
                raise OutputError(Problem(68, str(path), what, fix)) from None
        finally:
            temporary.unlink(missing_ok=True)
        crash_point("after-receipt")

    def withdraw(self, unit: Unit) -> None:
        """Remove the receipt of a unit whose files turned out to be damaged."""
        self.path(unit).unlink(missing_ok=True)


def _read(path: Path) -> Receipt | None:
    try:
        return Receipt.from_json(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
