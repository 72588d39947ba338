"""Requirements: what is understood, and one clear line for everything else."""

from __future__ import annotations

import re

import pytest

from climdiff.errors import RecipeError
from climdiff.verification.requirements import check, requirement

THRESHOLDS = {"pr": (1.0, 10.0), "tas": ()}
BASELINES = {"bilinear": ("pr", "tas"), "analogs": ("pr", "tas"), "rainfarm": ("pr",)}


def refused(text: str) -> str:
    with pytest.raises(RecipeError) as error:
        check([requirement(text)], THRESHOLDS, BASELINES)
    assert {problem.code for problem in error.value.problems} == {37}
    return str(error.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("crps_fair < analogs", (None, "crps_fair", "analogs")),
        ("pr: mae<bilinear", ("pr", "mae", "bilinear")),
        ("  pr :brier_fair@0.5 < quantile_mapping ", ("pr", "brier_fair@0.5", "quantile_mapping")),
    ],
)
def test_a_requirement_names_variable_score_and_baseline(text: str, expected: tuple):
    found = requirement(text)
    assert (found.variable, found.score, found.reference) == expected


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("crps_fair > analogs", r"is not of the form \[variable:\] score < baseline"),
        ("analogs", r"is not of the form"),
        ("", r"is not of the form"),
        ("crps < analogs", r"no paired test of score 'crps'. Fix: did you mean 'crps_fair'"),
        ("spread_skill < analogs", r"no paired test of score 'spread_skill'. Fix: choose from crps_fair, mae, rmse"),
        ("brier < analogs", r"no paired test of score 'brier'"),
        ("brier@wet < analogs", r"no paired test of score 'brier@wet'"),
        ("mae@1 < analogs", r"no paired test of score 'mae@1'"),
        ("crps_fair < analog", r"no baseline 'analog' is scored. Fix: did you mean 'analogs'"),
        ("tos: crps_fair < analogs", r"no variable 'tos' is scored. Fix: did you mean 'tas'"),
        ("pr: brier@2 < analogs", r"2 is no threshold of 'pr' \(1, 10\). Fix: add it to verify.thresholds.pr"),
    ],
)
def test_what_cannot_be_judged_is_one_clear_line(text: str, what: str):
    message = refused(text)
    assert re.search(what, message)
    assert len(message.splitlines()) == 1


def test_all_that_is_wrong_is_said_at_once():
    assert len(refused("tos: crps_fair < analog").splitlines()) == 2


def test_scores_beside_the_fair_crps_are_asked_for_by_variable():
    wanted = [requirement(text) for text in ("crps_fair < analogs", "mae < bilinear", "pr: brier@10 < analogs")]
    assert check(wanted, THRESHOLDS, BASELINES) == {"pr": ("mae", "brier@10"), "tas": ("mae",)}


def test_a_foreign_ensemble_has_nothing_to_be_better_than():
    with pytest.raises(RecipeError, match=r"no baseline 'analogs' is scored. Fix: a foreign ensemble has no baselines"):
        check([requirement("crps_fair < analogs")], {}, {})


def test_a_baseline_is_asked_for_the_variables_it_makes():
    assert check([requirement("mae < rainfarm")], THRESHOLDS, BASELINES) == {"pr": ("mae",), "tas": ()}
    assert "'rainfarm' makes no 'tas'. Fix: name one of its variables (pr)" in refused("tas: mae < rainfarm")
