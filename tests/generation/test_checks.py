"""Holes in the input, impossible values and full disks are found and named."""

from __future__ import annotations

from collections import namedtuple
from pathlib import Path
from types import ModuleType

import cftime
import numpy as np
import pytest
import xarray as xr

from climdiff.errors import OutputError, RetryError
from climdiff.generation import checks
from climdiff.generation.store import open_store


def test_a_hole_is_named_by_variable_and_date_and_a_mask_is_not_a_hole(fakes: ModuleType) -> None:
    coarse = fakes.coarse_world()
    coarse["pr"][:, 0, :2] = np.nan
    masks = checks.always_missing(coarse)
    assert checks.incomplete_dates(coarse, masks) == []
    coarse["pr"][2, 1, 1:4] = np.nan
    coarse["pr"][5, 2, 0] = np.inf
    assert checks.incomplete_dates(coarse, masks) == [
        "variable 'pr', time 2002-01-01T00:00:00: 3 of 12 cells",
        "variable 'pr', time 2002-01-04T00:00:00: 1 of 12 cells",
    ]


def test_a_single_empty_date_and_an_empty_variable_are_holes(fakes: ModuleType) -> None:
    one = fakes.coarse_world(1)
    one["pr"][:] = np.nan
    assert checks.incomplete_dates(one, checks.always_missing(one)) == [
        "variable 'pr', time 2001-12-30T00:00:00: 12 of 12 cells"
    ]
    many = fakes.coarse_world(4)
    many["pr"][:] = np.nan
    assert len(checks.incomplete_dates(many, checks.always_missing(many))) == 4


def test_an_empty_first_date_does_not_hide_later_ones(fakes: ModuleType) -> None:
    coarse = fakes.coarse_world()
    coarse["pr"][0] = np.nan
    assert len(checks.incomplete_dates(coarse, checks.always_missing(coarse))) == 1


def test_dates_of_other_calendars_are_named(fakes: ModuleType) -> None:
    coarse = fakes.coarse_world(2).assign_coords(time=[cftime.Datetime360Day(2000, 2, day) for day in (29, 30)])
    coarse["pr"][1, 0, 0] = np.nan
    assert checks.incomplete_dates(coarse, checks.always_missing(coarse)) == [
        "variable 'pr', time 2000-02-30 00:00:00: 1 of 12 cells"
    ]


@pytest.mark.parametrize(("value", "shown"), [(-0.25, "-0.25"), (np.nan, "nan"), (np.inf, "inf")])
def test_an_impossible_value_is_named_by_variable_member_and_date(fakes: ModuleType, value: float, shown: str) -> None:
    values = {name: np.ones((2, 3, 6, 8), np.float32) for name in ("pr", "tas")}
    times = fakes.coarse_world()["time"][:3]
    checks.check_values(values, fakes.rotated_template(), times, [4, 5], "ens.zarr", False)
    values["tas"][:] = -5
    values["pr"][1, 2, 3, 4] = value
    with pytest.raises(OutputError) as caught:
        checks.check_values(values, fakes.rotated_template(), times, [4, 5], "ens.zarr", False)
    (problem,) = caught.value.problems
    assert problem.code == 81 and problem.where == "ens.zarr"
    assert problem.what == (
        f"variable 'pr': 1 values are not finite or outside [0.0, inf], the first is {shown} in member 5, "
        "time 2002-01-01T00:00:00"
    )


def test_missing_values_pass_where_the_target_is_masked_and_infinity_does_not(fakes: ModuleType) -> None:
    values = {"pr": np.full((1, 1, 6, 8), np.nan, np.float32)}
    times = fakes.coarse_world(1)["time"]
    checks.check_values(values, fakes.rotated_template(), times, [0], "ens.zarr", True)
    values["pr"][0, 0, 0, 0] = np.inf
    with pytest.raises(OutputError):
        checks.check_values(values, fakes.rotated_template(), times, [0], "ens.zarr", True)


def test_a_run_that_cannot_fit_is_refused_with_the_bytes(
    fakes: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = xr.DataArray(xr.date_range("2000-01-01", periods=100), dims="time")
    store = open_store(tmp_path / "ens.zarr", fakes.rotated_template(), times, 2, {}, times_per_unit=10)
    usage = namedtuple("usage", "total used free")
    needed = 10 * 4 * 10 * 2 * 2 * 48
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda path: usage(10**9, 0, needed - 1))
    with pytest.raises(
        RetryError, match=f"CD-070 .*: 10 units need up to {needed} bytes, the disk has {needed - 1}"
    ) as caught:
        checks.check_space(store, 10)
    # the store is planned for its members by now (CD-044): fewer of them need another path
    assert caught.value.problems[0].fix.startswith("free space, or give another path with --out")
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda path: usage(10**9, 0, needed))
    checks.check_space(store, 10)
