"""What a recipe gives members is checked with the recipe, long before they are drawn."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import climdiff
from climdiff import build
from climdiff.errors import DataError, RecipeError, SecurityError
from climdiff.recipe.load import changed, load
from climdiff.workflow.generation import generate
from climdiff.workflow.given import check

PLACES = {"lat": 40.0, "lon": 0.0}


@pytest.fixture
def with_gauges(minute_recipe, tmp_path, monkeypatch):
    """Return a function that writes a station file, changed as asked, and the recipe that names it."""
    monkeypatch.setenv("CLIMDIFF_DATA", str(tmp_path))
    pairs = build.open_splits(minute_recipe, ("test",))["test"]
    grid, units = pairs.fine_grid, {"units": pairs.fine["pr"].attrs["units"]}
    data = xr.Dataset(
        {"pr": (("time", "station"), np.full((pairs.n_times, 1), 4.0), units), "pr_error": ((), 0.2, units)},
        coords={"time": pairs.times.values, grid.y_dim: ("station", grid.y[[3]]), grid.x_dim: ("station", grid.x[[3]])},
    )

    def make(change=lambda d: d):
        change(data).to_netcdf(tmp_path / "gauges.nc")
        return changed(minute_recipe, ["generate.observations=gauges.nc"], ("generate",))

    return make


def test_a_recipe_without_gifts_is_not_opened_for_them(minute_recipe):
    check(minute_recipe)


def test_stations_of_a_recipe_steer_its_members(with_gauges, trained, tmp_path):
    recipe = with_gauges()
    check(recipe)
    from climdiff import bundle

    generate(bundle.load(trained, recipe), tmp_path / "near.zarr", members=2)
    with xr.open_zarr(tmp_path / "near.zarr") as near:
        assert len(near.attrs["climdiff_given_observations"]) == 64
    assert "given_observations" not in climdiff.load(trained).provenance(0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.assign_coords({name: d[name] + 50 for name in d.coords if name != "time"}),
         r"CD-073 generate\.observations: 1 of 1 stations are outside the domain"),
        (lambda d: d.assign(pr=d.pr.assign_attrs(units="m s-1")), r"CD-029 generate\.observations: .* units 'm s-1'"),
        (lambda d: d.convert_calendar("noleap"), "CD-025 what is given: dates are of calendar 'noleap'"),
    ],
)  # fmt: skip
def test_stations_that_do_not_fit_are_refused_with_the_recipe(with_gauges, change, message):
    with pytest.raises(DataError, match=message):
        check(with_gauges(change))


def test_fault_012_and_042_files_absent_or_elsewhere_are_refused(with_gauges):
    recipe = with_gauges()
    with pytest.raises(DataError, match=r"CD-012 generate\.observations: no such file or store"):
        check(changed(recipe, ["generate.observations=other.nc"], ("generate",)))
    with pytest.raises(SecurityError, match=r"CD-042 generate\.observations: .*not a plain path below CLIMDIFF_DATA"):
        check(changed(recipe, ["generate.observations=../gauges.nc"], ("generate",)))


def test_fault_037_known_cells_and_block_means_are_refused_with_the_recipe():
    with pytest.raises(RecipeError, match=r"generate\.known: known cells and block means .* cannot both be kept"):
        load("recipes/radar.yaml", ["generate.known=composite.nc", "sample.conserve=true"])


def test_fault_023_stations_of_other_dates_are_refused_with_the_recipe(with_gauges):
    with pytest.raises(DataError, match=r"CD-023 what is given: .* not one date is a date of the predictors"):
        check(with_gauges(lambda d: d.assign_coords(time=d["time"] + np.timedelta64(12, "h"))))


def test_fault_037_a_pattern_that_fits_two_files_is_refused(with_gauges, tmp_path):
    recipe = with_gauges()
    (tmp_path / "gauges2.nc").write_bytes((tmp_path / "gauges.nc").read_bytes())
    recipe = changed(recipe, ["generate.observations=gauges*.nc"], ("generate",))
    with pytest.raises(RecipeError, match=r"CD-037 generate\.observations: 2 files fit, from gauges.nc to gauges2.nc"):
        check(recipe)


def test_own_observations_replace_those_of_the_recipe_even_if_they_are_gone(with_gauges, trained, tmp_path):
    from climdiff import bundle

    recipe = with_gauges()
    (tmp_path / "gauges.nc").rename(tmp_path / "own.nc")
    model = bundle.load(trained, recipe)
    with pytest.raises(DataError, match="CD-012"):
        generate(model, tmp_path / "a.zarr", members=1)
    generate(model, tmp_path / "a.zarr", members=1, observations=tmp_path / "own.nc")
