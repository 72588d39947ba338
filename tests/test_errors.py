"""What a user reads when something is wrong, and what the shell gets."""

from __future__ import annotations

import copy
import errno

import pytest

from climdiff.errors import (
    ClimdiffError,
    DataError,
    MismatchError,
    OutputError,
    Problem,
    RecipeError,
    RetryError,
    SecurityError,
    remedy,
)

UNITS = Problem(29, "era5.nc", "variable 'pr': units 'm', expected 'mm/day'", "set scale_factor in the entry")
TIMES = Problem(22, "era5.nc", "coordinate 'time': 2001-01-01 twice", "remove one")


def test_a_problem_reads_as_one_line_with_code_place_and_fix():
    expected = "CD-029 era5.nc: variable 'pr': units 'm', expected 'mm/day'. Fix: set scale_factor in the entry."
    assert str(UNITS) == expected


def test_fault_s9_names_from_files_neither_break_the_line_nor_steer_the_terminal():
    name = "pr\n\x1b[31mERROR\u202e\udc80 \u00e5"
    shown = str(Problem(36, f"/data/{name}.nc", f"variable {name}", f"rename {name}"))
    assert shown.isprintable()
    assert shown.count("pr\\n\\x1b[31mERROR\\u202e\\udc80 \u00e5") == 3


def test_an_error_carries_every_problem_and_prints_one_line_for_each():
    error = DataError(UNITS, TIMES)
    assert error.problems == (UNITS, TIMES)
    assert str(error).splitlines() == [str(UNITS), str(TIMES)]


@pytest.mark.parametrize(
    ("kind", "exit_code"),
    [(RecipeError, 2), (DataError, 3), (MismatchError, 4), (SecurityError, 5), (OutputError, 6), (RetryError, 75)],
)
def test_every_kind_has_the_exit_code_of_the_fault_catalogue(kind, exit_code):
    assert issubclass(kind, ClimdiffError)
    assert kind(UNITS).exit_code == exit_code


def test_no_error_exits_as_if_all_were_well():
    kinds = [ClimdiffError, *ClimdiffError.__subclasses__()]
    assert all(kind.exit_code != 0 for kind in kinds)
    assert len({kind.exit_code for kind in kinds}) == len(kinds)


def test_an_error_keeps_its_problems_when_another_process_sends_it():
    sent = copy.copy(RetryError(UNITS, TIMES))
    assert type(sent) is RetryError
    assert sent.problems == (UNITS, TIMES)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (errno.ENOSPC, "free space"),
        (errno.EDQUOT, "free space"),
        (errno.EFBIG, "ulimit"),
        (errno.EACCES, "permissions"),
    ],
)
def test_the_remedy_is_that_of_the_trouble(code, expected):
    assert expected in remedy(OSError(code, "trouble"))
