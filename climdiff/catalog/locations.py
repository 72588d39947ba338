"""Where the files of a part are: below one declared folder, or a remote store whose address is harmless."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from climdiff.catalog import classic
from climdiff.errors import DataError, Problem, SecurityError

SCHEMES = ("https", "s3", "gs", "az")
ROOT_VARIABLE = "CLIMDIFF_DATA"
_LONGEST = 1000
_HDF5 = b"\x89HDF\r\n\x1a\n"


def is_remote(urlpath: str, where: str) -> bool:
    """Return whether `urlpath` is a remote address rather than a local path.

    Raises:
        SecurityError: a scheme that is not allowed, chained addresses, or a password in the address (CD-042).
    """
    if "::" in urlpath:
        what = "urlpath chains addresses with '::', which could read anything"
        raise SecurityError(Problem(42, where, what, "give the address of the store itself"))
    if ":" not in urlpath:
        return False
    parts = urlsplit(urlpath)
    if parts.scheme not in SCHEMES:
        what = f"urlpath has scheme {parts.scheme!r}, expected one of {', '.join(SCHEMES)}, or a local path"
        raise SecurityError(Problem(42, where, what, "use an allowed scheme"))
    if "@" in parts.netloc:
        what = "urlpath has a user name or password in it"
        raise SecurityError(Problem(42, where, what, "give credentials in the environment, never in a catalog"))
    return True


def local_paths(urlpath: str, where: str) -> list[Path]:
    """Return the existing files or stores `urlpath` names below the folder in `CLIMDIFF_DATA`, sorted by name.

    Raises:
        SecurityError: the path leads out of that folder, also by a link (CD-042).
        DataError: the variable is not set, or nothing is there (CD-012).
    """
    relative = Path(urlpath)
    if relative.is_absolute() or ".." in relative.parts or "\0" in urlpath or len(urlpath) > _LONGEST:
        what = f"urlpath {urlpath[:100]!r} is not a plain path below {ROOT_VARIABLE}"
        raise SecurityError(Problem(42, where, what, f"write it relative to {ROOT_VARIABLE}, without '..'"))
    named = os.environ.get(ROOT_VARIABLE)
    if not named:
        what = f"the environment variable {ROOT_VARIABLE}, below which its files are looked for, is not set"
        fix = f"set {ROOT_VARIABLE}=<folder that holds {relative.parts[0]}>"
        raise DataError(Problem(12, where.partition("/")[0], what, fix))  # one for all parts and subsets
    root = Path(named)
    found = sorted(root.glob(urlpath)) if "*" in urlpath else [root / relative]
    outside = [path for path in found if not path.resolve().is_relative_to(root.resolve())]
    if outside:
        what = f"{outside[0]} leads out of {root} to {outside[0].resolve()}"
        raise SecurityError(Problem(42, where, what, f"keep the data inside {ROOT_VARIABLE}"))
    missing = [path for path in found if not path.exists()]
    if missing or not found:
        what = f"no such file or store: {missing[0] if missing else root / relative}"
        fix = f"set {ROOT_VARIABLE}=<folder that holds {relative.parts[0]}>, now {named}, or get the data"
        raise DataError(Problem(12, where, what, fix))
    return found


def netcdf_problem(path: Path) -> Problem | None:
    """Return what says that `path` is no whole netCDF file, or None: nothing but its header is read.

    CD-012 it cannot be read, CD-008 its first bytes are of something else, CD-007 it is classic and cut short.
    """
    try:
        with path.open("rb") as file:
            start = file.read(16)
            if start[:4] in classic.MAGIC:
                file.seek(0)
                return _cut_short(path, file)
    except OSError as error:
        what = f"cannot be read: {error.strerror}"
        return Problem(12, str(path), what, "check that it is a file you may read; directories are zarr stores")
    if start.startswith(_HDF5):
        return None
    found = f"starts with {start.decode('latin-1')!r}" if start else "is empty"
    return Problem(8, str(path), f"not a netCDF file ({found})", "download it again")


def _cut_short(path: Path, file: BinaryIO) -> Problem | None:
    size = path.stat().st_size
    try:
        least = classic.least_size(file, size)
    except EOFError:
        return Problem(7, str(path), f"is cut off in its header, after {size} bytes", "download or write it again")
    except ValueError as error:
        return Problem(8, str(path), f"has no header of a classic netCDF file ({error})", "download or write it again")
    if size >= least:
        return None
    return Problem(7, str(path), f"is cut off: {size} bytes, its header promises {least}", "download or write it again")
