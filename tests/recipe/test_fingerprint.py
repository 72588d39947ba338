"""Whether two recipes mean the same (fault 45)."""

from __future__ import annotations

import pytest

from climdiff.recipe.fingerprint import difference, fingerprint
from climdiff.recipe.load import parse
from climdiff.recipe.show import to_yaml


@pytest.mark.parametrize(
    "harmless",
    [
        "title: x",
        "description: y",
        "name: other",
        "train: {steps: 2000, workers: 4, log_every: 1}",
        "train: {steps: 2000, checkpoint_every: 7, keep_checkpoints: 9}",
        "report: {members_shown: 9}",
        "model: {size: small}",
    ],
)
def test_fault_045_harmless_keys_and_written_defaults_change_nothing(harmless: str, sound: str) -> None:
    one, other = parse(sound), parse(edit(sound, harmless))
    assert fingerprint(one) == fingerprint(other)
    assert difference(one, other) == []


@pytest.mark.parametrize(
    ("meaningful", "line"),
    [
        ("seed: 1", "seed: 0 -> 1"),
        ("train: {steps: 3000}", "train.steps: 2000 -> 3000"),
        ("model: {channels: 64}", "model.channels: null -> 64"),
        ("verify: {thresholds: {pr: [1]}}", "verify.thresholds.pr: absent -> [1.0]"),
        ("sample: {sampler: ddim}", 'sample.sampler: "dpmpp_2m" -> "ddim"'),
    ],
)
def test_fault_045_meaningful_keys_change_the_fingerprint_and_are_named(meaningful: str, line: str, sound: str) -> None:
    one, other = parse(sound), parse(edit(sound, meaningful))
    assert fingerprint(one) != fingerprint(other)
    assert line in difference(one, other)


def test_the_order_of_channels_is_meaningful(sound: str) -> None:
    swapped = parse(sound.replace("[pr, psl]", "[psl, pr]"))
    assert difference(parse(sound), swapped) == ['data.predictors: ["pr", "psl"] -> ["psl", "pr"]']


def test_only_the_sections_asked_for_count(sound: str) -> None:
    one, other = parse(sound), parse(edit(sound, "generate: {members: 50}"))
    assert fingerprint(one, "data", "train") == fingerprint(other, "data", "train")
    assert difference(one, other, "data", "train") == []
    assert difference(one, other, "generate") == ["generate.members: 16 -> 50"]


def test_the_fingerprint_is_the_same_however_the_recipe_is_written(sound: str) -> None:
    recipe = parse(sound)
    assert fingerprint(parse(to_yaml(recipe))) == fingerprint(parse(recipe.model_dump_json())) == fingerprint(recipe)
    assert len(fingerprint(recipe)) == 64


def edit(sound: str, line: str) -> str:
    """Return the sound recipe with one top-level key replaced or added."""
    key = line.partition(":")[0]
    lines = sound.replace("train:\n  steps: 2000\n", "train: {steps: 2000}\n").splitlines()
    return "\n".join([*(each for each in lines if not each.startswith(f"{key}:")), line])
