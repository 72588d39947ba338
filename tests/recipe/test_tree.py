"""Reading YAML: what scalars mean, where values stand, and what is refused (faults 38 to 41)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from climdiff.errors import Problem, RecipeError, SecurityError
from climdiff.recipe.tree import Node, dotted, merge, read, resolve

Spoil = Callable[..., list[Problem]]


def tree(text: str) -> Node:
    problems: list[Problem] = []
    node = read(text, lambda line, column: f"f:{line}:{column}", problems)
    if problems:
        raise RecipeError(*problems)
    return node


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("1e-4", 1e-4), ("NO", "NO"), ("12:30", "12:30"), ("010", 10), ("0o10", 8), ("0x1F", 31), ("-3", -3), ("+3", 3),
        ("1.", 1.0), (".5", 0.5), ("1_000", "1_000"), ("true", True), ("yes", "yes"), ("~", None), ("", None),
        ("null", None), ("-.inf", -math.inf), ("1981-01-01", "1981-01-01"), ("<<", "<<"), ("1e", "1e"), ("٣", "٣"),
    ],
)  # fmt: skip
def test_fault_038_scalars_mean_what_yaml_1_2_says(text: str, meaning: object) -> None:
    assert resolve(text) == meaning
    assert type(resolve(text)) is type(meaning)


def test_not_a_number_is_read_as_one() -> None:
    assert math.isnan(resolve(".nan"))


def test_quoted_scalars_are_text() -> None:
    assert tree("a: '1'\nb: \"true\"\nc: |\n  12\n").plain() == {"a": "1", "b": "true", "c": "12\n"}


def test_every_value_knows_its_place_and_the_place_of_its_key() -> None:
    node = tree("a:\n  b: [1, 2]\n  c: x\n")
    inner = node.child("a")
    assert inner is not None
    assert (inner.key_place, inner.place) == ("f:1:1", "f:2:3")
    numbers, letter = inner.child("b"), inner.child("c")
    assert numbers is not None and letter is not None
    assert (letter.key_place, letter.place) == ("f:3:3", "f:3:6")
    assert [item.place for item in numbers.value] == ["f:2:7", "f:2:10"]


def test_fault_038_a_key_given_twice_is_named_with_both_lines(spoil: Spoil) -> None:
    (problem,) = spoil("steps: 2000", "steps: 2000\n  steps: 3000")
    assert problem.code == 38
    assert str(problem).startswith("CD-038 r.yaml:16:3: train.steps: given twice, first at r.yaml:15:3. Fix:")


@pytest.mark.parametrize(
    "value", ["!!python/object/apply:os.system ['touch marker']", "!include other.yaml", "!!int 3", "! 3"]
)
def test_fault_039_any_tag_is_refused_and_nothing_runs(value: str, folder: Path) -> None:
    Path("other.yaml").write_text("secret")
    with pytest.raises(SecurityError) as caught:
        tree(f"seed: {value}")
    (problem,) = caught.value.problems
    assert caught.value.exit_code == 5
    assert problem.code == 39
    assert problem.what.startswith("seed: YAML tag '!")
    assert "secret" not in str(problem)
    assert [path.name for path in folder.iterdir()] == ["other.yaml"]


def test_fault_039_a_tag_on_a_key_or_a_list_is_refused_too() -> None:
    with pytest.raises(SecurityError) as caught:
        tree("!!str a: 1\nb: !!set [1]\n")
    assert [problem.code for problem in caught.value.problems] == [39, 39]


def test_fault_040_anchors_and_aliases_are_refused_before_they_multiply() -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 60))
    started = time.process_time()
    with pytest.raises(SecurityError) as caught:
        tree(bomb)
    assert {problem.code for problem in caught.value.problems} == {40}
    assert "a0: YAML anchors and aliases are refused" in str(caught.value)
    assert time.process_time() - started < 1.0


@pytest.mark.parametrize("text", ["[" * 5000, "{a: " * 5000, "- " * 5000, "? " * 5000])
def test_fault_040_deep_nesting_is_refused_without_recursion(text: str) -> None:
    with pytest.raises(SecurityError, match=r"CD-040 .*nested deeper than 20 levels"):
        tree(text)


def test_fault_040_large_text_is_refused_before_parsing() -> None:
    with pytest.raises(SecurityError, match="CD-040 f:1:1: 1000001 characters of YAML, more than 1000000"):
        tree("#" * 1_000_001)


@pytest.mark.parametrize("value", ["${oc.env:AWS_SECRET}", "'${HOME}/data'", "$HOME/data", "$(id)", "~/data"])
def test_fault_041_what_looks_like_a_variable_is_refused_not_replaced(
    value: str, spoil: Spoil, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET", "canary-token")
    (problem,) = spoil("", f"title: {value}\n")
    assert problem.code == 41
    assert str(problem).startswith("CD-041 r.yaml:16:8: title: ")
    assert "looks like a variable, but recipes replace nothing. Fix: write the value itself" in str(problem)
    assert "canary-token" not in str(problem)


@pytest.mark.parametrize("value", ["rain in $T$ space", "about ~5 km", "costs 5$"])
def test_plain_text_with_a_dollar_or_a_tilde_is_kept(value: str) -> None:
    assert tree(f"title: {value}").plain() == {"title": value}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", r"f:2:1: not YAML|f:1:\d+: not YAML"),
        ("a: b: c", r"f:1:5: not YAML: mapping values are not allowed here"),
        ("a: 1\n---\nb: 2\n", "f:2:1: a second document begins here"),
        ("? [a, b]\n: 1\n", "a key must be text"),
        ("a: \x01", "not YAML"),
        ('a: "\\ud800"', "a: .* is not valid Unicode"),
        ("a: " + "9" * 5000, "a: a number of 5000 digits"),
        ('a: "\\U7fffffff"', "not YAML"),
    ],
)
def test_broken_text_is_one_clear_line(text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message) as caught:
        tree(text)
    assert {problem.code for problem in caught.value.problems} == {37}


def test_merging_keeps_what_is_not_replaced_and_null_takes_away() -> None:
    merged = merge(tree("a: {x: 1, y: 2, z: 3}\nb: [1, 2]"), tree("a: {y: 5, z: null}\nb: [7]\nc: null"))
    assert merged.plain() == {"a": {"x": 1, "y": 5}, "b": [7], "c": None}


def test_paths_are_shown_with_control_characters_escaped() -> None:
    assert dotted(("a", 3, "b\n\x1b[31m")) == "a[3].'b\\n\\x1b[31m'"
    assert dotted(()) == "recipe"
