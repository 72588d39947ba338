"""What a person reads about each kind of mistake (fault 37)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from climdiff.errors import Problem

Spoil = Callable[..., list[Problem]]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("steps: 2000", "steps: 10.0", "r.yaml:15:10: train.steps: expected a whole number, found 10.0. Fix: write 10"),
        ("steps: 2000", "steps: '10'", "r.yaml:15:10: train.steps: expected a whole number, found '10'. Fix: "),
        ("steps: 2000", "steps: -1", "train.steps: expected at least 1, found -1. Fix: write a number in this range."),
        ("steps: 2000", "steps: 1e99", "train.steps: expected a whole number, found 1e+99. Fix: "),
        ("steps: 2000", "steps: " + "9" * 30, "train.steps: expected at most 100000000, found 9999999"),
        ("steps: 2000", "steps:", "train.steps: expected a whole number, found null. Fix: "),
        ("steps: 2000", "steps: [1]", "train.steps: expected a whole number, found a list of 1. Fix: "),
        ("steps: 2000", "steps: {a: 1}", "train.steps: expected a whole number, found keys and values. Fix: "),
        ("\ntrain:", "\ntrain: 3\nverify:", "r.yaml:14:8: train: expected keys and values, found 3. Fix: "),
        ("2000", "20\n  learning_rate: .nan", "r.yaml:16:18: train.learning_rate: expected a finite number, found nan"),
        ("2000", "20\n  learning_rate: 0", "train.learning_rate: expected more than 0.0, found 0"),
        ("2000", "20\n  flips: NO", "train.flips: expected true or false, found 'NO'. Fix: change the value."),
        ("2000", "20\n  precision: float23", "train.precision: expected auto, float32 or bfloat16, found 'float23'. "
         "Fix: write float32."),
        ("name: demo", "", "name: missing. Fix: add it"),
        ("name: demo", "name: 7", "name: expected text, found 7. Fix: "),
        ("targets: [pr]", "targets: pr", "data.targets: expected a list, found 'pr'. Fix: write [pr]."),
        ("targets: [pr]", "targets: []", "r.yaml:6:3: data.targets: expected 1 or more entries, found 0. Fix: "),
        ("[pr, psl]", "[pr, 1]", "r.yaml:5:20: data.predictors[1]: expected text, found 1. Fix: "),
        ("cube_root", "cuberoot", "r.yaml:13:10: transforms.targets.pr[0]: unknown key, did you mean 'cube_root'? "
         "transforms.targets.pr has no 'cuberoot'. Fix: rename it to cube_root."),
        ("cube_root", "{log1p: {scael: 1}}", "r.yaml:13:19: transforms.targets.pr[0].log1p.scael: unknown key, did you "
         "mean 'scale'? transforms.targets.pr.log1p has no 'scael'."),
        ("", "batch_size: 4\n", "r.yaml:16:1: batch_size: unknown key, did you mean 'train.batch_size'? "),
        ("", "zzz: 4\n", "r.yaml:16:1: zzz: unknown key, a recipe takes name, title, description, seed, data"),
        ("", "title: " + "x" * 300 + "\n", "title: string should have at most 200 characters, found 'xxxx"),
        ("  fine:", "  options: {size: {a: 1}}\n  fine:", "data.options.size: expected true or false, or a whole "
         "number, or a number, or text, or a list, found keys and values. Fix: "),
    ],
)  # fmt: skip
def test_fault_037_each_mistake_has_one_clear_line(old: str, new: str, message: str, spoil: Spoil) -> None:
    lines = [str(problem) for problem in spoil(old, new)]
    assert any(message in line for line in lines), lines
    assert all(line.startswith("CD-037 r.yaml:") and "Fix: " in line and "\n" not in line for line in lines)


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("name: demo", f"name: {name}", shown)
        for name, shown in [
            ("../../etc", "'../../etc'"),
            ("/abs", "'/abs'"),
            ('"a\\0b"', r"'a\x00b'"),
            ("x" * 5000, "'xxxx"),
            ("dеmo", "'dеmo'"),  # a Cyrillic letter
            ("'-demo'", "'-demo'"),
            ('"demo\\n"', r"'demo\n'"),
        ]
    ]
    + [("world/coarse", "../../etc/passwd", "'../../etc/passwd'"), ("world/coarse", "world", "'world'")],
)  # fmt: skip
def test_fault_042_names_that_could_be_paths_are_refused(old: str, new: str, found: str, spoil: Spoil) -> None:
    (problem,) = spoil(old, new)
    assert problem.code == 42
    assert f"found {found}" in problem.what
    assert len(str(problem)) < 300


def test_values_from_strangers_cannot_forge_a_line(spoil: Spoil) -> None:
    (problem,) = spoil("", '"x\\n\\e[31mERROR": 1\n')
    assert "\n" not in str(problem) and "\x1b" not in str(problem)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("{pr: -1}", "sample.noise_half_life.pr: expected at least 0.0, found -1. Fix: write a number in this range."),
        ("{pr: x}", "sample.noise_half_life.pr: expected a number, found 'x'. Fix: change the value."),
        ("{pr: [1]}", "sample.noise_half_life.pr: expected a number, found a list of 1. Fix: change the value."),
        ("fited", "sample.noise_half_life: expected fitted, found 'fited'. Fix: write fitted."),
    ],
)
def test_fault_037_of_several_kinds_of_values_the_one_given_is_judged(given: str, message: str, spoil: Spoil) -> None:
    """The path is that of the recipe: no name of a type is in it, and the kinds not meant say nothing."""
    (problem,) = spoil("", f"sample: {{noise_half_life: {given}}}\n")
    assert str(problem).endswith(message)
