"""A recipe written out: as YAML with every default in it, and the schema of all recipes for editors."""

from __future__ import annotations

from io import StringIO
from typing import Any

from climdiff.recipe.schema import Recipe


def to_yaml(recipe: Recipe) -> str:
    """Return the whole recipe as YAML, defaults included; `load.parse` of it gives an equal recipe."""
    from ruamel.yaml import YAML, SafeRepresenter  # only who shows a recipe pays for it

    class Representer(SafeRepresenter):
        def represent_str(self, data: str) -> Any:
            return self.represent_scalar("tag:yaml.org,2002:str", data, style=None if data.isprintable() else '"')

        def represent_list(self, data: list[Any]) -> Any:
            return self.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=True)

        def represent_mapping(self, tag: Any, mapping: dict[str, Any], flow_style: Any = None) -> Any:
            return super().represent_mapping(tag, list(mapping.items()), flow_style)  # pairs keep their order

    Representer.add_representer(str, Representer.represent_str)
    Representer.add_representer(list, Representer.represent_list)
    yaml = YAML(typ="safe", pure=True)
    yaml.brace_single_entry_mapping_in_flow_sequence = True
    yaml.Representer = Representer
    yaml.default_flow_style = False
    yaml.width = 100_000
    stream = StringIO()
    yaml.dump(recipe.model_dump(mode="json"), stream)
    return stream.getvalue()


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of a recipe file, kept as `recipes/recipe.schema.json` for editors.

    It asks for no key, because a recipe that extends another may leave out any; the loader checks that all are there.
    """
    schema: dict[str, Any] = _without_required(Recipe.model_json_schema())
    extends = {
        "type": "string",
        "description": "Recipe to lay this one on, relative to this file.",
        "pattern": r"\.ya?ml$",
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "properties": {"extends": extends, **schema["properties"]},
    }


def _without_required(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {key: _without_required(value) for key, value in schema.items() if key != "required"}
    return [_without_required(item) for item in schema] if isinstance(schema, list) else schema
