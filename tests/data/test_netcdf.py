"""What is written is read back, and a file without room is an OSError that says so."""

from __future__ import annotations

import errno
import resource

import numpy as np
import pytest
import xarray as xr

from climdiff.data.netcdf import write_netcdf

VALUES = xr.Dataset({"pr": ("x", np.random.default_rng(0).random(20_000)), "name": ("y", ["a", "b"])})


def test_groups_of_a_file_read_back(tmp_path):
    for group in ("one", "two"):
        write_netcdf(VALUES, tmp_path / "a.nc", mode="a", group=group)
        assert xr.load_dataset(tmp_path / "a.nc", group=group).identical(VALUES)
    write_netcdf(VALUES, tmp_path / "a.nc")
    assert xr.load_dataset(tmp_path / "a.nc").identical(VALUES)


@pytest.mark.parametrize("n_bytes", [0, 100, 100_000])
@pytest.mark.parametrize("group", [None, "one"])
def test_fault_052_a_file_without_room_is_an_oserror_that_says_so(tmp_path, group, n_bytes):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            write_netcdf(VALUES, tmp_path / "a.nc", mode="a" if group else "w", group=group)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.errno == errno.EFBIG


def test_fault_052_another_group_without_room_is_told_too(tmp_path):
    write_netcdf(VALUES, tmp_path / "a.nc", group="one")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "a.nc").stat().st_size + 100, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_netcdf(VALUES, tmp_path / "a.nc", mode="a", group="two")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_other_troubles_stay_what_they_are(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_netcdf(VALUES, tmp_path / "absent" / "a.nc")
    with pytest.raises(RuntimeError, match="NetCDF"):
        write_netcdf(VALUES.rename(pr="p" * 300), tmp_path / "a.nc")
