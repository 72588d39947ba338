"""The report of a verdict is one page with its maps, curves, scores and provenance."""

from __future__ import annotations

import pytest

import climdiff
from climdiff.errors import RecipeError
from climdiff.recipe.schema import Report
from climdiff.workflow import report
from climdiff.workflow.generation import generate
from climdiff.workflow.verification import verify


@pytest.fixture(scope="module")
def verdict(trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("out") / "ensemble.zarr"
    generate(climdiff.load(trained), path)
    return verify(path)


def with_times(verdict, *times):
    import dataclasses

    recipe = verdict.recipe.model_copy(update={"report": Report(times=times)})
    return dataclasses.replace(verdict, recipe=recipe)


def test_the_page_holds_everything(verdict, trained, tmp_path):
    report.write(verdict, tmp_path / "report.html", log=trained / "log.jsonl", facts={"machine": "test"})
    page = (tmp_path / "report.html").read_text()
    for text in (
        "bilinear",
        "analogs",
        "oracle",
        "Texture",
        "Rank histograms",
        "Reliability",
        "Training",
        "bundle hash",
    ):
        assert text in page
    assert page.count("data:image/png;base64,") == report.N_MAPS


def test_times_of_the_recipe_are_mapped(verdict):
    assert report.chosen_times(with_times(verdict, "2001-02-03", 5), "pr") == [2, 5]


@pytest.mark.parametrize("time", ["2031-01-01", 400])
def test_a_time_that_was_not_scored_is_told(verdict, time):
    with pytest.raises(RecipeError, match=r"CD-037 recipe minute: report\.times"):
        report.chosen_times(with_times(verdict, time), "pr")
