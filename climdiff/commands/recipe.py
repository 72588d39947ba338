"""`climdiff recipe`: check recipes, see them whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Recipes: check them, see them whole.", no_args_is_help=True)

RecipePath = Annotated[Path, typer.Argument(help="A recipe, such as recipes/precip.yaml.", metavar="RECIPE")]
Overrides = Annotated[
    list[str] | None, typer.Argument(help="Values of the recipe to change, as key=value.", metavar="[KEY=VALUE]...")
]


@app.command("validate")
def validate(recipe: RecipePath, overrides: Overrides = None) -> None:
    """Check a recipe; print nothing wrong or every mistake with its line."""
    from climdiff import build, drawing
    from climdiff.recipe.load import load

    loaded = load(recipe, overrides or ())
    drawing.noise_levels(loaded.sample, build.chain(loaded))
    if loaded.generate.observations or loaded.generate.known:
        from climdiff.workflow.given import check

        check(loaded)
    print(f"{recipe}: nothing wrong")


@app.command("show")
def show(recipe: RecipePath, overrides: Overrides = None) -> None:
    """Print a recipe whole: with what it extends, overrides and defaults."""
    from climdiff.recipe.load import load
    from climdiff.recipe.show import to_yaml

    print(to_yaml(load(recipe, overrides or ())), end="")


@app.command("schema")
def schema() -> None:
    """Print the JSON schema of recipes, for editors."""
    from climdiff.recipe.show import json_schema

    print(json.dumps(json_schema(), indent=2))
