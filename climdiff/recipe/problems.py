"""From what pydantic found to one line a person can act on: place, key, what is wrong, what to write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from climdiff.errors import Problem
from climdiff.recipe import names
from climdiff.recipe.findings import Finding
from climdiff.recipe.schema import Recipe
from climdiff.recipe.tree import Node, Path, dotted

_EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a number of fewer digits",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "text",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "model_type": "keys and values",
    "dict_type": "keys and values",
    "mapping_type": "keys and values",
}
_LIMITS = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}
_LONGEST_SHOWN = 80


def explain(error: ValidationError, tree: Node) -> list[Problem]:
    """Return one problem per fault of the recipe in `tree`, in the order of the schema."""
    by_path: dict[Path, list[Mapping[str, Any]]] = {}
    for detail in error.errors(include_url=False):
        by_path.setdefault(_real_path(tree, detail["loc"]), []).append(detail)
    problems: list[Problem] = []
    for path, details in by_path.items():
        if any(other[: len(path)] == path != other for other in by_path):
            continue  # another branch of a union took the value, and says what is wrong inside
        findings = [finding for detail in details for finding in detail.get("ctx", {}).get("findings", ())]
        for finding in findings or [_finding(details)]:
            full = (*path, *finding.at)
            place = _place(tree, full, of_key=details[0]["type"] == "extra_forbidden")
            problems.append(Problem(finding.code, place, f"{dotted(full)}: {finding.what}", finding.fix))
    return problems


def _real_path(tree: Node, loc: Path) -> Path:
    """Return `loc` without what pydantic adds for the branches of a union: neither written nor a key of the schema."""
    node: Node | None = tree
    path: Path = ()
    for part in loc:
        child = node.child(part) if node else None
        may_be_absent = (node is None or isinstance(node.value, dict)) and part in _section(path).model_fields
        if child is None and isinstance(part, str) and not may_be_absent:
            continue
        node = child
        path = (*path, part)
    return path


def _place(tree: Node, path: Path, of_key: bool) -> str:
    """Return where the value at `path` stands (or its key), or the deepest part of it that was written."""
    node = tree
    for part in path:
        child = node.child(part)
        if child is None:
            return node.key_place
        node = child
    return node.key_place if of_key or isinstance(node.value, (dict, list)) else node.place


def _finding(details: Sequence[Mapping[str, Any]]) -> Finding:
    detail = details[0]
    kind, given, limits = detail["type"], _shown(detail["input"]), detail.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown(detail["loc"])
    if kind == "missing":
        return Finding("missing", "add it; `climdiff recipe show recipes/precip.yaml` shows a whole recipe")
    if kind == "literal_error":
        expected = limits["expected"].replace("'", "")
        nearest = _nearest(detail["input"], expected.replace(" or ", ", ").split(", "))
        return Finding(f"expected {expected}, found {given}", f"write {nearest}" if nearest else "write one of these")
    if kind == "string_pattern_mismatch":
        expected, fix = names.MEANINGS[limits["pattern"]]
        return Finding(f"expected {expected}, found {given}", fix, code=42)
    if kind in _LIMITS:
        words, key = _LIMITS[kind]
        return Finding(f"expected {words} {limits[key]}, found {given}", "write a number in this range")
    if kind in {"too_short", "too_long"}:
        size = f"{limits['min_length']} or more" if kind == "too_short" else f"{limits['max_length']} or fewer"
        return Finding(f"expected {size} entries, found {limits['actual_length']}", "change the list")
    if kind in _EXPECTED:
        expected = ", or ".join(dict.fromkeys(_EXPECTED.get(each["type"], each["msg"]) for each in details))
        return Finding(f"expected {expected}, found {given}", _rewritten(detail["input"], kind))
    return Finding(f"{detail['msg'][0].lower()}{detail['msg'][1:]}, found {given}", "change the value")


def _unknown(loc: Path) -> Finding:
    """Say what an unknown key may have been meant to be."""
    key = str(loc[-1])
    section = _section(loc[:-1])
    nearest = _nearest(key, list(section.model_fields))
    elsewhere = [dotted(path) for path in _keys(Recipe) if path[-1] == key]
    here = dotted(tuple(part for part in loc[:-1] if isinstance(part, str))) if len(loc) > 1 else "a recipe"
    if nearest:
        return Finding(f"unknown key, did you mean {nearest!r}? {here} has no {key!r}", f"rename it to {nearest}")
    if elsewhere:
        return Finding(
            f"unknown key, did you mean {elsewhere[0]!r}? {here} has no {key!r}", f"move it to {elsewhere[0]}"
        )
    return Finding(f"unknown key, {here} takes {', '.join(section.model_fields)}", "remove it")


def _section(loc: Path) -> type[BaseModel]:
    """Return the model that a path of the recipe leads to."""
    section: type[BaseModel] = Recipe
    for part in loc:
        field = section.model_fields.get(part) if isinstance(part, str) else None
        section = (field and _model_in(field.annotation)) or section
    return section


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for inner in get_args(annotation) if (model := _model_in(inner))), None)


def _keys(section: type[BaseModel], above: Path = ()) -> Iterator[Path]:
    for name, field in section.model_fields.items():
        yield (*above, name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _keys(field.annotation, (*above, name))


def _nearest(given: Any, known: Sequence[str]) -> str | None:
    return next(iter(get_close_matches(str(given), known, n=1)), None)


def _rewritten(given: Any, kind: str) -> str:
    """Return the advice for a value of the wrong type."""
    if kind in {"int_type", "int_from_float"}:
        is_whole = isinstance(given, float) and given.is_integer()
        return f"write {int(given)}" if is_whole else "write digits only"
    return f"write [{given}]" if kind == "tuple_type" and isinstance(given, (str, int, float)) else "change the value"


def _shown(value: Any) -> str:
    """Return a value as a message shows it: short, on one line, control characters escaped."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (dict, list)):
        return "keys and values" if isinstance(value, dict) else f"a list of {len(value)}"
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]} ..."
