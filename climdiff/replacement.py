"""A file that appears whole or not at all: written under another name, flushed to the disk, renamed."""

from __future__ import annotations

import glob
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(target: Path, building: Path | None = None) -> Iterator[Path]:
    """Give a path to write to, which becomes `target` when all went well and is removed when not.

    It is `building`, which must be this process's own, or else a hidden file beside the target, named for this process;
    what processes that were killed left there goes.

    Raises:
        OSError: it cannot be written, and names the target; nothing of it is left.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    building = building or _beside(target)
    try:
        yield building
        with building.open("rb") as stream:
            os.fsync(stream.fileno())
        building.replace(target)
    except OSError as error:
        if error.errno and str(error.filename or building) == str(building):  # others have a text only, which stays
            error.filename = str(target)
        raise
    finally:
        building.unlink(missing_ok=True)


def _beside(target: Path) -> Path:
    prefix = f".{target.name}."
    for leftover in target.parent.glob(f"{glob.escape(prefix)}*"):
        if is_abandoned(leftover.name.removeprefix(prefix)):
            leftover.unlink(missing_ok=True)
    return target.with_name(f"{prefix}{process_name()}")


def process_name() -> str:
    """Return a name for the files of this process, by host and process number."""
    return f"{socket.gethostname()}-{os.getpid()}"


def is_abandoned(name: str) -> bool:
    """Return whether `name`, made by `process_name` on this host, belongs to a process that has ended."""
    host, _, number = name.rpartition("-")
    if host != socket.gethostname() or not number.isdigit():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return int(number) == os.getpid()
