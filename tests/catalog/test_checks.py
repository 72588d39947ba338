from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from climdiff.catalog.checks import check
from climdiff.catalog.entries import find
from climdiff.errors import RecipeError


def found(subject: str = "my-set") -> dict[int, str]:
    return {problem.code: str(problem) for problem in check(subject)}


def test_a_good_set_has_no_problem(data_set, days):
    data_set(fine=days(60))
    assert check("my-set") == check("my-set/fine") == check(find("my-set")) == []


def test_everything_wrong_is_found_in_one_go(data_set, days):
    raw = days(60).drop_isel(time=[30, 31])
    raw.pr.attrs["units"] = "mm day-1"
    raw.tas[5] = np.nan
    raw.tas[9, 0, 0] = np.nan
    data_set(fine=raw)
    problems = check("my-set")
    assert [problem.code for problem in problems] == [23, 30, 33, 33]
    assert "leaves 1 gaps in steps of 1 days: 2001-01-30 00:00:00 to 2001-02-02 00:00:00" in str(problems[0])
    assert "missing entirely on 1 dates: 2001-01-06" in str(problems[2])
    assert "that come and go: 2001-01-10" in str(problems[3])


def test_fault_023_a_jump_over_months_not_covered_is_no_gap(data_set, days):
    winters = xr.concat([days(31, "2001-01-01"), days(31, "2001-12-01")], "time")
    data_set({"time_step: 1": "time_step: 1\n    months: [12, 1]"}, fine=winters)
    assert check("my-set") == []
    data_set({"time_step: 1": "time_step: 1\n    months: [12, 1, 2]"})
    assert "2001-01-31 00:00:00 to 2001-12-01" in found()[23]


def test_fault_033_a_variable_without_values(data_set, days):
    raw = days()
    raw.tas[:] = np.nan
    data_set(fine=raw)
    assert "variable 'tas' has no value at all" in found()[33]


def test_fault_034_a_constant_variable(data_set, days):
    raw = days()
    raw.tas[:] = 4.0
    data_set(fine=raw)
    assert "variable 'tas' is 277.15 everywhere" in found()[34]


def test_fault_009_an_end_that_was_never_written(data_set, days):
    raw = days()
    raw.tas[-4:] = 0.0
    data_set(fine=raw)
    assert "variable 'tas' is 273.15 everywhere on the last 4 dates" in found()[9]


def test_a_dry_end_is_no_fault(data_set, days):
    raw = days()
    raw.pr[-4:] = 0.0
    data_set(fine=raw)
    assert check("my-set") == []


def test_fault_023_dates_only_one_side_has(data_set, days):
    variables = "variables:\n      tas: {standard_name: air_temperature, units: K}"
    data_set(
        {"parts:": f"parts:\n  coarse:\n    urlpath: set/coarse.nc\n    {variables}"}, fine=days(20), coarse=days(18)
    )
    assert "my-set/coarse and fine: 2 times are in only one of them, the first is 2001-01-19" in found()[23]


def test_a_missing_file_is_a_problem_like_others(data_set):
    data_set()
    assert "CD-012 my-set/fine: no such file or store" in found()[12]


def test_fault_012_an_unset_folder_of_data_is_one_problem(monkeypatch):
    monkeypatch.delenv("CLIMDIFF_DATA", raising=False)
    (problem,) = check("radar2km")
    assert str(problem).startswith("CD-012 radar2km: the environment variable CLIMDIFF_DATA, ")


def test_an_unknown_part_is_an_error(data_set, days):
    data_set(fine=days())
    with pytest.raises(RecipeError, match="no part 'fin'"):
        check("my-set/fin")


def test_the_embedded_world_is_fine():
    assert check("world") == []


def test_the_real_sets_are_fine(monkeypatch, real_data):
    monkeypatch.setenv("CLIMDIFF_DATA", str(real_data))
    assert check("racmo-iberia") == []
