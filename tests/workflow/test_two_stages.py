"""A recipe with a first guess: two trainings, one bundle that is enough by itself, resume to the bit."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch

import climdiff
from climdiff import build, bundle
from climdiff.errors import MismatchError, RecipeError, RetryError
from climdiff.recipe.load import load
from climdiff.training.checkpoint import sha256
from climdiff.workflow.training import is_trained, train

WEIGHTS = "bundle/weights.safetensors"


@pytest.fixture(scope="module")
def recipe(minute_recipe):
    return minute_recipe.model_copy(update={"first_guess": "unet"})


@pytest.fixture(scope="module")
def run(recipe, tmp_path_factory):
    folder = tmp_path_factory.mktemp("two") / "minute"
    train(recipe, folder)
    return folder


@pytest.fixture(scope="module")
def coarse(recipe):
    return build.open_splits(recipe, ("test",))["test"].coarse.isel(time=slice(0, 3)).load()


def test_the_bundle_alone_is_enough_and_members_have_an_address(run, coarse, tmp_path):
    alone = shutil.copytree(run / "bundle", tmp_path / "bundle")
    model, again = climdiff.load(run), climdiff.load(alone)
    many = model.downscale(coarse, 10)["pr"]
    np.testing.assert_array_equal(many, again.downscale(coarse, 10)["pr"])
    few = again.downscale(coarse.isel(time=[2]), [7])["pr"]
    np.testing.assert_array_equal(many.values[7, 2], few.values[0, 0])
    assert bool(np.isfinite(many).all()) and float(many.min()) >= 0.0


def test_a_denoiser_of_nothing_gives_back_the_first_guess(run, coarse):
    """Residuals of zero at the last step are members that are the regression's field."""
    downscaler = climdiff.load(run).downscaler

    def nothing(module, given, answer):
        return torch.zeros_like(answer)

    hook = downscaler.denoiser.register_forward_hook(nothing)
    try:
        members = downscaler.downscale(coarse, [0, 1], 0)["pr"].values
    finally:
        hook.remove()
    regression = climdiff.load(run / "first_guess").downscaler.downscale(coarse, [0], 0)["pr"].values
    for member in members:
        np.testing.assert_allclose(member, regression[0], rtol=1e-4, atol=1e-4)


def test_the_deviation_is_that_of_what_the_regression_left_over(run, recipe):
    first_guess = climdiff.load(run).downscaler.first_guess
    pairs = build.open_splits(recipe, ("train",))["train"]
    regression = climdiff.load(run / "first_guess").downscaler
    made = regression.downscale(pairs.coarse, [0], 0).isel(realization=0)
    encoder, guess = regression.encoder, pairs.guess(slice(None))
    left = encoder.target(pairs.truth(slice(None)), guess) - encoder.target(made, guess)
    # the wet-day threshold of this recipe is seen once more on the way over physical units
    assert float(first_guess.deviation[0]) == pytest.approx(float(left.square().mean().sqrt()), rel=0.02)


@pytest.mark.parametrize("stopped_at", [4, 9])
def test_a_training_stopped_in_either_stage_ends_with_the_same_weights(run, recipe, tmp_path, stopped_at):
    steps = []
    with pytest.raises(RetryError, match="CD-060"):
        train(recipe, tmp_path, on_step=steps.append, should_stop=lambda: len(steps) == stopped_at)
    train(recipe, tmp_path, resume=True, on_step=steps.append)
    assert len(steps) == 12
    for name in (WEIGHTS, "bundle/first_guess.safetensors"):
        assert sha256(tmp_path / name) == sha256(run / name)


def test_a_first_guess_that_is_there_is_reused(run, recipe, minute_recipe, tmp_path):
    shutil.copytree(run / "first_guess", tmp_path / "first_guess")
    lines, steps = [], []
    train(recipe, tmp_path, say=lines.append, on_step=steps.append)
    assert len(steps) == 6
    assert any(line.endswith("first_guess/bundle is trained already") for line in lines)
    assert is_trained(tmp_path, recipe) and not is_trained(tmp_path, minute_recipe)


def test_what_a_first_guess_does_not_go_with_is_refused(run, minute):
    with pytest.raises(RecipeError, match=r"CD-037 first_guess: .*cannot be steered"):
        bundle.load(run).steered(likelihood=lambda fields: fields["pr"].mean((1, 2)))
    with pytest.raises(RecipeError, match=r"first guess is for diffusion, and model\.method is vae"):
        load("recipes/tiny.yaml", [*minute, "model.method=vae", "first_guess=unet"])


def test_fault_050_a_bundle_without_its_first_guess_is_refused(run, tmp_path):
    import json

    folder = shutil.copytree(run / "bundle", tmp_path / "bundle")
    about = json.loads((folder / "bundle.json").read_text())
    del about["sha256"]["first_guess.safetensors"]
    (folder / "bundle.json").write_text(json.dumps(about))
    with pytest.raises(MismatchError, match=r"CD-050 .*names no hash of first_guess\.safetensors"):
        climdiff.load(folder)
