"""What the terminal shows without a terminal: a line at each tenth, and tables of scores."""

from __future__ import annotations

from types import SimpleNamespace
from typing import NamedTuple

import pytest

from climdiff.bundle_files import Scored, Tried
from climdiff.errors import Problem, RetryError
from climdiff.progress import Bars, calibration_table, score_tables, show_problems, where_time_went


class Step(NamedTuple):
    step: int
    loss: float
    samples_per_second: float
    validation: dict[str, float] | None = None


class Verdict:
    ensemble = {"pr": type("Field", (), {"attrs": {"units": "mm day-1"}})()}  # noqa: RUF012

    def to_json(self):
        scores = {"crps_fair": 0.5, "mae": 1.0, "rmse": 2.0, "bias": -0.25, "n_members": 4.0}
        return {"pr": {"diffusion": scores | {"spread_skill": 0.97}, "bilinear": scores | {"spread_skill": None}}}


def test_a_stage_prints_a_line_at_each_tenth(capsys):
    with Bars() as bars:
        for done in range(1, 101):
            bars.stage("generate", done, 100)
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("generate")]
    assert len(lines) == 10
    assert lines[-1].startswith("generate: 100 of 100")


def test_a_line_is_printed_in_one_piece_with_its_brackets(capsys):
    line = "'analogs' is left out, see verify.baselines=[bilinear]: " + "a long reason " * 10 + "at its end"
    with Bars() as bars:
        bars.say(line)
    assert capsys.readouterr().err == line + "\n"


def test_training_shows_loss_speed_and_validation(capsys):
    with Bars() as bars:
        bars.training(Step(1, 0.25, 80.0, {"score": 0.61}), 1)
    text = capsys.readouterr().err
    assert "loss 0.2500, 80 samples/s" in text
    assert "validation CRPS is 0.610 of the error of the interpolated field" in text


def test_tables_have_a_row_per_method_and_a_dash_for_what_is_undefined(capsys):
    score_tables(Verdict())
    lines = capsys.readouterr().out.splitlines()
    rows = {name: line for line in lines for name in ("diffusion", "bilinear") if name in line}
    assert "0.97" in rows["diffusion"]
    assert " - " in rows["bilinear"]


def test_a_bias_that_is_rounding_is_0(capsys):
    verdict = Verdict()
    scores = {"rmse": 2.0, "n_members": 1.0}
    verdict.to_json = lambda: {"pr": {"kept": scores | {"bias": -3.5e-10}, "other": scores | {"bias": 3.5e-5}}}
    score_tables(verdict)
    text = capsys.readouterr().out
    assert "e-10" not in text and "3.5e-05" in text
    assert "  0  " in next(line for line in text.splitlines() if "kept" in line)


def test_units_are_no_markup(capsys):
    verdict = Verdict()
    verdict.ensemble = {"pr": SimpleNamespace(attrs={"units": "kg [/m2] [m]"})}
    score_tables(verdict)
    assert "pr (kg [/m2] [m])" in capsys.readouterr().out


def test_problems_are_a_line_each_and_brackets_stay_brackets(capsys):
    path = "deep/" * 40 + "a.nc"
    problems = [Problem(29, path, "units [red]K[/red]", "convert"), Problem(36, "b.nc", "no \x1b]pr", "name it")]
    show_problems("mine", problems)
    assert capsys.readouterr().out.splitlines() == [
        "mine: 2 problems",
        f"CD-029 {path}: units [red]K[/red]. Fix: convert.",
        "CD-036 b.nc: no \\x1b]pr. Fix: name it.",
    ]
    show_problems("mine", problems[:1])
    assert capsys.readouterr().out.startswith("mine: 1 problem\n")


def test_fault_060_a_stage_ends_when_asked_to_stop():
    with Bars(should_stop=lambda: True) as bars, pytest.raises(RetryError, match=r"CD-060 generate: stopped at 3 of 9"):
        bars.stage("generate", 3, 9)


def test_shares_of_the_time_add_up():
    line = where_time_went(seconds=10.0, network=8.0, drawing=9.0, writing=2.5, waiting=0.25)
    assert line.startswith(
        "time: 80.0 % in the network, 10.0 % in the rest of drawing, 2.5 % waiting for the disk, 7.5 %"
    )
    assert line.endswith("writing took 2.5 s beside the drawing")


def test_a_calibration_is_a_table_with_the_choice_marked_and_one_of_dates_held_out(capsys):
    scored = Scored(crps_fair=0.5, spread_skill=0.9, spread_skill_interval=(0.8, 1.0), small_scale_ratio=None)
    rows = [
        Tried(settings=given, evaluations=5, seconds=0.1, scores={"pr": scored}, difference=(-2.0, -3.0, -1.0))
        for given in ({}, {"sampler": "ddim", "spread": 1.2}, {"sampler": "ddim", "spread": 1.1}, {"steps": 9})
    ]
    found = SimpleNamespace(
        tried=rows, held_out=rows[:2], settings=rows[1].settings, dates_chosen=8, dates_held_out=7, members=4
    )
    calibration_table(found)
    text = capsys.readouterr().out
    assert "pr: 8 dates that choose, 4 members" in text
    assert "7 dates held out" in text
    assert text.count("* ddim, spread 1.2") == 2
    assert text.count("-2.0 +-1.0") == 4
    assert text.index("steps 9") < text.index("spread 1.1") < text.index("spread 1.2"), (
        "sorted by the factor, after all"
    )
    assert "power: ratio to the truth" in text and "as in sweep" not in text
    assert "0.90 +-0.10" in text
    found.settings = {}
    calibration_table(found)
    assert capsys.readouterr().out.count("* as in the recipe") == 2
