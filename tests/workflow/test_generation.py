"""Generation as a user sees it: a store plain xarray opens, continued and extended, from own predictors too."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

import climdiff
from climdiff import build, bundle
from climdiff.errors import DataError, MismatchError, OutputError
from climdiff.grids.grid import Grid, check_same
from climdiff.recipe.load import changed, load
from climdiff.workflow.generation import generate
from climdiff.workflow.training import train


@pytest.fixture(scope="module")
def model(trained):
    return climdiff.load(trained)


@pytest.fixture(scope="module")
def store(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("out") / "ens.zarr"
    generate(model, path)
    return path


def test_the_ensemble_opens_and_says_where_it_comes_from(store, model):
    with xr.open_zarr(store) as ensemble:
        assert ensemble["pr"].dims == ("realization", "time", "lat", "lon")
        assert ensemble["pr"].shape == (4, 20, 16, 16)
        assert ensemble["realization"].attrs["standard_name"] == "realization"
        assert ensemble.attrs["climdiff_bundle_hash"] == model.hash
        assert ensemble.attrs["climdiff_split"] == "test"
        assert bool((ensemble["pr"] >= 0).all())


def test_running_again_makes_nothing(store, model):
    assert generate(model, store).n_written == 0


def test_fault_084_members_are_added_and_the_old_ones_stay(store, model, tmp_path):
    shutil.copytree(store, tmp_path / "ens.zarr")
    before = xr.open_zarr(store)["pr"].values
    generate(model, tmp_path / "ens.zarr", members=6)
    after = xr.open_zarr(tmp_path / "ens.zarr")["pr"].values
    assert after.shape[0] == 6
    np.testing.assert_array_equal(after[:4], before)


def test_fault_044_another_seed_does_not_go_into_the_same_store(store, model):
    with pytest.raises(MismatchError, match="CD-044"):
        generate(model, store, seed=99)


def test_own_predictors_give_the_same_members(store, model, minute_recipe, tmp_path):
    coarse = build.open_splits(minute_recipe, ["test"])["test"].coarse
    coarse.to_netcdf(tmp_path / "coarse.nc")
    generate(model, tmp_path / "own.zarr", predictors=tmp_path / "coarse.nc", members=2)
    own = xr.open_zarr(tmp_path / "own.zarr")["pr"].values
    np.testing.assert_array_equal(own, xr.open_zarr(store)["pr"].values[:2])


def test_absent_predictors_are_told(model, tmp_path):
    with pytest.raises(DataError, match=r"CD-012 .*nothing\.nc: no such file or store"):
        generate(model, tmp_path / "a.zarr", predictors=tmp_path / "nothing.nc")
    assert not (tmp_path / "a.zarr").exists()


def test_fault_008_a_web_page_instead_of_data_is_told(model, tmp_path):
    (tmp_path / "page.nc").write_text("<!DOCTYPE html>")
    with pytest.raises(DataError, match=r"CD-008 .*page\.nc"):
        generate(model, tmp_path / "a.zarr", predictors=tmp_path / "page.nc")
    assert not (tmp_path / "a.zarr").exists()


def test_fault_044_other_predictors_do_not_go_into_the_same_store(model, minute_recipe, tmp_path):
    coarse = build.open_splits(minute_recipe, ["test"])["test"].coarse
    coarse.to_netcdf(tmp_path / "coarse.nc")
    changed = coarse.copy(deep=True)
    changed["pr"].values[0, 0, 0] += 1
    changed.to_netcdf(tmp_path / "changed.nc")
    generate(model, tmp_path / "own.zarr", predictors=tmp_path / "coarse.nc", members=2)
    with pytest.raises(MismatchError, match=r"CD-044 .*predictors_hash"):
        generate(model, tmp_path / "own.zarr", predictors=tmp_path / "changed.nc", members=2)


def test_own_predictors_on_a_rotated_grid_are_taken(real_data, monkeypatch, tmp_path):
    monkeypatch.setenv("CLIMDIFF_DATA", str(real_data))
    short = ["train.steps=2", "train.validate_every=2", "train.validation_times=2", "train.validation_members=2"]
    recipe = load("recipes/iberia.yaml", [*short, "model.size=tiny", "train.batch_size=2"])
    train(recipe, tmp_path / "run")
    future = real_data / "iberia_racmo_eur44" / "coarse_rcp85_2081-2100.nc"
    with xr.open_dataset(future) as opened:
        opened.isel(time=slice(0, 2)).to_netcdf(tmp_path / "future.nc")
    generate(bundle.load(tmp_path / "run"), tmp_path / "e.zarr", members=2, predictors=tmp_path / "future.nc")
    with xr.open_zarr(tmp_path / "e.zarr") as ensemble:
        assert ensemble["tas"].shape == (2, 2, 28, 28)
        assert bool(np.isfinite(ensemble["tas"]).all())


@pytest.fixture(scope="module")
def radar(real_data, tmp_path_factory):
    """A radar model after two steps of training, and two dates of its predictors."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLIMDIFF_DATA", str(real_data))
        short = ["train.steps=2", "train.validate_every=2", "train.validation_times=2", "train.validation_members=2"]
        recipe = load("recipes/radar.yaml", [*short, "model.size=tiny", "train.batch_size=2"])
        folder = tmp_path_factory.mktemp("radar") / "run"
        train(recipe, folder)
        coarse = build.open_splits(recipe, ["validation"])["validation"].coarse.isel(time=slice(40, 42)).load()
    return folder, recipe, coarse


