"""Recipes that come with climdiff."""

from __future__ import annotations

from pathlib import Path

import pytest

from climdiff.recipe.shipped import folder as shipped_folder
from climdiff.recipe.shipped import locate, names


@pytest.mark.parametrize("name", ["recipes/precip.yaml", "precip.yaml"])
def test_a_shipped_recipe_is_found_from_anywhere(name: str, folder: Path) -> None:
    assert locate(Path(name)) == shipped_folder() / "precip.yaml"


def test_a_file_of_that_name_comes_first(folder: Path) -> None:
    Path("precip.yaml").write_text("name: mine\n")
    assert locate(Path("precip.yaml")) == Path("precip.yaml")


@pytest.mark.parametrize("name", ["other/precip.yaml", "/recipes/precip.yaml", "recipes/none.yaml"])
def test_other_paths_are_left_as_they_are(name: str, folder: Path) -> None:
    assert locate(Path(name)) == Path(name)


def test_the_names_are_what_a_user_may_write() -> None:
    assert {
        "recipes/precip.yaml",
        "recipes/radar.yaml",
        "recipes/iberia.yaml",
        "recipes/iberia-weather.yaml",
        "recipes/tiny.yaml",
    } <= set(names())
