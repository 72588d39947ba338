"""Errors a person can act on: a stable code, where, what, and how to fix it."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import ClassVar

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""Troubles of the file system that leave a file no room."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong with what a user gave us.

    `code` is the number in the fault catalogue (29 reads `CD-029`), `where` the file or store,
    `what` names variable and coordinate with the expected and the found value, `fix` says what to do.
    """

    code: int
    where: str
    what: str
    fix: str

    def __str__(self) -> str:
        return one_line(f"CD-{self.code:03d} {self.where}: {self.what}. Fix: {self.fix}.")


class ClimdiffError(Exception):
    """Base of every error climdiff raises on purpose; carries all problems found in one go."""

    exit_code: ClassVar[int] = 1

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems

    def __reduce__(self) -> tuple[type[ClimdiffError], tuple[Problem, ...]]:
        return type(self), self.problems


class RecipeError(ClimdiffError):
    """The recipe or the command line is wrong."""

    exit_code = 2


class DataError(ClimdiffError):
    """Input data are missing or wrong."""

    exit_code = 3


class MismatchError(ClimdiffError):
    """A checkpoint, bundle or store does not belong to what is asked of it."""

    exit_code = 4


class SecurityError(ClimdiffError):
    """Refused because it could harm the user's machine or data."""

    exit_code = 5


class OutputError(ClimdiffError):
    """Output is incomplete or corrupt."""

    exit_code = 6


class RetryError(ClimdiffError):
    """Something passing (disk, network, preemption): the same command can be run again."""

    exit_code = 75


def one_line(text: str) -> str:
    """Return text as a terminal or a log may show it: a name from a file may hold line ends or escape sequences."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def remedy(error: OSError) -> str:
    """Return what a person can do about a trouble of the file system."""
    if error.errno == errno.EFBIG:
        return "raise the limit on the size of files (ulimit -f)"
    return "free space" if error.errno in FULL else "check path and permissions"
