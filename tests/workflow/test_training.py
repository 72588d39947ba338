"""Training as a user sees it: a bundle at the end, resume to the bit, refusal instead of surprise."""

from __future__ import annotations

import errno
import fcntl
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

import climdiff
from climdiff import build
from climdiff.errors import DataError, MismatchError, RecipeError, RetryError
from climdiff.grids.blocks import blocks_of
from climdiff.recipe.load import load
from climdiff.training.checkpoint import sha256
from climdiff.training.log import read
from climdiff.workflow import leaks, residuals, training
from climdiff.workflow.training import is_trained, train


def changed(recipe, **train_changes):
    return recipe.model_copy(update={"train": recipe.train.model_copy(update=train_changes)})


def test_a_trained_run_has_bundle_log_and_checkpoints(trained, minute_recipe):
    assert {path.name for path in trained.iterdir()} == {
        ".lock", "bundle", "checkpoints", "log.jsonl", "recipe.json", "tensorboard",
    }  # fmt: skip
    assert [row["step"] for row in read(trained / "log.jsonl") if "validation_score" in row] == [3, 6]
    assert is_trained(trained, minute_recipe)
    assert not is_trained(trained, changed(minute_recipe, steps=7))


def test_fault_059_a_stopped_training_ends_with_the_same_weights(trained, minute_recipe, tmp_path):
    steps = []
    with pytest.raises(RetryError, match=r"CD-060 .*stopped at step 4 of 6"):
        train(minute_recipe, tmp_path, on_step=steps.append, should_stop=lambda: len(steps) == 4)
    assert not (tmp_path / "bundle").exists()
    train(minute_recipe, tmp_path, resume=True)
    name = "bundle/weights.safetensors"
    assert sha256(tmp_path / name) == sha256(trained / name)


def test_a_folder_that_holds_a_training_is_not_overwritten(trained, minute_recipe):
    with pytest.raises(MismatchError, match=r"CD-044 .*reached step 6.*Fix: add --resume"):
        train(minute_recipe, trained)


def test_fault_046_resuming_nothing_is_an_error(minute_recipe, tmp_path):
    with pytest.raises(MismatchError, match=r"CD-046 .*holds no checkpoint to resume from"):
        train(minute_recipe, tmp_path, resume=True)


def test_fault_045_an_edited_recipe_is_not_resumed(trained, minute_recipe, tmp_path):
    shutil.copytree(trained, tmp_path / "run")
    with pytest.raises(MismatchError, match=r"CD-045 .*train\.learning_rate: 0\.002 -> 0\.003"):
        train(changed(minute_recipe, learning_rate=3e-3), tmp_path / "run", resume=True)


def test_fault_045_a_harmless_key_may_change(trained, minute_recipe, tmp_path):
    shutil.copytree(trained, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "bundle")
    steps = []
    train(changed(minute_recipe, log_every=1), tmp_path / "run", resume=True, on_step=steps.append)
    assert steps == []
    name = "bundle/weights.safetensors"
    assert sha256(tmp_path / "run" / name) == sha256(trained / name)


@pytest.mark.parametrize("name", ["precip", "radar", "iberia"])
def test_shipped_recipes_are_sound(name):
    assert load(f"recipes/{name}.yaml").name == name


def test_two_trainings_do_not_share_a_folder(minute_recipe, tmp_path):
    def another(progress):
        if progress.step == 1:
            with pytest.raises(
                MismatchError, match=r"CD-044 .*another process is training, distilling or calibrating in this folder"
            ):
                train(minute_recipe, tmp_path)

    train(minute_recipe, tmp_path, on_step=another)


def test_a_training_that_ended_meanwhile_is_not_written_over(trained, minute_recipe, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    real = build.encoder

    def slow(recipe, pairs):
        shutil.copytree(trained, folder)
        return real(recipe, pairs)

    monkeypatch.setattr(build, "encoder", slow)
    with pytest.raises(MismatchError, match=r"CD-044 .*holds a training that reached step 6"):
        train(minute_recipe, folder)


def test_a_file_system_without_locks_trains_with_a_warning(minute_recipe, tmp_path, monkeypatch, caplog):
    def refused(stream, kind):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refused)
    train(minute_recipe, tmp_path)
    assert "cannot be locked (No locks available)" in caplog.text


