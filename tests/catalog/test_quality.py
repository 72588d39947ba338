from __future__ import annotations

import numpy as np
import pytest

from climdiff.catalog.entries import open_part
from climdiff.catalog.quality import scan_fields
from climdiff.errors import DataError


def opening_problems() -> list[str]:
    with pytest.raises(DataError) as caught:
        open_part("my-set/fine")
    return [str(problem) for problem in caught.value.problems]


def test_fault_022_repeated_times_are_listed(data_set, days):
    data_set(fine_1=days(10), fine_2=days(10, "2001-01-09"))
    (message,) = opening_problems()
    assert "CD-022 my-set/fine: coordinate 'time' has 2 times more than once: 2001-01-09" in message


def test_fault_025_another_calendar_than_declared_is_refused(data_set, days):
    data_set({"calendar: standard": "calendar: 360_day"}, fine=days())
    assert "calendar 'proleptic_gregorian', the entry says '360_day'" in opening_problems()[0]


@pytest.mark.parametrize(("value", "name"), [(-9999.0, "-9999"), (1e20, "beyond 1e+19")])
def test_fault_032_a_sentinel_is_found_before_its_unit_hides_it(data_set, days, value, name):
    raw = days()
    raw.tas[:, 1, 2] = value
    data_set(fine=raw)
    (message,) = opening_problems()
    assert f"CD-032 my-set/fine: variable 'tas' has values that stand for missing ones: {name} in" in message


def test_a_declared_sentinel_is_a_missing_value(data_set, days):
    raw = days()
    raw.tas[:, 1, 2] = -9999.0
    data_set({"air_temperature, units: K": "air_temperature, units: K, missing: [-9999]"}, fine=raw)
    assert int(open_part("my-set/fine").tas.isnull().sum()) == 20


def test_fault_033_infinite_values_are_refused(data_set, days):
    raw = days()
    raw.tas[:, 0, 0] = np.inf
    data_set(fine=raw)
    assert "CD-033 my-set/fine: variable 'tas' is infinite in" in opening_problems()[0]


def test_fault_030_right_label_wrong_numbers(data_set, days):
    raw = days()
    raw.pr.attrs["units"] = "mm day-1"
    data_set(fine=raw)
    (message,) = opening_problems()
    assert "CD-030 my-set/fine: variable 'pr' has a mean of" in message
    assert "looks like a factor 86 400 too small" in message
    data_set({"lower_bound: 0": "is_plausibility_checked: false"})
    open_part("my-set/fine")


def test_values_outside_the_declared_range_are_refused(data_set, days):
    data_set({"air_temperature, units: K": "air_temperature, units: K, valid_range: [280, 290]"}, fine=days())
    assert "outside its valid range 280 to 290" in opening_problems()[0]


def test_a_scan_in_blocks_finds_what_a_scan_at_once_finds(days):
    values = days(30).tas.copy()
    values[3] = np.nan
    values[7, 0, 0] = np.nan
    values[20, 1, 1] = -999.0
    whole = scan_fields(values, [values])
    parts = scan_fields(values, [values[start : start + 7] for start in range(0, 30, 7)])
    for name in ("n", "smallest", "largest", "sentinels", "n_missing", "empty_steps", "partial_steps"):
        assert getattr(whole, name) == getattr(parts, name)
    assert whole.total == pytest.approx(parts.total)
    assert len(whole.empty_steps) == 1 and len(whole.partial_steps) == 1
