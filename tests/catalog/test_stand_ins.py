from __future__ import annotations

import numpy as np
import pytest

from climdiff.catalog.stand_ins import listed, stand_ins


@pytest.mark.parametrize("number", [-9999.0, -999.0, -32768.0, 1e20, 9.96921e36, -1e30])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fault_032_numbers_that_stand_for_missing_ones_are_counted(number, dtype):
    values = np.array([280.0, np.nan, number, number, np.inf], dtype)
    name = f"{number:g}" if abs(number) < 1e15 else "beyond 1e+19"
    assert stand_ins(values) == {name: 2}
    assert listed(stand_ins(values)) == f"{name} in 2 cells"


def test_they_are_looked_for_as_the_file_has_them():
    celsius = np.array([-9999.0 - 273.15, 12.0], np.float32)
    assert stand_ins(celsius) == {}
    assert stand_ins(celsius, 1.0, -273.15) == {"-9999": 1}
    assert stand_ins(np.array([1e20 * 86400.0, 3.0]), 86400.0) == {"beyond 1e+19": 1}


def test_sound_numbers_none_and_missing_ones_are_no_stand_ins():
    assert stand_ins(np.array([8e18, -30.0, 0.0])) == {}
    assert stand_ins(np.array([np.nan, np.nan])) == {}
    assert stand_ins(np.empty((0, 3))) == {}
    assert stand_ins(np.array([-9999, 3])) == {"-9999": 1}
