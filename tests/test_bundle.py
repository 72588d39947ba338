"""A bundle is enough by itself, refuses what it was not trained for, and notices any change to its files."""

from __future__ import annotations

import dataclasses
import json
import shutil

import numpy as np
import pytest
import xarray as xr

import climdiff
from climdiff import build
from climdiff.errors import DataError, MismatchError, RecipeError
from climdiff.networks.unet import Architecture


@pytest.fixture(scope="module")
def model(trained):
    return climdiff.load(trained)


@pytest.fixture(scope="module")
def coarse(minute_recipe):
    return build.open_splits(minute_recipe, ["test"])["test"].coarse.isel(time=slice(0, 3)).load()


@pytest.fixture
def copy(trained, tmp_path):
    shutil.copytree(trained / "bundle", tmp_path / "bundle")
    return tmp_path / "bundle"


def test_coarse_fields_in_ensemble_out(model, coarse):
    ensemble = model.downscale(coarse, members=3, seed=1)
    assert ensemble["pr"].dims == ("realization", "time", "lat", "lon")
    assert ensemble["pr"].shape == (3, 3, 16, 16)
    assert ensemble["pr"].attrs["units"] == "mm day-1"
    assert ensemble["realization"].dtype == np.int32
    assert bool(np.isfinite(ensemble["pr"]).all())
    assert float(ensemble["pr"].min()) >= 0.0


def test_fault_082_a_member_can_be_made_alone(model, coarse):
    together = model.downscale(coarse, members=5, seed=1)["pr"].sel(realization=4)
    alone = model.downscale(coarse.isel(time=[1]), members=[4], seed=1)["pr"].isel(realization=0)
    np.testing.assert_array_equal(together.isel(time=[1]).values, alone.values)


def test_a_model_says_what_it_is_in_a_line(model):
    line = repr(model)
    assert line.startswith("<climdiff.Model minute: diffusion, pr, psl") and "-> pr on 16 x 16 cells, " in line


def test_another_seed_gives_another_member(model, coarse):
    first, second = (model.downscale(coarse, members=[0], seed=seed)["pr"].values for seed in (1, 2))
    assert np.abs(first - second).max() > 0.01


def test_every_member_stays_below_the_upper_limit(model, coarse):
    largest = json.loads((model.path / "bundle.json").read_text())["ranges"]["pr"][1]
    assert float(model.downscale(coarse, members=4)["pr"].max()) <= 1.25 * largest * (1 + 1e-5)


def test_the_ensemble_says_where_it_comes_from(model, coarse):
    ensemble = model.downscale(coarse, members=1, seed=7)
    assert ensemble.attrs["climdiff_bundle_hash"] == model.hash
    assert ensemble.attrs["climdiff_seed"] == 7
    assert ensemble["realization"].attrs["standard_name"] == "realization"


def test_fault_075_missing_predictors_are_refused_with_their_dates(model, coarse):
    holed = coarse.copy(deep=True)
    holed["psl"].values[1, 0, 0] = np.nan
    with pytest.raises(DataError, match=r"CD-075 predictors: variable 'psl' is missing or not finite on 2001-02-02"):
        model.downscale(holed)


def test_wrong_units_and_absent_predictors_are_told_together(model, coarse):
    wrong = coarse.drop_vars("psl")
    wrong["tas"] = wrong["tas"].assign_attrs(units="degC")
    with pytest.raises(DataError) as caught:
        model.downscale(wrong)
    text = str(caught.value)
    assert "CD-036 predictors: variable 'psl' is absent" in text
    assert "CD-029 predictors: variable 'tas' has units 'degC', the model was trained with 'K'" in text


def test_fault_036_a_predictor_is_found_by_its_standard_name_unless_two_have_it(model, coarse):
    renamed = coarse.rename(pr="tp")
    named = model.accept(renamed)
    xr.testing.assert_identical(named, model.accept(coarse))
    two = renamed.assign(cp=renamed["tp"])
    with pytest.raises(DataError) as caught:
        model.accept(two, "mine.nc")
    kind = coarse["pr"].attrs["standard_name"]
    what = f"variable 'pr' is absent; found tp, cp with its standard_name '{kind}'"
    assert str(caught.value) == f"CD-036 mine.nc: {what}. Fix: name it 'pr'."
    del renamed["tp"].attrs["standard_name"]
    with pytest.raises(DataError, match=f"Fix: name it 'pr', or set its standard_name to '{kind}'"):
        model.accept(renamed)


def test_fault_073_another_grid_is_refused(model, coarse):
    moved = coarse.assign_coords(lat=coarse["lat"] + 1.0)
    with pytest.raises(DataError, match=r"CD-073 .*grid is 4 x 4 cells.*trained with 4 x 4 cells.*Fix: bring"):
        model.downscale(moved)


