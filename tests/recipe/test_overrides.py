"""Settings on the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from climdiff.errors import Problem, RecipeError, SecurityError
from climdiff.recipe.load import changed, load

Spoil = Callable[..., list[Problem]]


@pytest.fixture
def path(folder: Path, sound: str) -> Path:
    """Return a sound recipe in the working directory."""
    Path("r.yaml").write_text(sound)
    return Path("r.yaml")


def test_values_follow_the_scalar_rules_of_the_file(path: Path) -> None:
    recipe = load(
        path,
        ["train.steps=010", "train.learning_rate=1e-4", "data.split.train=[1981-01-01, 1990-12-31]", "title=12:30",
         "train.flips=true", "model.channels=null", "transforms.targets.pr=[{log1p: {scale: 2}}]"],
    )  # fmt: skip
    assert (recipe.train.steps, recipe.train.learning_rate, recipe.title) == (10, 1e-4, "12:30")
    assert recipe.data.split.train == ("1981-01-01", "1990-12-31")
    assert recipe.train.flips is True and recipe.model.channels is None
    assert recipe.transforms.targets["pr"][0].options == {"scale": 2.0}


def test_the_last_of_two_settings_wins(path: Path) -> None:
    assert load(path, ["seed=1", "seed=2"]).seed == 2


def test_a_value_may_hold_an_equals_sign(path: Path) -> None:
    assert load(path, ["title=a=b"]).title == "a=b"


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            "train.stpes=3",
            "CD-037 command line: train.stpes: unknown key, did you mean 'steps'? train has no 'stpes'. Fix: ",
        ),
        ("train.steps=10.0", "CD-037 command line: train.steps: expected a whole number, found 10.0. Fix: write 10."),
        (
            "train.steps.more=3",
            "CD-037 command line: train.steps: expected a whole number, found keys and values. Fix: ",
        ),
        ("data.targets=[pr, 1]", "CD-037 command line: data.targets[1]: expected text, found 1. Fix: "),
        (
            "data.split.train=[2003-06-01, 2003-07-01]",
            "CD-043 r.yaml:9:5: data.split.validation: train and validation share",
        ),
        ("train.steps", "CD-037 command line: 'train.steps' is no setting. Fix: write key=value, such as"),
        ("=3", "CD-037 command line: '=3' is no setting. Fix: "),
        ("train..steps=3", "CD-037 command line: 'train..steps=3' is no setting. Fix: "),
        ("a." * 5000 + "b=1", "is no setting. Fix: "),
        ("seed=[1", "CD-037 command line: seed: not YAML: "),
        ("title=$HOME", "CD-041 command line: title: '$HOME' looks like a variable"),
        ("model={size: tiny, size: base}", "CD-038 command line: model.size: given twice"),
        ("extends=other.yaml", "CD-037 command line: extends: unknown key"),
    ],
)
def test_settings_are_checked_like_the_file(setting: str, message: str, spoil: Spoil) -> None:
    lines = [str(problem) for problem in spoil(overrides=[setting])]
    assert any(message in line for line in lines), lines
    assert all(len(line) < 400 for line in lines)


@pytest.mark.parametrize(("value", "code"), [("!!python/name:os.system", 39), ("&a 1", 40), ("[" * 50, 40)])
def test_what_could_do_harm_is_refused_on_the_command_line_too(value: str, code: int, path: Path) -> None:
    with pytest.raises(SecurityError, match=f"CD-0{code} command line: seed") as caught:
        load(path, [f"seed={value}"])
    assert caught.value.exit_code == 5


def test_a_trained_recipe_changes_in_the_sections_named_only(path: Path) -> None:
    recipe = load(path)
    later = changed(recipe, ["sample.steps=7", "generate.members=3"], ("sample", "generate"))
    assert (later.sample.steps, later.generate.members) == (7, 3)
    assert later.train == recipe.train
    with pytest.raises(RecipeError) as error:
        changed(recipe, ["train.steps=7", "sample.stepz=7", "sample.steps=0"], ("sample", "generate"))
    assert [problem.code for problem in error.value.problems] == [37, 37, 37]
    assert "change keys of sample and generate only" in str(error.value)


def test_a_setting_without_value_is_told(path: Path) -> None:
    with pytest.raises(RecipeError, match=r"'train.steps=' has no value. Fix: write train.steps=null for none"):
        load(path, ["train.steps="])


def test_one_setting_may_be_a_plain_string(path: Path) -> None:
    assert load(path, "train.steps=7").train.steps == 7
