"""Recipes written out, and the schema for editors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from climdiff.recipe.load import load, parse
from climdiff.recipe.schema import Recipe
from climdiff.recipe.shipped import folder as shipped_folder
from climdiff.recipe.show import json_schema, to_yaml

PLAIN = st.text(st.characters(exclude_categories=["Cs"]), max_size=60).filter(
    lambda text: "$" not in text and "~" not in text
)
SCALARS = st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | PLAIN


@pytest.mark.parametrize("path", sorted(shipped_folder().glob("*.yaml")), ids=lambda path: path.name)
def test_a_recipe_written_out_reads_back_the_same(path: Path) -> None:
    recipe = load(path)
    assert parse(to_yaml(recipe)) == recipe


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(title=PLAIN, options=st.dictionaries(st.sampled_from(["a", "no", "B1"]), SCALARS))
def test_any_text_and_any_number_survive_being_written_out(sound: str, title: str, options: dict[str, object]) -> None:
    values = json.loads(parse(sound).model_dump_json())
    values["title"] = title
    values["data"]["options"] = options
    recipe = Recipe.model_validate_json(json.dumps(values))
    assert parse(to_yaml(recipe)) == recipe


def test_every_default_is_shown_in_the_order_of_the_schema(sound: str) -> None:
    lines = to_yaml(parse(sound)).splitlines()
    assert lines[0] == "name: demo"
    assert "  learning_rate: 0.002" in lines
    assert "  channels: null" in lines
    assert "    pr: [cube_root, residual, {standardize: {per: variable}}]" in lines
    assert lines.index("data:") < lines.index("train:") < lines.index("report:")


def test_the_shipped_schema_is_up_to_date() -> None:
    shipped = (shipped_folder() / "recipe.schema.json").read_text()
    expected = json.dumps(json_schema(), indent=2) + "\n"
    assert shipped == expected, "run: climdiff recipe schema > recipes/recipe.schema.json"


def test_the_schema_knows_each_key_closes_each_section_and_asks_for_none() -> None:
    schema = json_schema()
    assert set(schema["properties"]) == {"extends", *Recipe.model_fields}
    assert schema["additionalProperties"] is False
    assert all(
        part["additionalProperties"] is False for part in schema["$defs"].values() if part.get("type") == "object"
    )
    assert '"required"' not in json.dumps(schema)


def test_the_schema_lets_a_step_be_a_name_or_a_mapping() -> None:
    by_name, mapping = json_schema()["$defs"]["Step"]["anyOf"]
    assert "cube_root" in by_name["enum"]
    assert mapping["maxProperties"] == 1
    assert set(mapping["properties"]) == set(by_name["enum"])