@pytest.mark.parametrize(
    "sampler", ["ddpm", "ddim", "euler", "heun", "dpmpp_2m", "dpmpp_2s", "dpmpp_sde_2m", "angular"]
)
@pytest.mark.parametrize("steps", [1, 6])
def test_fault_080_members_of_every_sampler_have_the_block_means_of_the_coarse_field(radar, sampler, steps):
    folder, recipe, coarse = radar
    model = bundle.load(folder, changed(recipe, [f"sample.sampler={sampler}", f"sample.steps={steps}"], ("sample",)))
    drawn = model.downscale(coarse, members=2)["pr"].values
    means = drawn.reshape(2, 2, 8, 8, 8, 8).mean(axis=(3, 5))
    np.testing.assert_allclose(means, np.broadcast_to(coarse["pr"].values, means.shape), rtol=1e-5, atol=1e-5)
    assert drawn.min() >= 0.0


@pytest.mark.parametrize("options", [{"sampler": "euler", "levels": "trailing"}, {"sampler": "heun", "sigma_min": 0.3}])
def test_fault_080_churn_keeps_block_means_too(radar, options):
    folder, recipe, coarse = radar
    overrides = [f"sample.{key}={value}" for key, value in options.items()]
    model = bundle.load(folder, changed(recipe, [*overrides, "sample.steps=7", "sample.churn=40"], ("sample",)))
    means = model.downscale(coarse, members=1)["pr"].values.reshape(1, 2, 8, 8, 8, 8).mean(axis=(3, 5))
    np.testing.assert_allclose(means, coarse["pr"].values[None], rtol=1e-5, atol=1e-5)


def test_fault_074_means_beyond_the_limits_of_members_are_refused(radar):
    folder, _, coarse = radar
    flood = coarse.assign(pr=(coarse["pr"] * 0 + 10).assign_attrs(coarse["pr"].attrs))
    flood["pr"][:, 2, 3] = 145
    with pytest.raises(
        DataError, match=r"CD-074 .*coarse 'pr' reaches from 10 to 145, members only from 0 to 139.9.*largest"
    ):
        bundle.load(folder).downscale(flood, members=1)


def test_fault_075_a_hole_on_every_date_is_a_hole_unless_the_recipe_masks(model, minute_recipe, tmp_path):
    coarse = build.open_splits(minute_recipe, ["test"])["test"].coarse.isel(time=slice(0, 4)).load()
    coarse["pr"][:, 0, 0] = np.nan
    coarse.to_netcdf(tmp_path / "holes.nc")
    with pytest.raises(DataError, match=r"CD-075 .*holes\.nc: variable 'pr' is missing or not finite on \d{4}-.*Fix:"):
        generate(model, tmp_path / "e.zarr", members=1, predictors=tmp_path / "holes.nc")
    assert not (tmp_path / "e.zarr").exists()


def test_fault_075_a_date_with_a_hole_fails_alone(model, minute_recipe, tmp_path):
    coarse = build.open_splits(minute_recipe, ["test"])["test"].coarse.isel(time=slice(0, 4)).load()
    coarse["pr"][0, 0, 0] = np.nan
    coarse.to_netcdf(tmp_path / "hole.nc")
    each = replace(model, recipe=changed(model.recipe, ["generate.times_per_unit=1"], ("generate",)))
    with pytest.raises(OutputError, match=r"CD-075 .*missing or not finite.*Fix: mend the predictors .* new store"):
        generate(each, tmp_path / "e.zarr", members=1, predictors=tmp_path / "hole.nc")
    n_missing = xr.open_zarr(tmp_path / "e.zarr")["pr"].isnull().sum(("lat", "lon", "realization"))
    assert n_missing.values.astype(bool).tolist() == [True, False, False, False]