def test_fault_020_conserving_what_is_no_block_mean_is_refused_before_training(minute_recipe, tmp_path):
    asked = minute_recipe.model_copy(update={"sample": minute_recipe.sample.model_copy(update={"conserve": True})})
    with pytest.raises(DataError, match=r"CD-020 .*coarse 'pr' is no block mean"):
        train(asked, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_longer_recipe_is_not_told_to_resume(trained, minute_recipe):
    with pytest.raises(MismatchError, match=r"CD-044 .*of another recipe \(train.steps: 6 -> 7\)"):
        train(changed(minute_recipe, steps=7), trained)


def persistent(recipe):
    sample = recipe.sample.model_copy(update={"noise_half_life": "fitted"})
    return recipe.model_copy(update={"sample": sample})


def test_half_lives_are_fitted_after_the_last_step_where_a_recipe_asks_for_it(trained, minute_recipe, tmp_path):
    shutil.copytree(trained, tmp_path / "run")
    recipe = persistent(minute_recipe)
    assert not is_trained(tmp_path / "run", recipe)
    lines = []
    train(recipe, tmp_path / "run", resume=True, say=lines.append)
    assert lines[-2] == "fitting how long noise persists"
    assert lines[-1].startswith("half-life of 'pr': ")
    assert is_trained(tmp_path / "run", recipe)
    assert is_trained(tmp_path / "run", minute_recipe)
    model = climdiff.load(tmp_path / "run")
    (half_life,) = model.downscaler.sampling.persistence.half_lives
    assert 0 <= half_life <= 10
    name = "bundle/weights.safetensors"
    assert sha256(tmp_path / "run" / name) == sha256(trained / name)


def test_fault_023_dates_without_neighbors_are_refused_before_training(minute_recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(residuals, "FEWEST_NEIGHBORS", 1000)
    with pytest.raises(DataError, match="CD-023 training data: 364 of 365 dates"):
        train(persistent(minute_recipe), tmp_path)
    assert not (tmp_path / "log.jsonl").exists()


def with_splits(monkeypatch, change):
    """Let the training open its splits through `change`."""
    opened = build.open_splits
    monkeypatch.setattr(build, "open_splits", lambda recipe, wanted: change(opened(recipe, wanted)))


def test_residuals_of_a_coarse_field_that_never_reaches_the_truth_are_refused(minute_recipe, tmp_path, monkeypatch):
    def masked(splits):
        corner = xr.ones_like(splits["train"].coarse["pr"][0], bool)
        corner[:2, :2] = False
        return {name: replace(each, coarse=each.coarse.where(corner)) for name, each in splits.items()}

    with_splits(monkeypatch, masked)
    masking = minute_recipe.model_copy(update={"data": minute_recipe.data.model_copy(update={"on_missing": "mask"})})
    with pytest.raises(DataError, match=r"CD-075 transforms.targets.pr: residual: coarse 'pr' reaches none of 36 "):
        train(masking, tmp_path)
    assert not (tmp_path / "log.jsonl").exists()


def test_fault_066_validation_dates_that_statistics_were_fitted_on_are_refused(minute_recipe, tmp_path, monkeypatch):
    with_splits(monkeypatch, lambda splits: splits | {"validation": splits["train"].select(slice(0, 30))})
    monkeypatch.setattr(leaks, "duplicates", lambda found: [])
    with pytest.raises(DataError, match=r"CD-066 data.split.validation: 30 dates, 1999-01-01"):
        train(minute_recipe, tmp_path)
    assert not (tmp_path / "log.jsonl").exists()


def test_subsets_of_one_day_in_different_places_may_be_trained_on_and_validated(real_data, tmp_path, monkeypatch):
    monkeypatch.setenv("CLIMDIFF_DATA", str(real_data))
    short = [
        "train.steps=2",
        "train.validate_every=2",
        "train.warmup_steps=0",
        "train.validation_times=2",
        "model.channels=16",
    ]
    with pytest.raises(RetryError, match="CD-060"):
        train(load("recipes/radar.yaml", short), tmp_path, should_stop=lambda: True)


@pytest.mark.parametrize("step", ["log1p", "square_root", "cube_root"])
def test_block_means_of_what_a_transform_clips_at_0_are_not_kept_unless_it_has_none_below(
    step, minute_recipe, tmp_path, monkeypatch
):
    def as_block_means(splits):
        changed = {}
        for name, each in splits.items():
            blocks = blocks_of(each.coarse_grid, each.fine_grid)
            means = blocks.oriented(blocks.mean(each.truth(slice(None))["pr"].values.astype(np.float64)))
            coarse = each.coarse.assign(pr=each.coarse["pr"].copy(data=means.astype(np.float32)))
            fine = each.fine.assign(pr=each.fine["pr"].assign_attrs(lower_bound=-np.inf))
            changed[name] = replace(each, coarse=coarse, fine=fine)
        return changed

    with_splits(monkeypatch, as_block_means)
    steps = load(Path("recipes/tiny.yaml"), [f"transforms.targets.pr=[{step}, standardize]"]).transforms
    sample = minute_recipe.sample.model_copy(update={"conserve": True})
    recipe = minute_recipe.model_copy(update={"sample": sample, "transforms": steps})
    with pytest.raises(RecipeError, match=f"CD-037 sample.conserve: {step} of 'pr' is for values from 0 up"):
        train(recipe, tmp_path)


@pytest.mark.parametrize(("number", "said"), [(1, "1 thread"), (2, "2 threads")])
def test_one_thread_is_no_threads(monkeypatch, number, said):
    monkeypatch.setattr(training, "device", lambda: torch.device("cpu"))
    monkeypatch.setattr(torch, "get_num_threads", lambda: number)
    assert training._machine() == said
