"""What `climdiff data` prints."""

from __future__ import annotations

from typer.testing import CliRunner

from climdiff.commands.data import app


def run(*arguments):
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return result.output


def test_data_sets_are_listed_and_shown():
    assert "radar2km" in run("list")
    shown = run("show", "racmo-iberia")
    assert "racmo-iberia/fine (subsets: historical, future)" in shown
    assert "lwe_precipitation_rate" in shown


def test_the_embedded_world_is_sound():
    assert "nothing wrong" in run("check", "world")
