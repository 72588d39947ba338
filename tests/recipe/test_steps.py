"""Steps of transforms as a recipe writes them."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from climdiff.recipe.steps import Step


def step(written: object) -> Step:
    return Step.model_validate_json(json.dumps(written))


@pytest.mark.parametrize(
    ("written", "name", "options"),
    [
        ("standardize", "standardize", {"per": "variable"}),
        ({"standardize": {"per": "cell"}}, "standardize", {"per": "cell"}),
        ({"log1p": {"scale": 2.5}}, "log1p", {"scale": 2.5}),
        ({"log1p": None}, "log1p", {"scale": 1.0}),
        ({"wet_day": {"threshold": 1}}, "wet_day", {"threshold": 1.0}),
        ("square_root", "square_root", {}),
        ("cube_root", "cube_root", {}),
        ("residual", "residual", {}),
    ],
)
def test_a_step_is_a_name_or_a_name_with_options(written: object, name: str, options: dict[str, object]) -> None:
    assert (step(written).name, step(written).options) == (name, options)
    assert Step.model_validate_json(step(written).model_dump_json()) == step(written)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("sqrt", "sqrt"),
        ({"log1p": {}, "residual": {}}, "expected one step, found log1p, residual"),
        ({}, "expected one step, found none"),
        (3, "expected the name of a step, found 3"),
        ({"log1p": {"scale": 0}}, "greater than 0"),
        ({"wet_day": {"threshold": "1"}}, "valid number"),
        ({"residual": {"scale": 1}}, "scale"),
    ],
)
def test_anything_else_is_refused(written: object, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        step(written)
