"""Loading recipes: sound ones, and all problems at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from climdiff.errors import ClimdiffError, RecipeError
from climdiff.recipe.load import load, parse
from climdiff.recipe.shipped import folder as shipped_folder

SHIPPED = sorted(shipped_folder().glob("*.yaml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_every_shipped_recipe_is_sound_and_named_like_its_file(path: Path) -> None:
    assert load(path).name == path.stem


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_every_shipped_recipe_names_its_schema_in_the_first_line(path: Path) -> None:
    assert path.read_text().startswith("# yaml-language-server: $schema=recipe.schema.json\n")


def test_a_recipe_gives_what_was_written_and_defaults_for_the_rest(sound: str) -> None:
    recipe = parse(sound)
    assert recipe.data.predictors == ("pr", "psl")
    assert recipe.data.split.test == ("2005-01-10", "2006-12-31")
    assert recipe.train.learning_rate == 2e-3
    assert [step.name for step in recipe.transforms.targets["pr"]] == ["cube_root", "residual", "standardize"]


def test_all_problems_come_at_once_each_with_its_line_and_column(folder: Path, sound: str) -> None:
    text = sound.replace("steps:", "stpes:").replace("psl]", "psl, psl]").replace("name: demo", "name: Demo\nsede: 3")
    Path("r.yaml").write_text(text)
    with pytest.raises(RecipeError) as caught:
        load(Path("r.yaml"), ["model.size=smal", "seed"])
    assert caught.value.exit_code == 2
    lines = [str(problem) for problem in caught.value.problems]
    starts = [
        "CD-037 command line: 'seed' is no setting. Fix: write key=value",
        "CD-042 r.yaml:1:7: name: expected a name of at most 64 lower-case letters",
        "CD-037 r.yaml:6:3: data.predictors: psl given twice. Fix: ",
        "CD-037 command line: model.size: expected tiny, small or base, found 'smal'. Fix: write small.",
        "CD-037 r.yaml:15:1: train.steps: missing. Fix: add it",
        "CD-037 r.yaml:16:3: train.stpes: unknown key, did you mean 'steps'? train has no 'stpes'. Fix: rename",
        "CD-037 r.yaml:2:1: sede: unknown key, did you mean 'seed'? a recipe has no 'sede'. Fix: rename it to seed.",
    ]
    assert len(lines) == len(starts)
    for line, start in zip(lines, starts, strict=True):
        assert line.startswith(start)


def test_the_json_a_bundle_keeps_is_checked_like_a_recipe(sound: str) -> None:
    recipe = parse(sound)
    assert parse(recipe.model_dump_json(), "bundle/recipe.json") == recipe
    spoiled = recipe.model_dump_json().replace('"steps":2000', '"steps":-1')
    with pytest.raises(RecipeError, match=r"bundle/recipe.json:1:\d+: train.steps: expected at least 1, found -1"):
        parse(spoiled, "bundle/recipe.json")


def test_one_fault_is_told_once(folder: Path, sound: str) -> None:
    with pytest.raises(RecipeError) as caught:
        parse(sound.replace("world/coarse", "${DATA}/coarse"))
    assert [problem.code for problem in caught.value.problems] == [41]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_text_leads_to_anything_but_a_recipe_or_our_own_error(data: st.DataObject, sound: str) -> None:
    junk = data.draw(st.text(max_size=12) | st.text(alphabet="{}[]:,-&*!|>'\"%@`#? \n\t~$0123.e<\\x", max_size=12))
    place = data.draw(st.integers(0, len(sound)))
    try:
        parse(sound[:place] + junk + sound[place:])
    except ClimdiffError as error:
        assert error.problems


def test_importing_the_loader_is_quick_and_brings_no_science_library() -> None:
    code = """
import sys, time
before = time.process_time()
import climdiff.recipe.load
print(time.process_time() - before, sorted({"torch", "xarray", "numpy", "ruamel.yaml", "zarr"} & set(sys.modules)))
"""
    seconds, _, modules = subprocess.check_output([sys.executable, "-c", code], text=True).strip().partition(" ")
    assert modules == "[]"
    assert float(seconds) < 0.5  # 0.12 s on a quiet machine
