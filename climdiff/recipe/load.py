"""From a recipe file, a text or the command line to a checked `Recipe`, or to one error with all that is wrong."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from climdiff.errors import Problem, RecipeError
from climdiff.recipe.files import assemble
from climdiff.recipe.overrides import PLACE, override
from climdiff.recipe.problems import explain
from climdiff.recipe.schema import Recipe
from climdiff.recipe.tree import Node, read


def load(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Return the recipe in a file, with what it extends below it and `overrides` such as `train.steps=2000` on top.

    `path` may also name a shipped recipe (`recipes/precip.yaml`) from anywhere.

    Raises:
        RecipeError: everything wrong with the recipe and the overrides, one problem each (CD-037, 38, 41, 42, 43).
        SecurityError: tags, anchors, oversize, or a file outside the allowed folders (CD-039, CD-040, CD-042).
    """
    problems: list[Problem] = []
    tree = override(assemble(Path(path), problems), overrides, problems)
    return _checked(tree, problems)


def parse(text: str, where: str = "recipe") -> Recipe:
    """Return the recipe written in `text` (YAML, or the JSON a bundle keeps); `where` names it in messages.

    Raises:
        RecipeError: everything wrong with it, as in `load`.
        SecurityError: tags, anchors or oversize, as in `load`.
    """
    problems: list[Problem] = []
    return _checked(read(text, lambda line, column: f"{where}:{line}:{column}", problems), problems)


def changed(recipe: Recipe, overrides: Sequence[str], parts: Sequence[str]) -> Recipe:
    """Return `recipe` with `overrides` laid on it, as in `load`; only `parts` may change, sections or single keys.

    Raises:
        RecipeError: everything wrong with the overrides, CD-037 for a key of another part.
    """
    problems = [
        Problem(37, PLACE, f"{text!r} cannot change any more", f"change keys of {' and '.join(parts)} only")
        for text in ([overrides] if isinstance(overrides, str) else overrides)
        if not any(f"{text.partition('=')[0].strip()}.".startswith(f"{part}.") for part in parts)
    ]
    tree = read(recipe.model_dump_json(), lambda line, column: PLACE, problems)
    return _checked(override(tree, overrides, problems), problems)


def _checked(tree: Node, problems: list[Problem]) -> Recipe:
    """Return the recipe of a tree, or raise `problems` with all that the models find."""
    try:
        recipe = Recipe.model_validate_json(json.dumps(tree.plain()))
    except ValidationError as error:
        known = {_subject(problem) for problem in problems}
        found = [problem for problem in explain(error, tree) if _subject(problem) not in known]
        raise RecipeError(*problems, *found) from error
    if problems:
        raise RecipeError(*problems)
    return recipe


def _subject(problem: Problem) -> tuple[str, str]:
    """Return place and key of a problem, so that one fault is not told twice."""
    return problem.where, problem.what.partition(":")[0]
