"""Neural rungs: trained on the recipe of the run, once, from where a kill left them, and used where they are."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from climdiff import bundle, methods
from climdiff.errors import RecipeError, RetryError
from climdiff.recipe.load import load
from climdiff.training.checkpoint import sha256
from climdiff.verification.requirements import requirement
from climdiff.workflow import rungs, training
from climdiff.workflow.generation import generate
from climdiff.workflow.verification import verify


def wanting(recipe, *names):
    verify = recipe.verify.model_copy(update={"baselines": names})
    return recipe.model_copy(update={"verify": verify})


def train(recipe, run, stop_after=None):
    steps, lines = [], []
    rungs.train_missing(recipe, run, lines.append, lambda *at: steps.append(at), lambda: len(steps) == stop_after)
    return [(name, progress.step) for name, progress in steps], lines


def test_what_is_missing_is_trained_and_nothing_else(minute_recipe, tmp_path):
    recipe = wanting(minute_recipe, "bilinear", "unet", "dressed_unet", "crps")
    with pytest.raises(RetryError, match=r"CD-060 .*stopped at step 2 of 6"):
        train(recipe, tmp_path, stop_after=2)
    again, lines = train(recipe, tmp_path)
    assert again == [("unet", step) for step in range(3, 7)] + [("crps", step) for step in range(1, 7)]
    assert lines[0] == "'unet', to judge the model beside it"
    assert sorted(path.name for path in (tmp_path / "ladder").iterdir()) == ["crps", "unet"]
    whole = tmp_path / "whole"
    train(recipe, whole)
    name = "ladder/unet/bundle/weights.safetensors"
    assert sha256(tmp_path / name) == sha256(whole / name)
    again, lines = train(recipe, tmp_path)
    assert again == [] and [line.endswith("is trained already") for line in lines] == [False, True] * 3


def test_the_verdict_has_those_that_are_trained_and_says_how_to_train_the_others(trained, minute_recipe, tmp_path):
    run = shutil.copytree(trained, tmp_path / "minute")
    recipe = wanting(minute_recipe, "bilinear", "unet", "dressed_unet", "vae")
    train(wanting(minute_recipe, "unet"), run)
    generate(bundle.load(run, recipe), run / "ensemble.zarr", members=4)
    lines = []
    verdict = verify(run / "ensemble.zarr", recipe=recipe, say=lines.append)
    assert list(verdict.scores) == ["diffusion", "bilinear", "unet", "dressed_unet"]
    assert [name for _, _, name in verdict.differences] == ["bilinear", "unet", "dressed_unet"]
    scores = verdict.to_json()["pr"]
    assert scores["unet"]["n_members"] == 1
    assert scores["dressed_unet"]["n_members"] == minute_recipe.generate.members
    (line,) = lines
    assert line.startswith("'vae' is left out, as ")
    command = f"climdiff train {run / 'recipe.json'} model.method=vae first_guess=null name=vae"
    assert line.endswith(f"{command} --runs {run / 'ladder'}")


def test_a_rung_named_on_the_command_line_has_to_be_trained(trained, minute_recipe, tmp_path):
    run = shutil.copytree(trained, tmp_path / "minute")
    generate(bundle.load(run), run / "ensemble.zarr", members=2)
    required = {"recipe": wanting(minute_recipe, "bilinear", "unet"), "require": [requirement("crps_fair < unet")]}
    for asked in ({"overrides": ["verify.baselines=[bilinear, unet]"]}, required):
        with pytest.raises(RecipeError) as caught:
            verify(run / "ensemble.zarr", **asked)
        (problem,) = caught.value.problems
        folder = run / "ladder"
        assert str(problem) == (
            f"CD-037 verify.baselines: 'unet' is asked for, but {folder / 'unet'} has no training of this recipe. "
            f"Fix: climdiff train {run / 'recipe.json'} model.method=unet first_guess=null name=unet --runs {folder}."
        )
    lines = []
    verify(run / "ensemble.zarr", overrides=["verify.baselines=full_ladder"], say=lines.append)
    untrained = [line.partition(" is left out, as ")[0] for line in lines if " is left out, as " in line]
    assert untrained == [f"'{name}'" for name in rungs.NEURAL]


def test_the_command_for_a_rung_trains_one_that_is_taken(minute_recipe, tmp_path):
    """Whatever was changed on the command line of the run, and in one stage for a run of two."""
    recipe, lines = wanting(minute_recipe, "dressed_unet").model_copy(update={"first_guess": "unet"}), []
    (tmp_path / "recipe.json").write_text(recipe.model_dump_json())
    assert rungs.trained(recipe, tmp_path, lines.append) == {}
    command = lines[0].split("climdiff train ")[1].removesuffix(", which serves 'unet' and 'dressed_unet'")
    path, *overrides, _, runs = command.split()
    training.train(load(Path(path), overrides), Path(runs) / "unet")
    assert list(rungs.trained(recipe, tmp_path, lines.append)) == ["dressed_unet"]
    assert len(lines) == 1


def test_a_rung_of_an_ensemble_elsewhere_names_no_file_that_is_not_there(minute_recipe, tmp_path):
    lines = []
    assert rungs.trained(wanting(minute_recipe, "vae"), tmp_path, lines.append) == {}
    assert "climdiff train RUN/recipe.json model.method=vae " in lines[0]


def test_a_rung_of_another_recipe_is_not_used_and_what_differs_is_said(minute_recipe, tmp_path):
    recipe, lines = wanting(minute_recipe, "unet"), []
    train(recipe, tmp_path)
    longer = recipe.model_copy(update={"train": recipe.train.model_copy(update={"steps": 7})})
    assert list(rungs.trained(recipe, tmp_path, print)) == ["unet"]
    assert rungs.trained(longer, tmp_path, lines.append) == {}
    split = recipe.data.split.model_copy(update={"test": ("2005-02-10", "2005-02-20")})
    tested = recipe.model_copy(update={"data": recipe.data.model_copy(update={"split": split})})
    assert list(rungs.trained(tested, tmp_path, print)) == ["unet"], "other dates to judge it on are no other training"
    folder = tmp_path / "ladder" / "unet"
    why = f"{folder} was trained with another recipe (train.steps: 6 -> 7): remove {folder}, then climdiff train "
    assert lines[0].startswith(f"'unet' is left out, as {why}")


def test_a_rung_is_not_the_model_itself(minute_recipe):
    own = methods.instead(wanting(minute_recipe, "unet", "vae", "bilinear"), "vae")
    assert rungs.named(own) == ["unet"]
    assert rungs.without(own).verify.baselines == ("bilinear",)
    assert "bilinear" not in rungs.unasked(own) and {"analogs", "oracle"} < set(rungs.unasked(own))
    assert rungs.unasked(wanting(minute_recipe).model_copy(update={"verify": type(own.verify)()})) == []


def test_a_run_of_another_method_is_named_by_it(minute_recipe, tmp_path):
    recipe = wanting(methods.instead(minute_recipe, "crps"), "bilinear")
    training.train(recipe, tmp_path)
    generate(bundle.load(tmp_path), tmp_path / "ensemble.zarr")
    verdict = verify(tmp_path / "ensemble.zarr")
    assert verdict.name == "crps"
    assert list(verdict.scores) == ["crps", "bilinear"]
    assert np.isfinite(verdict.to_json()["pr"]["crps"]["crps_fair"])
