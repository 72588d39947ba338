"""Every method that makes a member in one evaluation goes the whole way of a recipe, as the diffusion model does."""

from __future__ import annotations

from functools import cache
from typing import get_args

import numpy as np
import pytest

import climdiff
from climdiff import build, bundle, methods
from climdiff.errors import RecipeError, RetryError
from climdiff.recipe.fields import NeuralRung
from climdiff.training.checkpoint import sha256
from climdiff.training.log import read
from climdiff.workflow.distillation import distill
from climdiff.workflow.generation import generate
from climdiff.workflow.training import is_trained, train

METHODS = get_args(NeuralRung)


def with_method(recipe, method, **sample):
    model = recipe.model.model_copy(update={"method": method})
    return recipe.model_copy(update={"model": model, "sample": recipe.sample.model_copy(update=sample)})


@pytest.fixture(scope="module")
def run_of(minute_recipe, tmp_path_factory):
    """Return (recipe, folder, lines said) of a training by method; each is trained once."""

    @cache
    def trained(method):
        recipe, lines = with_method(minute_recipe, method), []
        folder = tmp_path_factory.mktemp("methods") / method
        train(recipe, folder, say=lines.append)
        return recipe, folder, lines

    return trained


@pytest.fixture(params=METHODS)
def run(request, run_of):
    return run_of(request.param)


@pytest.fixture(scope="module")
def coarse(minute_recipe):
    return build.open_splits(minute_recipe, ("test",))["test"].coarse.isel(time=slice(0, 3)).load()


def test_a_bundle_makes_members_that_have_an_address(run, coarse):
    """A member is the same alone, in other company and at fewer dates; two members and two seeds differ."""
    recipe, folder, _ = run
    assert is_trained(folder, recipe)
    model = climdiff.load(folder)
    is_random = recipe.model.method != "unet"
    wanted, last = (range(12), 5) if is_random else (range(1), 0)
    many = model.downscale(coarse, wanted, seed=3)["pr"]
    assert bool(np.isfinite(many).all()) and float(many.min()) >= 0.0
    alone = model.downscale(coarse.isel(time=[1]), [last], seed=3)["pr"]
    np.testing.assert_array_equal(many.values[last, 1], alone.values[0, 0])
    other = model.downscale(coarse, wanted, seed=4)["pr"]
    assert (not np.array_equal(many, other)) is is_random
    assert (len(np.unique(many.values, axis=0)) > 1) is is_random


def test_a_stopped_training_ends_with_the_same_weights(run, tmp_path):
    recipe, folder, _ = run
    steps = []
    with pytest.raises(RetryError, match=r"CD-060 .*stopped at step 4 of 6"):
        train(recipe, tmp_path, on_step=steps.append, should_stop=lambda: len(steps) == 4)
    train(recipe, tmp_path, resume=True)
    name = "bundle/weights.safetensors"
    assert sha256(tmp_path / name) == sha256(folder / name)


def test_validation_scores_choose_the_checkpoint(run):
    _, folder, _ = run
    rows = {row["step"]: row["validation_score"] for row in read(folder / "log.jsonl") if "validation_score" in row}
    assert list(rows) == [3, 6]
    training = climdiff.load(folder).training
    assert training["validation_score"] == min(rows.values()) == rows[training["best_step"]]


def test_an_ensemble_is_generated_and_says_what_made_it(run, tmp_path):
    recipe, folder, _ = run
    model = bundle.load(folder)
    summary = generate(model, tmp_path / "e.zarr")
    import xarray as xr

    found = xr.open_zarr(summary.path)
    assert found.sizes["realization"] == (1 if recipe.model.method == "unet" else 4)
    assert "diffusion" not in found.attrs["source"]
    assert "climdiff_largest" in found.attrs and "climdiff_sampler" not in found.attrs


def test_keys_of_diffusion_are_named_or_refused(run, minute_recipe):
    recipe, folder, lines = run
    assert f"'{recipe.model.method}' draws a member in one evaluation: nothing comes of sample.steps" in lines
    with pytest.raises(RecipeError, match=r"CD-037 sample\.steps: means nothing to '.*Fix: remove it; sample\.largest"):
        bundle.load(folder, overrides=["sample.steps=20"])
    assert bundle.load(folder, overrides=["sample.largest=2.0"]).downscaler.sampling.limits["pr"][0] == 0.0
    with pytest.raises(RecipeError, match=r"CD-037 model\.method: .* one leap, which nothing can steer"):
        bundle.load(folder).steered(likelihood=lambda fields: fields["pr"].mean((1, 2)))
    with pytest.raises(RecipeError, match=r"CD-037 .*draws a member in one evaluation already"):
        distill(folder)


def test_a_regression_makes_one_member(run_of, coarse, tmp_path):
    _, folder, _ = run_of("unet")
    model = bundle.load(folder)
    assert model.downscale(coarse)["pr"].sizes["realization"] == 1
    with pytest.raises(RecipeError, match=r"CD-037 members: 3 members of 'unet', which makes one field"):
        generate(model, tmp_path / "e.zarr", members=3)


def test_the_two_regressions_are_one_training(run_of, coarse):
    """What differs is the drawing: a dressed member is the regression and a residual of a training date."""
    recipe, folder, lines = run_of("unet")
    dressed = with_method(recipe, "dressed_unet")
    assert is_trained(folder, dressed)
    assert any(line.startswith("the regression leaves ") for line in lines)
    model = bundle.load(folder, dressed)
    assert model.recipe.model.method == "dressed_unet"
    free = model.downscaler.changed(sampling=type(model.downscaler.sampling)({}))
    mean = bundle.load(folder).downscaler.changed(sampling=free.sampling)
    fields = [each.encoder.target(each.downscale(coarse, [0, 1], 0).isel(realization=1), model_guess(model, coarse))
              for each in (free, mean)]  # fmt: skip
    added = (fields[0] - fields[1])[0]
    # rain cannot be negative: where it is not cut off, the residual is found among those that were kept
    wet = fields[0][0] > fields[0][0].min() + 0.1
    distances = ((free.residuals - added) * wet).abs().amax(dim=(1, 2, 3))
    assert float(distances.min()) < 1e-3 < float(distances.median())


def model_guess(model, coarse):
    from climdiff.grids.regrid import regrid

    downscaler = model.downscaler
    return regrid(coarse, downscaler.coarse_grid, downscaler.encoder.grid, downscaler.method)


@pytest.mark.parametrize("wanted", [0, -3, True, "2", 1.5, [], [0, 0], [-1], [1.5], ["a"], [2**31]])
def test_members_that_mean_nothing_are_refused(minute_recipe, wanted):
    with pytest.raises(RecipeError, match="CD-037 members"):
        methods.asked(minute_recipe, wanted, 0)


def test_members_are_asked_for_by_count_or_number(minute_recipe):
    assert methods.asked(minute_recipe, np.int64(3), 0) == [0, 1, 2]
    assert methods.asked(minute_recipe, [17, 4], 2**63 - 1) == [17, 4]
    for seed in (-1, 2**63, 1.5, None, "x"):
        with pytest.raises(RecipeError, match="CD-037 members and seed"):
            methods.asked(minute_recipe, 2, seed)
    unet = minute_recipe.model_copy(update={"model": minute_recipe.model.model_copy(update={"method": "unet"})})
    with pytest.raises(RecipeError, match="2 members of 'unet', which makes one field"):
        methods.asked(unet, 2, 0)