def test_fault_005_damaged_predictors_are_one_line(model, minute_recipe, tmp_path):
    coarse = build.open_splits(minute_recipe, ["test"])["test"].coarse.isel(time=slice(0, 4)).load()
    coarse.to_zarr(tmp_path / "p.zarr", zarr_format=2)
    chunk = next(path for path in (tmp_path / "p.zarr" / "pr").iterdir() if not path.name.startswith("."))
    chunk.write_bytes(chunk.read_bytes()[:20])
    with pytest.raises(DataError, match=r"CD-005 .*values cannot be read"):
        generate(model, tmp_path / "e.zarr", members=1, predictors=tmp_path / "p.zarr")


def test_fault_016_coordinates_in_float32_are_the_same_grid(real_data, monkeypatch, tmp_path):
    monkeypatch.setenv("CLIMDIFF_DATA", str(real_data))
    pairs = build.open_splits(load("recipes/iberia.yaml"), ["validation"])["validation"]
    grid, coarse = pairs.coarse_grid, pairs.coarse.isel(time=slice(0, 1))
    narrow = coarse.assign_coords(
        {dim: coarse[dim].astype(np.float32).assign_attrs(coarse[dim].attrs) for dim in (grid.y_dim, grid.x_dim)}
    )
    check_same(Grid.from_dataset(narrow), grid, ("own", "training"))


def test_without_a_number_a_store_keeps_its_members(store, model, tmp_path):
    shutil.copytree(store, tmp_path / "more.zarr")
    generate(model, tmp_path / "more.zarr", members=5)
    assert generate(model, tmp_path / "more.zarr").n_written == 0


@pytest.fixture
def gauges(model, tmp_path):
    grid, units = model.grid, {"units": model.targets["pr"]["units"]}
    times = np.datetime64("2001-02-01") + np.arange(20)
    data = xr.Dataset(
        {"pr": (("time", "station"), np.full((20, 1), 9.0), units), "pr_error": ((), 0.2, units)},
        coords={
            "time": times, grid.y_dim: ("station", grid.y[[5]]), grid.x_dim: ("station", grid.x[[7]])
        },
    )  # fmt: skip
    data.to_netcdf(tmp_path / "gauges.nc")
    return tmp_path / "gauges.nc"


def test_members_agree_with_station_values_from_a_file(model, gauges, store, tmp_path):
    generate(model, tmp_path / "near.zarr", observations=gauges, members=2)
    with xr.open_zarr(tmp_path / "near.zarr") as near, xr.open_zarr(store) as plain:
        assert len(near.attrs["climdiff_given_observations"]) == 64
        before, after = (np.abs(each["pr"].values[:2, :, 5, 7] - 9.0).mean() for each in (plain, near))
    assert after < 0.5 * before
    with pytest.raises(MismatchError, match="CD-044"):
        generate(model, tmp_path / "near.zarr", members=2)


def test_gaps_are_filled_and_the_rest_is_kept(model, minute_recipe, tmp_path):
    truth = build.open_splits(minute_recipe, ["test"])["test"].truth(slice(None))
    gap = {model.grid.y_dim: slice(4, 9), model.grid.x_dim: slice(4, 9)}
    truth["pr"][gap] = np.nan
    truth.to_netcdf(tmp_path / "radar.nc")
    generate(model, tmp_path / "filled.zarr", known=tmp_path / "radar.nc", members=2)
    with xr.open_zarr(tmp_path / "filled.zarr") as filled:
        assert bool(filled["pr"].notnull().all())
        for member in filled["pr"].values:
            kept = truth["pr"].notnull().values
            np.testing.assert_array_equal(member[kept], truth["pr"].values[kept])


def test_fault_012_observations_that_are_not_there_are_told(model, tmp_path):
    with pytest.raises(DataError, match=r"CD-012 .*gauges\.nc: no such file or store"):
        generate(model, tmp_path / "a.zarr", observations=tmp_path / "gauges.nc")
    assert not (tmp_path / "a.zarr").exists()
