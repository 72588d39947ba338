"""Correlation of variables: the right number for every pair, holes, and variables that do not belong together."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from climdiff.verification import variables
from climdiff.verification.ensembles import match
from climdiff.verification.variables import correlated


def pair(n_times: int = 400) -> tuple[xr.Dataset, xr.Dataset]:
    """Draw members without any correlation and a truth with one of 0.8."""
    generator = np.random.default_rng(1)
    rain, warm = generator.normal(size=(2, 5, n_times, 3, 2))
    warm[0] = 0.8 * rain[0] + 0.6 * warm[0]
    dims = ("realization", "time", "y", "x")
    fields = {"pr": (dims, rain, {"units": "mm"}), "tas": (dims, 290 + warm, {"units": "K"})}
    both = xr.Dataset(fields, {"time": xr.date_range("2000-01-01", periods=n_times, use_cftime=False)})
    return both.isel(realization=slice(1, None)), both.isel(realization=0)


def found_in(forecast: xr.Dataset, truth: xr.Dataset) -> dict[str, dict[str, float]]:
    return correlated(match(forecast, truth), {"pr": 0.0, "tas": 290.0}, np.ones((3, 2)))


def test_members_that_lost_the_relation_of_variables_are_found_out():
    found = found_in(*pair())
    assert found["pr"]["correlation_tas_truth"] == pytest.approx(0.8, abs=0.03)
    assert found["pr"]["correlation_tas"] == pytest.approx(0, abs=0.05)
    assert found["tas"]["correlation_pr"] == found["pr"]["correlation_tas"]


def test_the_order_of_dimensions_changes_nothing():
    forecast, truth = pair()
    turned = [ds.assign(tas=ds["tas"].transpose(..., "x", "y")) for ds in (forecast, truth)]
    assert found_in(*turned) == found_in(forecast, truth)


def test_it_is_the_mean_over_cells_of_that_of_xarray_and_holes_are_left_out(monkeypatch: pytest.MonkeyPatch):
    forecast, truth = pair()
    truth["tas"][10:40, 1] = np.nan
    holes = truth["tas"].isnull()
    expected = float(xr.corr(truth["pr"].where(~holes), truth["tas"], "time").mean())
    assert found_in(forecast, truth)["tas"]["correlation_pr_truth"] == pytest.approx(expected, rel=1e-10)
    monkeypatch.setattr(variables, "BLOCK_BYTES", 8 * 5 * 6 * 2 * 7)  # seven times
    assert found_in(forecast, truth)["tas"]["correlation_pr_truth"] == pytest.approx(expected, rel=1e-10)


def test_a_variable_alone_or_of_other_cells_has_none():
    forecast, truth = pair()
    assert correlated(match(forecast[["pr"]], truth[["pr"]]), {"pr": 0.0}, np.ones((3, 2))) == {"pr": {}}
    other = [ds.assign(tas=ds["tas"].isel(x=0).rename(y="station")) for ds in (forecast, truth)]
    assert found_in(*other) == {"pr": {}, "tas": {}}
