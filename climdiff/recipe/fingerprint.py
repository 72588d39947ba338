"""Whether two recipes mean the same result: a hash without harmless keys, and the keys that differ."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import BaseModel

from climdiff.recipe.schema import Recipe


def fingerprint(recipe: Recipe, *sections: str) -> str:
    """Return the SHA-256 of the canonical JSON of all keys that can change a result.

    Args:
        recipe: the recipe.
        *sections: top-level keys to look at, such as `seed`, `data`, `train`; all by default.
    """
    canonical = json.dumps(
        _meaningful(recipe, sections), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return hashlib.sha256(canonical.encode()).hexdigest()


def difference(one: Recipe, other: Recipe, *sections: str) -> list[str]:
    """Return a line such as `train.steps: 2000 -> 3000` for each key that differs and can change a result."""
    before, after = _flat(_meaningful(one, sections)), _flat(_meaningful(other, sections))
    return [
        f"{key}: {before.get(key, 'absent')} -> {after.get(key, 'absent')}"
        for key in dict.fromkeys([*before, *after])
        if before.get(key) != after.get(key)
    ]


def _meaningful(recipe: Recipe, sections: tuple[str, ...]) -> dict[str, Any]:
    kept = _kept(recipe, recipe.model_dump(mode="json"))
    return {key: kept[key] for key in sections} if sections else kept


def _kept(model: BaseModel, dumped: dict[str, Any]) -> dict[str, Any]:
    """Return `dumped` without the fields its model calls harmless."""
    kept = {}
    for name, field in type(model).model_fields.items():
        extra = field.json_schema_extra
        if isinstance(extra, dict) and extra.get("harmless"):
            continue
        value = getattr(model, name)
        kept[name] = _kept(value, dumped[name]) if isinstance(value, BaseModel) else dumped[name]
    return kept


def _flat(values: dict[str, Any], above: str = "") -> dict[str, str]:
    """Return every value as JSON under its dotted key."""
    flat: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, dict) and value:
            flat |= _flat(value, f"{above}{key}.")
        else:
            flat[f"{above}{key}"] = json.dumps(value, ensure_ascii=False)
    return flat
