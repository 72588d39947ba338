"""The report of a verdict is one page with its maps, curves, scores and provenance."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import climdiff
from climdiff.bundle_files import Calibration, Tried
from climdiff.errors import RecipeError
from climdiff.recipe.schema import Report
from climdiff.verification.scorecard import Scores
from climdiff.verification.spectra import Spectrum
from climdiff.workflow import report
from climdiff.workflow.generation import generate
from climdiff.workflow.verification import verify


@pytest.fixture(scope="module")
def verdict(trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("out") / "ensemble.zarr"
    generate(climdiff.load(trained), path)
    return verify(path)


def with_times(verdict, *times):
    recipe = verdict.recipe.model_copy(update={"report": Report(times=times)})
    return dataclasses.replace(verdict, recipe=recipe)


def test_the_page_holds_everything(verdict, trained, tmp_path):
    report.write(verdict, tmp_path / "report.html", log=trained / "log.jsonl", facts={"machine": "test"})
    page = (tmp_path / "report.html").read_text()
    for text in (
        "Verdict",
        "The fair CRPS is",
        "intervals hold at once",
        "With 95 % confidence all the intervals contain their true difference.",
        "Score card",
        "FSS, 5 x 5",
        "bilinear",
        "analogs",
        "oracle",
        "Texture",
        "Rank histograms",
        "Reliability",
        "Error by spread",
        "Events by scale",
        "Extremes",
        "Where the model is better",
        "Training",
        "bundle hash",
    ):
        assert text in page
    assert page.count("data:image/png;base64,") == report.N_MAPS + 1


def test_a_foreign_ensemble_is_told_where_baselines_are_scored(verdict, tmp_path):
    own = {verdict.name: verdict.scores[verdict.name]}
    foreign = dataclasses.replace(verdict, recipe=None, scores=own, differences={})
    report.write(foreign, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "No baseline is scored: a foreign ensemble has no recipe. `climdiff ladder` scores them" in page
    report.write(verdict, tmp_path / "report.html")
    assert "No baseline is scored" not in (tmp_path / "report.html").read_text()


def test_times_of_the_recipe_are_mapped(verdict):
    assert report.chosen_times(with_times(verdict, "2001-02-03", 5), "pr") == [2, 5]


@pytest.mark.parametrize("time", ["2031-01-01", 400])
def test_a_time_that_was_not_scored_is_told(verdict, time):
    with pytest.raises(RecipeError, match=r"CD-037 recipe minute: report\.times"):
        report.chosen_times(with_times(verdict, time), "pr")


def test_the_power_of_short_waves_is_that_below_eight_cells():
    wavelength = np.array([32.0, 16.0, 8.0, 4.0, 2.0])
    members, truth = np.array([9.0, 9.0, 9.0, 1.0, 1.0]), np.array([1.0, 1.0, 1.0, 3.0, 1.0])
    assert report.fine_power(Spectrum(wavelength, wavelength, members, members, truth, 1)) == 0.5
    assert np.isnan(report.fine_power(Spectrum(wavelength, wavelength, members, members, np.zeros(5), 1)))


def test_means_over_coarse_cells_are_given_where_the_truth_has_those_of_the_coarse_field(verdict):
    own = verdict.scores[verdict.name]
    coarse, fine = verdict.test.coarse_grid, verdict.test.fine_grid
    side = fine.y.size // coarse.y.size

    def found(**scalars):
        scores = dataclasses.replace(own["pr"], scalars={**own["pr"].scalars, "mae": 1.0, **scalars})
        changed = dataclasses.replace(verdict, scores=verdict.scores | {verdict.name: Scores({"pr": scores})})
        return report.given(changed, "pr")

    wanted = {f"crps_fair_{n}x{n}" for n in (2, 4, 8) if n % side == 0}
    assert wanted and found(coarse_rmse_truth=0.01) == wanted
    assert not found(coarse_rmse_truth=0.1) and not found(coarse_rmse_truth=np.nan)


def test_methods_and_scores_that_are_missing_are_told(verdict, tmp_path):
    wanted = verdict.recipe.verify.model_copy(update={"baselines": ("bilinear", "gan")})
    recipe = verdict.recipe.model_copy(update={"verify": wanted})
    report.write(dataclasses.replace(verdict, recipe=recipe), tmp_path / "report.html")
    assert "not trained on this recipe: gan" in (tmp_path / "report.html").read_text()


def test_what_was_not_searched_for_leaks_is_told(verdict, tmp_path):
    report.write(dataclasses.replace(verdict, not_searched=("not searched for copies: pr",)), tmp_path / "report.html")
    assert "ot searched for copies: pr" in (tmp_path / "report.html").read_text()


def test_curves_are_of_the_model_and_the_best_of_either_kind(verdict):
    crps = {"climatology": 3.0, "bilinear": 2.0, "unet": 1.5, "crps": 1.0, "analogs": 1.2, "oracle": 0.1}
    own = verdict.scores[verdict.name]["pr"]
    scores = {verdict.name: verdict.scores[verdict.name]} | {
        method: Scores({"pr": dataclasses.replace(own, scalars={**own.scalars, "crps_fair": value})})
        for method, value in crps.items()
    }
    several = dataclasses.replace(verdict, scores=scores)
    assert report.chosen_methods(several, "pr") == [verdict.name, "analogs", "crps", "bilinear", "oracle"]


def test_a_calibration_is_told_and_drawn(verdict, tmp_path):
    sample = verdict.recipe.sample.model_dump()
    score = {"crps_fair": 0.2, "spread_skill": 0.9, "spread_skill_interval": (0.8, 1.0), "small_scale_ratio": 1.0}
    own = {"settings": {}, "evaluations": 9, "seconds": 1.0, "scores": {"pr": score}, "difference": (0.0, 0.0, 0.0)}
    other = own | {"settings": {"spread": 1.2}, "difference": (-2.5, -4.0, -1.0)}
    found = Calibration(
        climdiff="1",
        bundle_hash="",
        recipe=sample,
        sample={**sample, "spread": 1.2},
        seed=0,
        members=4,
        dates_chosen=8,
        dates_held_out=7,
        tried=(own, other),
        held_out=(own, other),
        notes=("one note",),
    )
    report.write(verdict, tmp_path / "report.html", calibration=found)
    page = (tmp_path / "report.html").read_text()
    assert "sample.spread=1.2 chosen; on 7 others its fair CRPS is -2.5 % [-4.0, -1.0]" in page
    assert "This ensemble is drawn otherwise." in page
    assert "one note" in page and "Calibration of pr" in page


def test_an_ensemble_drawn_as_calibrated_says_so(verdict):
    sample = verdict.recipe.sample
    tried = Tried(settings={}, evaluations=9, seconds=1.0, scores={}, difference=(0.0, None, None))
    found = Calibration.model_construct(
        recipe=sample,
        sample=sample,
        dates_chosen=8,
        dates_held_out=7,
        tried=(tried,),
        held_out=(tried, tried),
        notes=(),
    )
    said = report.calibrated(found, verdict.ensemble)
    assert "the recipe's way of drawing chosen" in said and said.endswith("This ensemble is drawn so.")
