"""A whole run, and the same run again."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import pytest

from climdiff import bundle_files
from climdiff.errors import MismatchError, RecipeError
from climdiff.training.checkpoint import sha256
from climdiff.workflow import experiment
from climdiff.workflow.experiment import run


class Watch:
    """Remembers what it was told."""

    def __init__(self):
        self.lines, self.steps, self.stages = [], [], {}

    def say(self, line):
        self.lines.append(line)

    def training(self, progress, total, name="train"):
        self.steps.append((progress.step, total))

    def stage(self, name, done, total):
        self.stages[name] = (done, total)


def test_a_run_makes_everything_and_a_second_one_only_what_is_missing(minute_recipe, tmp_path):
    first, second = Watch(), Watch()
    verdict = run(minute_recipe, tmp_path, first)
    assert {"bundle", "ensemble.zarr", "scores.json", "scores.nc", "report.html", "log.jsonl"} <= {
        path.name for path in tmp_path.iterdir()
    }
    assert first.steps[-1] == (6, 6)
    assert all(done == total for done, total in first.stages.values())
    before = sha256(tmp_path / "bundle" / "weights.safetensors")
    again = run(minute_recipe, tmp_path, second)
    assert second.steps == []
    assert "is trained already" in second.lines[0]
    assert sha256(tmp_path / "bundle" / "weights.safetensors") == before
    assert again.to_json() == verdict.to_json()


def test_edited_keys_that_need_no_training_take_effect(minute_recipe, tmp_path):
    run(minute_recipe, tmp_path, Watch())
    changed = minute_recipe.model_copy(
        update={
            "generate": minute_recipe.generate.model_copy(update={"members": 6}),
            "verify": minute_recipe.verify.model_copy(
                update={"baselines": ("bilinear",), "thresholds": {"pr": (2.0,)}}
            ),
        }
    )
    watch = Watch()
    scores = run(changed, tmp_path, watch).to_json()["pr"]
    assert watch.steps == []
    assert list(scores) == ["diffusion", "bilinear"]
    assert scores["diffusion"]["n_members"] == 6
    assert "brier@2" in scores["diffusion"]


def test_fault_044_other_sampling_does_not_go_into_the_old_store(minute_recipe, tmp_path):
    run(minute_recipe, tmp_path, Watch())
    changed = minute_recipe.model_copy(update={"sample": minute_recipe.sample.model_copy(update={"sigma_max": 5.0})})
    with pytest.raises(MismatchError, match=r"CD-044 .*sigma_max: store 80\.0, asked 5\.0.*Fix: .*remove it"):
        run(changed, tmp_path, Watch())


def test_fault_050_a_damaged_calibration_is_refused_before_members_are_drawn(minute_recipe, trained, tmp_path):
    folder = shutil.copytree(trained, tmp_path / "minute")
    bundle_files._add(folder / "bundle", bundle_files.CALIBRATION, lambda file: file.write_text("{}"))
    with pytest.raises(MismatchError, match=r"CD-050 .*calibration\.json: cannot be read"):
        run(minute_recipe, folder, Watch())
    assert not (folder / "ensemble.zarr").exists()


@pytest.mark.parametrize("recipe", ["ours", None])
def test_the_training_shown_is_that_beside_an_ensemble_of_ours(tmp_path, monkeypatch, recipe):
    shown = {}
    monkeypatch.setattr(experiment.verification, "write", lambda *given: None)
    monkeypatch.setattr(experiment.report, "write", lambda *given, **named: shown.update(named))
    for folder in ("run", "out"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "log.jsonl").touch()
    experiment.publish(SimpleNamespace(recipe=recipe), tmp_path / "out", run=tmp_path / "run")
    assert shown["log"] == (tmp_path / "run" / "log.jsonl" if recipe else None)
    (tmp_path / "run" / "log.jsonl").unlink()
    experiment.publish(SimpleNamespace(recipe=recipe), tmp_path / "out", run=tmp_path / "run")
    assert shown["log"] is None


def test_a_baseline_that_the_data_cannot_have_is_refused_before_training(minute_recipe, tmp_path):
    verify = minute_recipe.verify.model_copy(update={"baselines": ("bilinear", "rainfarm")})
    with pytest.raises(RecipeError, match=r"CD-020 verify\.baselines: rainfarm: .* is no block mean"):
        run(minute_recipe.model_copy(update={"verify": verify}), tmp_path / "new", Watch())
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "asked, checked",
    [("ladder", None), ("full_ladder", None), (("analogs", "unet", "bilinear"), ("analogs", "bilinear"))],
)
def test_only_methods_that_are_named_and_need_no_training_are_checked(
    minute_recipe, tmp_path, monkeypatch, asked, checked
):
    seen = [None]
    monkeypatch.setattr(experiment.ladder, "check", lambda recipe, train: seen.append(recipe.verify.baselines))
    monkeypatch.setattr(experiment.training, "ensure", lambda *given, **named: (_ for _ in ()).throw(InterruptedError))
    verify = minute_recipe.verify.model_copy(update={"baselines": asked})
    with pytest.raises(InterruptedError):
        run(minute_recipe.model_copy(update={"verify": verify}), tmp_path, Watch())
    assert seen[-1] == checked
