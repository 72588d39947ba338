"""Checks of keys against each other, as plain functions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from climdiff.recipe import consistency
from climdiff.recipe.consistency import not_targets, overlaps, unconserved, unnamable, unsampled
from climdiff.recipe.steps import Step
from climdiff.verification import groups

DAYS = st.dates().map(str)
PERIODS = st.tuples(DAYS, DAYS).map(lambda pair: (min(pair), max(pair)))


@given(PERIODS, PERIODS)
def test_two_periods_overlap_when_one_begins_before_the_other_ends(
    one: tuple[str, str], other: tuple[str, str]
) -> None:
    is_apart = one[1] < other[0] or other[1] < one[0]
    assert bool(overlaps({"train": one, "test": other})) is not is_apart


def test_each_overlapping_pair_is_found() -> None:
    year = ("2000-01-01", "2000-12-31")
    findings = overlaps({"train": year, "validation": year, "test": year})
    assert [(finding.at, finding.code) for finding in findings] == [
        (("validation",), 43),
        (("test",), 43),
        (("test",), 43),
    ]


def test_a_period_and_a_subset_are_left_to_the_data() -> None:
    assert overlaps({"train": "historical", "test": ("2000-01-01", "2000-12-31")}) == []


def test_what_is_unknown_is_not_checked() -> None:
    assert unsampled(steps=5, n_steps=None, guidance=3.0, dropout=None) == []


def test_as_many_sampling_steps_as_the_chain_has_are_allowed() -> None:
    assert unsampled(steps=5, n_steps=5, guidance=1.0, dropout=0.0) == []


def test_targets_are_told_from_other_variables() -> None:
    (finding,) = not_targets(("thresholds",), {"pr": 1, "tas": 2}, ("pr",))
    assert finding.at == ("thresholds", "tas")


def test_conservation_needs_a_coarse_target_and_no_step_after_it() -> None:
    wet = {"pr": (Step.model_validate("wet_day"),)}
    assert [finding.at for finding in unconserved({}, ["pr"], ["psl"])] == [("conserve",)]
    assert "wet_day" in unconserved(wet, ["pr", "tas"], ["pr", "tas"])[0].what
    assert unconserved(wet, ["pr", "tas"], ["tas"]) == []
    assert unconserved({"pr": (Step.model_validate("log1p"),)}, ["pr"], ["pr"]) == []


def test_scores_that_would_have_one_name_are_found():
    assert unnamable({"pr": (1.0, 5.0)}, ("DJF", "alps"), by_season=False) == []
    (twice,) = unnamable({"pr": (5.0000004, 1.0, 5.0)}, ("alps",), by_season=True)
    assert twice.at == ("thresholds", "pr") and twice.what.startswith("5 is there more than once")
    (season,) = unnamable({}, ("alps", "DJF"), by_season=True)
    assert season.at == ("regions", "DJF")
    assert consistency.SEASONS == groups.SEASONS
