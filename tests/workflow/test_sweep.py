"""A sweep tries every combination once, on the validation split, and says what it left out."""

from __future__ import annotations

import json

import numpy as np
import pytest

from climdiff import build, bundle
from climdiff.errors import MismatchError, RecipeError, SecurityError
from climdiff.recipe.load import changed
from climdiff.verification.scorecard import scorecard
from climdiff.workflow import sweep as sweeping
from climdiff.workflow.sweep import combinations, draw, sweep

GRID = ["sample.sampler=ddim,heun", "sample.steps=1,3"]


@pytest.fixture(scope="module")
def swept(trained, tmp_path_factory):
    out = tmp_path_factory.mktemp("sweep") / "sweep.json"
    said = []
    return out, sweep(trained, GRID, out, times=3, members=3, say=said.append), said


def test_all_combinations_are_made_and_brackets_hold_together():
    assert combinations(["a=1,2", "b=x"]) == [("a=1", "b=x"), ("a=2", "b=x")]
    assert combinations(["a=1", "a=2,1"]) == [("a=1",), ("a=2",)]
    assert combinations(["a=[0.1, 5],null", "b={x: 1, y: 2}"]) == [
        ("a=[0.1, 5]", "b={x: 1, y: 2}"),
        ("a=null", "b={x: 1, y: 2}"),
    ]


def test_rows_have_the_scores_of_their_own_ensemble_on_validation_dates(swept, trained, minute_recipe):
    _, rows, _ = swept
    assert [(dict(row.settings), row.evaluations) for row in rows] == [
        ({"sample.sampler": "ddim", "sample.steps": "1"}, 1),
        ({"sample.sampler": "ddim", "sample.steps": "3"}, 3),
        ({"sample.sampler": "heun", "sample.steps": "1"}, 1),
        ({"sample.sampler": "heun", "sample.steps": "3"}, 3),
    ]
    recipe = changed(minute_recipe, ["sample.sampler=ddim", "sample.steps=3"], ("sample",))
    pairs = build.open_splits(minute_recipe, ("validation",))["validation"]
    pairs = pairs.select(np.array([0, round((pairs.n_times - 1) / 2), pairs.n_times - 1]))
    drawn = bundle.load(trained, recipe).downscaler.downscale(pairs.coarse, range(3), recipe.seed)
    found = scorecard(drawn, pairs.truth(slice(None)), area=pairs.fine_grid.cell_area())["pr"]
    assert rows[1].crps_fair == found.scalars["crps_fair"]
    assert rows[1].spread_skill == found.scalars["spread_skill"]
    wavelength, ratio = found.spectrum.wavelength_cells, found.spectrum.ratio
    assert rows[1].small_scale_ratio == pytest.approx(ratio[wavelength < 4].mean())
    assert rows[1].ratio_low == pytest.approx(ratio[wavelength >= 4].min())
    assert rows[1].ratio_high == pytest.approx(ratio[wavelength >= 4].max())


def test_guidance_costs_twice_and_is_counted(trained, tmp_path):
    (row,) = sweep(trained, ["sample.guidance=2"], tmp_path / "a.json", times=2, members=2)
    assert row.evaluations == 4


def test_a_second_sweep_does_only_what_is_new(swept, trained, monkeypatch):
    out, rows, _ = swept
    tried = []
    original = sweeping._rows
    monkeypatch.setattr(sweeping, "_rows", lambda *given: tried.append(given[-1]) or original(*given))
    again = sweep(trained, ["sample.sampler=ddim", "sample.steps=1,3,2"], out, times=3, members=3)
    assert tried == [{"sample.sampler": "ddim", "sample.steps": "2"}]
    assert again[:4] == rows
    assert len(again) == 5
    assert len(json.loads(out.read_text())["rows"]) == 5


def test_what_means_nothing_is_left_out_and_said(trained, tmp_path):
    said = []
    ways = ["sample.sampler=ddim,heun", "sample.eta=0.5"]
    rows = sweep(trained, ways, tmp_path / "b.json", times=2, members=2, say=said.append)
    assert [row.settings["sample.sampler"] for row in rows] == ["ddim"]
    assert said == ["left out: sample.sampler=heun sample.eta=0.5: sample.eta: eta 0.5 means nothing to sampler heun"]


def test_fault_037_a_sweep_of_nothing_is_refused(trained, tmp_path):
    with pytest.raises(RecipeError, match=r"CD-037 .*did you mean"):
        sweep(trained, ["sample.stepz=1,2"], tmp_path / "c.json")
    assert not (tmp_path / "c.json").exists()


