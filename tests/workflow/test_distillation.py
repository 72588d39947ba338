"""A one-step network beside the denoiser: added only when it is good, and then as easy to use as any sampler."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch

from climdiff import build, bundle
from climdiff.data.times import evenly_spread
from climdiff.errors import MismatchError, RecipeError, RetryError
from climdiff.workflow import distillation
from climdiff.workflow.distillation import Comparison, distill
from climdiff.workflow.sweep import sweep
from climdiff.workflow.validation import other_times

ONE_STEP = ["sample.sampler=one_step"]


@pytest.fixture
def run(trained, tmp_path):
    """Return a copy of a trained run."""
    return shutil.copytree(trained, tmp_path / "minute")


@pytest.fixture(scope="module")
def distilled(trained, tmp_path_factory):
    """Return a run with a one-step network that nobody asked to be good: three steps teach nothing."""
    run = shutil.copytree(trained, tmp_path_factory.mktemp("distilled") / "minute")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distillation, "_refuse_worse", lambda *_: None)
        found = distill(run, steps=3)
    return run, found


def test_the_comparison_is_that_of_the_two_ensembles(distilled, minute_recipe):
    run, (found,) = distilled
    pairs = build.open_splits(minute_recipe, ("validation",))["validation"]
    pairs = pairs.select(other_times(pairs.n_times, minute_recipe.train.validation_times, 64, 16))
    truth = pairs.truth(slice(None))
    for overrides, crps in zip(([], ONE_STEP), found.crps, strict=True):
        drawn = bundle.load(run, overrides=overrides).downscaler.downscale(pairs.coarse, range(8), minute_recipe.seed)
        scores = distillation.scorecard(drawn, truth, area=pairs.fine_grid.cell_area()).variables
        assert scores["pr"].scalars["crps_fair"] == pytest.approx(crps, rel=1e-6)


def test_the_comparison_is_on_dates_that_did_not_choose_the_checkpoint():
    compared = set(other_times(154, 64, 64, 16).tolist())
    assert len(compared) == 64 and not compared & set(evenly_spread(154, 64).tolist())
    assert other_times(70, 64, 64, 16).tolist() == evenly_spread(70, 64).tolist()
    assert other_times(10, 64, 64, 16).tolist() == list(range(10))


def test_a_member_takes_one_evaluation_and_the_teacher_is_as_it_was(distilled, trained, minute_recipe, tmp_path):
    run, _ = distilled
    (row,) = sweep(run, ONE_STEP, tmp_path / "a.json", times=2, members=2)
    assert row.evaluations == 1
    before, after = bundle.load(trained), bundle.load(run)
    assert before.hash == after.hash
    student = bundle.load(run, overrides=ONE_STEP)
    assert student.hash != after.hash
    coarse = build.open_splits(minute_recipe, ("test",))["test"].coarse.isel(time=slice(0, 2))
    np.testing.assert_array_equal(before.downscale(coarse, 2)["pr"], after.downscale(coarse, 2)["pr"])
    members = student.downscale(coarse, 3)["pr"]
    assert float(members.min()) >= 0 and bool(np.isfinite(members).all())
    np.testing.assert_array_equal(members[[2]], student.downscale(coarse, [2])["pr"])


def test_a_network_that_is_worse_is_not_added(run):
    before = (run / "bundle" / "bundle.json").read_bytes()
    compared = []
    with pytest.raises(RecipeError, match=r"CD-037 .*at most \+3% .*--steps: more than 1, .*the bundle is as it was"):
        distill(run, steps=1, on_compared=lambda *done: compared.append(done))
    assert compared[0][0] == 0 and compared[-1] == (compared[0][1],) * 2
    with pytest.raises(MismatchError, match=r"CD-044 .*ended at step 1 of 1\. Fix: add --resume .* compare again"):
        distill(run, steps=1)
    with pytest.raises(MismatchError, match=r"CD-044 .*Fix: go on with --resume --steps 1, or remove .*one_step"):
        distill(run, steps=2)
    assert (run / "bundle" / "bundle.json").read_bytes() == before
    assert not (run / "bundle" / "one_step.safetensors").exists()


@pytest.mark.parametrize(
    ("crps", "spread_skill", "is_good"),
    [
        ((1.0, 1.029), (1.0, 0.91), True),
        ((1.0, 1.031), (1.0, 1.0), False),
        ((1.0, 0.9), (1.0, 0.89), False),
        ((1.0, 1.0), (1.0, 1.11), False),
        ((1.0, 1.0), (0.8, 0.85), True),
        ((1.0, 1.0), (0.8, 0.75), False),
    ],
)
def test_good_is_three_percent_of_crps_and_a_tenth_of_spread_or_no_worse_than_before(crps, spread_skill, is_good):
    assert Comparison("pr", crps, spread_skill).is_good is is_good


def test_fault_060_a_stopped_distillation_goes_on_to_the_same_weights(run, tmp_path, monkeypatch):
    monkeypatch.setattr(distillation, "_refuse_worse", lambda *_: None)
    other = shutil.copytree(run, tmp_path / "other")
    seen = []
    with pytest.raises(RetryError, match="CD-060"):
        distill(run, steps=4, on_step=lambda *_: seen.append(1), should_stop=lambda: len(seen) == 2)
    with pytest.raises(MismatchError, match=r"CD-044 .*reached step 2 of 4\. Fix: add --resume"):
        distill(run, steps=4)
    with pytest.raises(RetryError, match=r"CD-060 .*compared; the network is trained.*--resume"):
        distill(run, steps=4, resume=True, on_compared=lambda *_: seen.append(1), should_stop=lambda: len(seen) == 4)
    distill(run, steps=4, resume=True)
    distill(other, steps=4)
    files = [folder / "bundle" / "one_step.safetensors" for folder in (run, other)]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_fault_045_a_distillation_goes_on_with_the_steps_and_the_model_it_began_with(run):
    with pytest.raises(RetryError, match="CD-060"):
        distill(run, steps=3, should_stop=lambda: True)
    with pytest.raises(
        MismatchError, match=r"CD-045 .*steps: 3 -> 4.* Fix: go on with --resume --steps 3, or remove .*one_step"
    ):
        distill(run, steps=4, resume=True)
    about = json.loads((run / "bundle" / "bundle.json").read_text())
    (run / "bundle" / "bundle.json").write_text(json.dumps(about | {"ranges": {"pr": [0.0, 1.0]}}))
    with pytest.raises(MismatchError, match=r"CD-045 .*bundle: .* Fix: remove .*one_step to distill the model"):
        distill(run, steps=4, resume=True)


def test_fault_046_there_is_nothing_to_resume(run):
    with pytest.raises(MismatchError, match="CD-046"):
        distill(run, steps=4, resume=True)


def test_without_a_distillation_one_step_is_refused_with_what_to_do(trained, minute_recipe):
    with pytest.raises(RecipeError, match=r"CD-037 sample\.sampler: .*climdiff distill .*minute makes it"):
        bundle.load(trained, overrides=ONE_STEP)


@pytest.mark.parametrize("given", ["observations", "known", "likelihood"])
def test_one_step_cannot_be_steered(distilled, minute_recipe, given):
    model = bundle.load(distilled[0], overrides=ONE_STEP)
    fields = build.open_splits(minute_recipe, ("test",))["test"].truth(slice(0, 2))
    told = {"observations": fields, "known": fields, "likelihood": lambda f: torch.log1p(f["pr"]).mean((1, 2))}
    with pytest.raises(RecipeError, match=r"CD-037 sample\.sampler: one_step makes a member in one leap"):
        model.steered(**{given: told[given]})


def test_a_bundle_written_anew_with_the_same_denoiser_keeps_its_student(run, distilled, minute_recipe):
    from climdiff.workflow.training import train

    shutil.copytree(distilled[0] / "bundle", run / "bundle", dirs_exist_ok=True)
    before = bundle.load(run, overrides=ONE_STEP).hash
    train(minute_recipe, run, resume=True)
    assert bundle.load(run, overrides=ONE_STEP).hash == before
    (run / "bundle" / "one_step.safetensors").write_bytes(b"damaged")
    train(minute_recipe, run, resume=True)
    assert not (run / "bundle" / "one_step.safetensors").exists()


def test_a_student_is_not_trained_from_nothing(minute_recipe, tmp_path):
    from climdiff.recipe.load import changed
    from climdiff.workflow.training import train

    recipe = changed(minute_recipe, ONE_STEP, ("sample",))
    with pytest.raises(RecipeError, match=r"CD-037 sample\.sampler: one_step is taught by a trained model"):
        train(recipe, tmp_path / "run")