@pytest.mark.parametrize("along", ["lat", "lon"])
def test_fault_013_predictors_in_any_order_give_the_same_members(model, coarse, along):
    turned = coarse.isel({along: slice(None, None, -1)})
    turned = turned.assign_coords(lon=(turned["lon"] + 360.0).assign_attrs(coarse["lon"].attrs))
    one, other = (model.downscale(each, members=2, seed=1) for each in (coarse, turned))
    assert one.identical(other)


@pytest.mark.parametrize("name", ["weights.safetensors", "recipe.json", "target_state.nc"])
def test_fault_049_a_changed_file_is_refused(copy, name):
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(MismatchError, match=rf"CD-049 .*{name}: SHA-256 is .*Fix: restore"):
        climdiff.load(copy)


def test_fault_050_an_absent_file_is_refused(copy):
    (copy / "grid.nc").unlink()
    with pytest.raises(MismatchError, match=r"CD-050 .*grid\.nc: the file is absent"):
        climdiff.load(copy)


def test_a_folder_without_bundle_is_refused(tmp_path):
    with pytest.raises(MismatchError, match=r"CD-050 .*holds no bundle\.json.*climdiff train"):
        climdiff.load(tmp_path)


def test_a_run_that_is_still_trained_is_told_apart(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "recipe.json").touch()
    with pytest.raises(MismatchError, match=r"CD-050 .*holds no bundle\.json.*until its training has ended.*--resume"):
        climdiff.load(tmp_path)


def test_fault_055_a_newer_format_is_refused(copy):
    about = json.loads((copy / "bundle.json").read_text())
    (copy / "bundle.json").write_text(json.dumps({**about, "format": 99}))
    with pytest.raises(MismatchError, match=r"CD-055 .*format 99 is newer"):
        climdiff.load(copy)


def test_fault_054_weights_of_a_network_of_other_widths_are_refused(trained, monkeypatch):
    monkeypatch.setattr(build, "network_shape", lambda recipe: Architecture((16, 32), 1))
    with pytest.raises(MismatchError, match=r"CD-054 .*weights .* have shape .*Fix: .*train again"):
        climdiff.load(trained)


def test_a_later_recipe_changes_how_members_are_drawn(trained, minute_recipe):
    later = minute_recipe.model_copy(update={"sample": minute_recipe.sample.model_copy(update={"steps": 1})})
    assert len(climdiff.bundle.load(trained, later).downscaler.sampling.sigmas) == 2


def test_the_order_of_dimensions_changes_nothing(model, coarse):
    turned = coarse.transpose("lon", "time", "lat")
    np.testing.assert_array_equal(model.downscale(turned, 1)["pr"].values, model.downscale(coarse, 1)["pr"].values)


def test_fault_030_implausible_predictors_are_refused(model, coarse):
    bounded = {**model.predictors, "pr": {**model.predictors["pr"], "valid_min": 0.0}}
    negative = coarse.assign(pr=(coarse["pr"] - 50.0).assign_attrs(coarse["pr"].attrs))
    with pytest.raises(DataError, match=r"CD-030 .*'pr' reaches from -"):
        dataclasses.replace(model, predictors=bounded).downscale(negative, 1)


def test_an_ensemble_can_be_written_to_netcdf(model, coarse, tmp_path):
    model.downscale(coarse, members=1).to_netcdf(tmp_path / "e.nc")
    with xr.open_dataset(tmp_path / "e.nc") as ensemble:
        assert ensemble.attrs["climdiff_conserve"] == "false"
        assert ensemble.attrs["climdiff_sampler"] == "dpmpp_2m"


def test_keys_may_be_changed_when_a_model_is_loaded(trained):
    model = climdiff.load(trained, overrides=["sample.steps=3", "generate.micro_batch=4"])
    assert (len(model.downscaler.sampling.sigmas), model.downscaler.sampling.micro_batch) == (4, 4)
    later = climdiff.load(trained, overrides=["data.split.test=[2001-02-05, 2001-02-09]"])
    assert later.recipe.data.split.test == ("2001-02-05", "2001-02-09")
    with pytest.raises(RecipeError, match=r"CD-037 .*'data\.split\.train=\[2001.*cannot change any more"):
        climdiff.load(trained, overrides=["data.split.train=[2001-02-05, 2001-02-09]"])
    with pytest.raises(RecipeError, match=r"CD-037 .*'train\.steps=3' cannot change any more"):
        climdiff.load(trained, overrides=["train.steps=3"])
