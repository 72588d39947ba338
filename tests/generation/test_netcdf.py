"""A netCDF copy holds the same values and keeps to CF-1.11."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from pathlib import Path
from types import ModuleType

import pytest
import xarray as xr
from compliance_checker.runner import CheckSuite, ComplianceChecker

from climdiff.generation.netcdf import copy_to_netcdf


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::FutureWarning")
def test_a_copy_has_the_same_values_and_no_compliance_errors(fakes: ModuleType, tmp_path: Path) -> None:
    fakes.make(tmp_path / "ens.zarr")
    copy_to_netcdf(tmp_path / "ens.zarr", tmp_path / "ens.nc")
    with xr.open_dataset(tmp_path / "ens.nc") as copy:
        xr.testing.assert_identical(copy.load(), xr.open_zarr(tmp_path / "ens.zarr").load())
    CheckSuite.load_all_available_checkers()
    report = io.StringIO()
    with redirect_stdout(report):
        passed, errors = ComplianceChecker.run_checker(str(tmp_path / "ens.nc"), ["cf:1.11"], 0, "normal", "-")
    assert passed and not errors and "Errors" not in report.getvalue(), report.getvalue()