def test_fault_050_a_run_that_is_not_there_is_told_before_the_folder_of_the_rows(tmp_path):
    with pytest.raises(MismatchError, match=r"CD-050 .*nope: holds no bundle"):
        sweep(tmp_path / "nope", ["sample.steps=2"], tmp_path / "nope" / "sweep.json")


def test_fault_039_a_tag_stops_the_sweep_and_is_not_left_out(trained, tmp_path):
    said = []
    with pytest.raises(SecurityError, match=r"CD-039 .*YAML tag '!!python/name:os\.system' is refused"):
        sweep(trained, ["sample.steps=1,!!python/name:os.system"], tmp_path / "sweep.json", say=said.append)
    assert not said and not list(tmp_path.iterdir())


def test_fault_044_rows_of_another_sweep_are_not_mixed(swept, trained, tmp_path):
    out, _, _ = swept
    with pytest.raises(MismatchError, match=r"CD-044 .*holds another sweep: members is 3, not 4"):
        sweep(trained, GRID, out, times=3, members=4)
    (tmp_path / "other.json").write_text("[]")
    with pytest.raises(MismatchError, match=r"CD-044 .*is no sweep"):
        sweep(trained, GRID, tmp_path / "other.json")


def test_the_figure_has_a_line_for_each_way_against_what_was_varied(swept, trained, tmp_path):
    _, rows, _ = swept
    figure = draw(rows, "pr", "mm day-1")
    first = figure.axes[0]
    assert [line.get_label() for line in first.get_lines()] == ["ddim", "heun"]
    assert first.get_lines()[0].get_xdata().tolist() == [1, 3]
    assert first.get_xscale() == "log"
    weights = sweep(trained, ["sample.guidance=0.5,2"], tmp_path / "g.json", times=2, members=2)
    by_weight = draw(weights, "pr", "mm day-1").axes[0]
    assert by_weight.get_xlabel() == "guidance"
    assert by_weight.get_lines()[0].get_xdata().tolist() == [0.5, 2.0]


def test_fault_044_a_bundle_that_changes_meanwhile_stops_the_sweep(trained, tmp_path, monkeypatch):
    from dataclasses import replace

    load, loaded = bundle.load, []

    def other_from_the_third_on(*given, **keys):
        loaded.append(1)
        found = load(*given, **keys)
        return found if len(loaded) < 3 else replace(found, hash="0" * 64)

    monkeypatch.setattr(bundle, "load", other_from_the_third_on)
    with pytest.raises(MismatchError, match=r"CD-044 .*the bundle is another one than when this sweep began"):
        sweep(trained, ["sample.steps=1"], tmp_path / "a.json", times=2, members=2)
    assert not (tmp_path / "a.json").exists()


def test_two_sweeps_into_one_file_keep_the_rows_of_both(trained, tmp_path, monkeypatch):
    """The second begins and ends while the first is drawing."""
    out, original = tmp_path / "a.json", sweeping._rows

    def beside(*given):
        monkeypatch.setattr(sweeping, "_rows", original)
        sweep(trained, ["sample.steps=2"], out, times=2, members=2)
        return original(*given)

    monkeypatch.setattr(sweeping, "_rows", beside)
    rows = sweep(trained, ["sample.steps=1"], out, times=2, members=2)
    assert {row.settings["sample.steps"] for row in rows} == {"1", "2"}
    assert len(json.loads(out.read_text())["rows"]) == 2


@pytest.mark.parametrize("spoil", [{"settings": None}, {"crps_fair": "x"}, {"variable": 3}])
def test_fault_044_a_damaged_file_is_no_sweep(swept, trained, tmp_path, spoil):
    found = json.loads(swept[0].read_text())
    found["rows"][0] |= spoil
    (tmp_path / "a.json").write_text(json.dumps(found))
    with pytest.raises(MismatchError, match=r"CD-044 .*is no sweep"):
        sweep(trained, GRID, tmp_path / "a.json", times=3, members=3)


def test_spaces_around_values_do_not_matter():
    assert combinations(["a=1, 2 ,1"]) == [("a=1",), ("a=2",)]


def test_a_picture_is_put_in_place_whole(swept, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    figure = draw(swept[1], "pr", "mm day-1")
    figure.savefig = lambda *_, **__: (_ for _ in ()).throw(OSError("disk full"))
    with pytest.raises(OSError, match="disk full"):
        sweeping.put_picture(figure, path)
    assert path.read_bytes() == b"old"
