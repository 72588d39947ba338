"""What `climdiff recipe` prints."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from climdiff.commands.recipe import app

RECIPES = Path(__file__).parents[2] / "recipes"


def run(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_recipes_are_validated_and_shown():
    assert "nothing wrong" in run("validate", RECIPES / "precip.yaml")
    assert "learning_rate" in run("show", RECIPES / "precip.yaml")
    assert json.loads(run("schema")) == json.loads((RECIPES / "recipe.schema.json").read_text())
