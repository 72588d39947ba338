"""What `climdiff data` prints."""

from __future__ import annotations

from typer.testing import CliRunner

from climdiff.commands.data import app
from climdiff.errors import Problem
from climdiff.workflow import leaks


def run(*arguments):
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return result.output


def test_data_sets_are_listed_and_shown():
    assert "radar2km" in run("list")
    shown = run("show", "racmo-iberia/fine")
    assert "racmo-iberia/fine (subsets: historical, future)" in shown
    assert "lwe_precipitation_rate" in shown


def test_the_embedded_world_is_sound():
    assert "nothing wrong" in run("check", "world")


def test_splits_that_share_nothing_are_said_to_and_those_that_do_exit_with_3(minute, monkeypatch):
    said = run("leaks", "recipes/tiny.yaml", *minute)
    assert "memory of the weather (1/e): coarse 'pr' " in said
    assert "no field is in two splits (365 train, 30 validation, 20 test)" in said
    monkeypatch.setattr(leaks, "duplicates", lambda digests: [Problem(43, "data.split", "copies", "remove them")])
    result = CliRunner().invoke(app, ["leaks", "recipes/tiny.yaml", *minute])
    assert result.exit_code == 3
    assert "copies" in result.output
