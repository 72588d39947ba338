"""A calibration goes into the bundle, is what members are drawn with from then on, and says so."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

import climdiff
from climdiff import build, bundle, bundle_files
from climdiff.errors import DataError, MismatchError, RecipeError, RetryError
from climdiff.recipe.load import changed
from climdiff.verification import significance
from climdiff.workflow import calibration, generation
from climdiff.workflow.calibration import calibrate, halves, ways
from climdiff.workflow.lock import alone
from climdiff.workflow.training import train
from climdiff.workflow.trials import Trials

BUDGET = {"times": 20, "members": 3}


@pytest.fixture(scope="module")
def calibrated(trained, tmp_path_factory):
    """Return a calibrated copy of a trained run, what was found and what was said."""
    run = shutil.copytree(trained, tmp_path_factory.mktemp("calibrated") / "minute")
    said, seen = [], []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(significance, "MIN_INDEPENDENT", 3)  # so that these few dates tell something
        found = calibrate(run, **BUDGET, say=said.append, progress=lambda *state: seen.append(state))
    return run, found, said, seen


def test_dates_too_few_to_tell_change_nothing(run):
    said = []
    found = calibrate(run, times=16, members=2, say=said.append)
    assert found.settings == {} and climdiff.load(run).provenance(0).get("spread") is None
    assert "nan" not in "".join(said)
    assert any(line.endswith("% (too few dates for an interval)") for line in said)


@pytest.fixture
def run(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "minute")


@pytest.fixture(scope="module")
def coarse(minute_recipe):
    return build.open_splits(minute_recipe, ["test"])["test"].coarse.isel(time=slice(0, 2)).load()


def test_the_choice_and_all_that_was_tried_lie_in_the_bundle(calibrated):
    run, found, _, _ = calibrated
    about = bundle_files.read_about(run / "bundle")
    bundle_files.check_files(run / "bundle", about)
    assert bundle_files.read_calibration(run / "bundle", about) == found
    assert found.settings  # six steps of training leave a lot to correct
    assert any(each.settings == found.settings for each in found.tried)
    assert (found.dates_chosen + found.dates_held_out, found.members) == (20, 3)
    assert [each.settings for each in found.held_out] == [{}, found.settings]
    assert [way.is_own for way in ways(found, "pr")].count(True) == 1
    assert sum(way.is_chosen for way in ways(found, "pr")) == 1


def test_a_calibrated_model_draws_in_the_chosen_way_and_says_so(calibrated, coarse):
    run, found, _, _ = calibrated
    model = climdiff.load(run)
    asked = climdiff.load(run, overrides=[f"sample.{key}={json.dumps(value)}" for key, value in found.settings.items()])
    ensemble = model.downscale(coarse, 2)
    np.testing.assert_array_equal(ensemble["pr"], asked.downscale(coarse, 2)["pr"])
    assert json.loads(ensemble.attrs["climdiff_calibration"])["changed"] == found.settings
    assert model.recipe.sample == found.sample
    assert "climdiff_calibration" not in asked.downscale(coarse, 2).attrs


def test_the_recipes_own_way_is_to_be_had_as_before(calibrated, trained, minute_recipe, coarse):
    run, _, _, _ = calibrated
    before = climdiff.load(trained)
    for model in (
        climdiff.load(run, calibrated=False),
        climdiff.load(run, minute_recipe),
        climdiff.load(run, overrides=["sample.steps=2"]),
    ):
        assert (model.hash, model.calibration) == (before.hash, None)
        assert model.provenance(0) == before.provenance(0)
    np.testing.assert_array_equal(model.downscale(coarse, 2)["pr"], before.downscale(coarse, 2)["pr"])
    assert climdiff.load(run, overrides=["generate.micro_batch=4"]).calibration is not None


def test_a_store_tells_that_it_is_calibrated_and_takes_no_members_of_the_other_way(calibrated, tmp_path):
    run, found, _, _ = calibrated
    out = tmp_path / "ensemble.zarr"
    generation.generate(climdiff.load(run), out, members=2)
    attributes = xr.open_zarr(out).attrs
    assert json.loads(attributes["climdiff_calibration"])["changed"] == found.settings
    with pytest.raises(MismatchError, match=r"CD-044 .*calibration: store"):
        generation.generate(climdiff.load(run, calibrated=False), out, members=3)


def test_what_is_said(calibrated):
    _, found, said, seen = calibrated
    assert "20 dates of the validation split: 10 choose, 10 are held out" in said[0]
    assert any(line.startswith("sampler and steps: ") for line in said)
    assert any(line.startswith("spread: ") for line in said)
    assert set(found.notes) <= set(said)
    assert all(0 <= done <= total for done, total in seen)
    totals = [total for _, total in seen]
    assert totals == sorted(totals, reverse=True), "at most so many"
    assert seen[-1][0] == seen[-1][1]


def test_scores_are_those_of_the_ensembles(calibrated, minute_recipe):
    from climdiff.verification.scorecard import scorecard

    run, found, _, _ = calibrated
    pairs = calibration._dates(climdiff.load(run), BUDGET["times"])[0]
    for is_part, rows in ((False, found.tried), (True, found.held_out)):
        part = pairs.select(np.flatnonzero(halves(calibration._groups(pairs)) == is_part))
        for row in rows[-2:]:
            overrides = [f"sample.{key}={json.dumps(value)}" for key, value in row.settings.items()]
            recipe = changed(minute_recipe, overrides, ("sample",))
            drawn = bundle.load(run, recipe).downscaler.downscale(part.coarse, range(3), recipe.seed)
            card = scorecard(drawn, part.truth(slice(None)), area=part.fine_grid.cell_area())["pr"]
            assert row.scores["pr"].crps_fair == pytest.approx(card.scalars["crps_fair"], rel=1e-9)
            assert row.scores["pr"].spread_skill == pytest.approx(card.scalars["spread_skill"], rel=1e-9)
            small = card.spectrum.ratio[card.spectrum.wavelength_cells < 4].mean()
            assert row.scores["pr"].small_scale_ratio == pytest.approx(small, rel=1e-6)


def test_an_interrupted_calibration_goes_on_to_the_same_choice(run, calibrated, monkeypatch):
    drawn, original = [], Trials._drawn
    monkeypatch.setattr(significance, "MIN_INDEPENDENT", 3)  # as for `calibrated`
    monkeypatch.setattr(Trials, "_drawn", lambda *given: drawn.append(given[2]) or original(*given))

    def stop(done, total):
        if len(drawn) == 2:
            raise RetryError(calibration.Problem(60, "calibrate", "stopped", "again"))

    with pytest.raises(RetryError):
        calibrate(run, **BUDGET, progress=stop)
    assert not (run / "bundle" / bundle_files.CALIBRATION).exists()
    found = calibrate(run, **BUDGET)
    assert (
        drawn.count(found.recipe.model_dump(mode="json")) == 2
    )  # on the dates that choose, before the interruption, and on those held out
    assert drawn.count(drawn[1]) == 2  # begun twice
    assert found.settings == calibrated[1].settings
    before = len(drawn)
    again = calibrate(run, **BUDGET)
    assert (len(drawn), again) == (before, found)


def test_another_calibration_replaces_the_one_before_and_training_removes_it(run, minute_recipe):
    first, second = calibrate(run, times=16, members=2), calibrate(run, times=18, members=2)
    assert climdiff.load(run).calibration == second != first
    said = []
    train(minute_recipe, run, resume=True, say=said.append)
    assert climdiff.load(run).calibration is None
    assert any("the calibration of the model before goes: climdiff calibrate" in line for line in said)


def test_a_one_step_network_is_kept_and_not_drawn_by_the_calibration(run, coarse):
    model = climdiff.load(run)
    bundle_files.add_one_step(run / "bundle", model.downscaler.denoiser.state_dict(), model.hash)
    before = climdiff.load(run, overrides=["sample.sampler=one_step"])
    calibrate(run, times=16, members=2)
    after = climdiff.load(run, overrides=["sample.sampler=one_step"])
    assert (after.hash, after.calibration) == (before.hash, None)
    np.testing.assert_array_equal(after.downscale(coarse, 1)["pr"], before.downscale(coarse, 1)["pr"])


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ({"members": 1}, r"CD-037 members: 1 member has no spread to calibrate\. Fix: give --members 8"),
        ({"times": 15}, r"CD-037 times: 15 dates cannot tell ways of drawing from each other"),
    ],
)
def test_fault_037_a_budget_that_tells_nothing_is_refused(trained, budget, message):
    with pytest.raises(RecipeError, match=message):
        calibrate(trained, **budget)


def test_fault_043_too_few_validation_dates_are_refused(run, monkeypatch):
    original = build.open_splits
    few = lambda *given: {name: pairs.select(np.arange(5)) for name, pairs in original(*given).items()}  # noqa: E731
    monkeypatch.setattr(build, "open_splits", few)
    with pytest.raises(DataError, match=r"CD-043 .*has 5 dates, too few to calibrate with"):
        calibrate(run, **BUDGET)
    with pytest.raises(DataError, match=r"CD-043 .*are of one scene or week"):
        halves(np.zeros(20))


def test_fault_044_a_bundle_that_changes_meanwhile_is_left_alone(run, monkeypatch):
    load, loaded = bundle.load, []

    def other_from_the_second_on(*given, **keys):
        loaded.append(1)
        found = load(*given, **keys)
        return found if len(loaded) < 2 else replace(found, hash="0" * 64)

    monkeypatch.setattr(bundle, "load", other_from_the_second_on)
    with pytest.raises(MismatchError, match=r"CD-044 .*the bundle is another one than when this calibration began"):
        calibrate(run, times=16, members=2)
    assert not (run / "bundle" / bundle_files.CALIBRATION).exists()


def test_fault_044_a_folder_where_another_process_works_is_left_alone(run):
    with (
        alone(run),
        pytest.raises(MismatchError, match=r"CD-044 .*another process is training, distill"),
    ):
        calibrate(run, **BUDGET)


def test_halves_hold_whole_groups_in_turn_and_are_about_as_large():
    groups = np.repeat(np.arange(40), 2)
    held_out = halves(groups)
    assert held_out.sum() == 40
    assert all(len(set(held_out[groups == group])) == 1 for group in range(40))
    assert np.abs(np.diff(held_out.astype(int))).sum() >= 4
    uneven = halves(np.repeat(np.arange(6), [30, 2, 5, 9, 1, 13]))
    assert 20 <= uneven.sum() <= 40
