"""Recipe files: `extends`, and what may not be read (faults 37, 40, 42)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from climdiff.errors import ClimdiffError, RecipeError, SecurityError
from climdiff.recipe.load import load


@pytest.fixture
def base(folder: Path, sound: str) -> Path:
    """Return a sound recipe `base.yaml` in the working directory."""
    path = Path("base.yaml")
    path.write_text(sound)
    return path


def extend(text: str, name: str = "own.yaml") -> Path:
    path = Path(name)
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_a_recipe_lays_its_keys_on_the_one_it_extends(base: Path) -> None:
    recipe = load(extend("extends: base.yaml\nname: own\ntrain: {batch_size: 4}\ndata: {predictors: [pr]}\n"))
    assert (recipe.name, recipe.train.steps, recipe.train.batch_size) == ("own", 2000, 4)
    assert recipe.data.predictors == ("pr",)
    assert recipe.data.targets == ("pr",)


def test_extends_goes_through_several_files_and_folders(base: Path) -> None:
    extend("extends: ../base.yaml\nseed: 1\n", "more/middle.yaml")
    assert load(extend("extends: more/middle.yaml\nname: own\n")).seed == 1


def test_a_shipped_recipe_can_be_extended_from_anywhere(folder: Path) -> None:
    assert load(extend("extends: recipes/precip.yaml\nname: own\n")).data.coarse == "world/coarse"


def test_null_takes_away_a_key_of_the_base(base: Path) -> None:
    assert load(extend("extends: base.yaml\ntransforms: {targets: {pr: null}}\n")).transforms.targets == {}


def test_an_error_points_to_the_file_the_value_came_from(base: Path) -> None:
    base.write_text(base.read_text().replace("2000\n", "0\n"))
    with pytest.raises(RecipeError) as caught:
        load(extend("extends: base.yaml\nseed: -1\n"))
    assert sorted(problem.where for problem in caught.value.problems) == ["base.yaml:15:10", "own.yaml:2:7"]


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        ("own.yaml", RecipeError, "CD-037 own.yaml:1:10: extends: goes round in a circle: own.yaml -> own.yaml. Fix: "),
        (
            "none.yaml",
            RecipeError,
            "CD-037 own.yaml:1:10: extends: no such file: none.yaml. Fix: write a path relative to",
        ),
        ("none", RecipeError, "extends: expected the name of one recipe file ending in .yaml. Fix: "),
        ("[a.yaml]", RecipeError, "extends: expected the name of one recipe file ending in .yaml. Fix: "),
        ('"a\\0.yaml"', RecipeError, "extends: expected the name of one recipe file ending in .yaml. Fix: "),
        ("a" * 5000 + ".yaml", RecipeError, "extends: expected the name of one recipe file ending in .yaml. Fix: "),
        ("loop.yaml", RecipeError, "loop.yaml"),
        ("../secret.yaml", SecurityError, "CD-042 own.yaml:1:10: extends: '../secret.yaml' lies outside the folder of"),
        (
            "/etc/secret.yaml",
            SecurityError,
            "CD-042 own.yaml:1:10: extends: '/etc/secret.yaml' lies outside the folder",
        ),
        (
            "link.yaml",
            SecurityError,
            "CD-042 own.yaml:1:10: extends: 'link.yaml' lies outside the folder of the recipe",
        ),
    ],
)
def test_fault_042_extends_reads_recipes_near_by_only(
    value: str, kind: type[ClimdiffError], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret.yaml").write_text("password: canary-token\n")
    inside = tmp_path / "inside"
    inside.mkdir()
    monkeypatch.chdir(inside)
    Path("link.yaml").symlink_to(tmp_path / "secret.yaml")
    Path("loop.yaml").symlink_to("loop.yaml")
    with pytest.raises(kind) as caught:
        load(extend(f"extends: {value}\nname: own\n"))
    assert message in str(caught.value)
    assert "canary" not in str(caught.value)


def test_a_circle_of_two_names_the_way(base: Path) -> None:
    extend("extends: two.yaml\n", "one.yaml")
    extend("extends: one.yaml\n", "two.yaml")
    with pytest.raises(RecipeError, match=r"CD-037 two.yaml:1:10: .*circle: one.yaml -> two.yaml -> one.yaml"):
        load(Path("one.yaml"))


@pytest.mark.parametrize("name", ["recipes/precp.yaml", "x", "", "a\0b", "x" * 5000])
def test_fault_046_a_mistyped_path_is_an_error_that_lists_what_is_there(name: str, folder: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        load(Path(name))
    assert caught.value.exit_code == 2
    assert "CD-037" in str(caught.value)
    if len(name) < 100:
        assert "climdiff ships recipes/iberia-weather.yaml, recipes/iberia.yaml, recipes/precip.yaml" in str(
            caught.value
        )


def test_a_near_miss_is_suggested(folder: Path) -> None:
    message = "CD-037 recipes/precp.yaml: no such recipe file, did you mean 'recipes/precip.yaml'? climdiff ships"
    with pytest.raises(RecipeError, match=message.replace("?", r"\?")):
        load(Path("recipes/precp.yaml"))


def test_a_directory_and_a_pipe_are_no_recipes(folder: Path) -> None:
    os.mkfifo("pipe.yaml")
    with pytest.raises(RecipeError, match=r"pipe.yaml: no such recipe file"):
        load(Path("pipe.yaml"))
    with pytest.raises(RecipeError, match="is a directory, not a recipe file"):
        load(folder)


@pytest.mark.parametrize(
    ("text", "message"), [("", "the recipe is empty"), ("- a\n", "a recipe holds key: value lines")]
)
def test_what_holds_no_keys_is_no_recipe(text: str, message: str, folder: Path) -> None:
    with pytest.raises(RecipeError, match=f"CD-037 own.yaml: {message}"):
        load(extend(text))


def test_bytes_that_are_no_text_are_refused(folder: Path) -> None:
    Path("r.yaml").write_bytes(b"name: \xff\xfe")
    with pytest.raises(RecipeError, match=r"CD-037 r.yaml: not UTF-8 text \(byte 6\). Fix: save it as UTF-8"):
        load(Path("r.yaml"))


def test_a_byte_order_mark_is_no_fault(base: Path) -> None:
    base.write_bytes(b"\xef\xbb\xbf" + base.read_bytes())
    assert load(base).name == "demo"


def test_fault_040_a_file_over_one_megabyte_is_refused(folder: Path) -> None:
    Path("r.yaml").write_text("#" * 1_000_001)
    with pytest.raises(SecurityError, match=r"CD-040 r.yaml: more than 1000000 bytes of YAML") as caught:
        load(Path("r.yaml"))
    assert caught.value.exit_code == 5
