"""The lock of a run's folder: one process at a time trains or calibrates there; it ends with the process."""

from __future__ import annotations

import fcntl
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from climdiff.errors import MismatchError, Problem

logger = logging.getLogger(__name__)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the lock of a run's folder, which is made if need be.

    Raises:
        MismatchError: CD-044, another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            what = "another process is training, distilling or calibrating in this folder"
            fix = "wait for it to end, or give the recipe another name"
            raise MismatchError(Problem(44, str(folder), what, fix)) from error
        except OSError as error:
            logger.warning("%s cannot be locked (%s): do not train twice in it", folder, error.strerror)
        yield
