"""Settings given on the command line, such as `train.steps=2000`, laid on a recipe and checked like it."""

from __future__ import annotations

from collections.abc import Sequence

from climdiff.errors import Problem
from climdiff.recipe.tree import DEEPEST, Node, Path, merge, read

PLACE = "command line"
_LONGEST_SHOWN = 80


def override(tree: Node, overrides: Sequence[str], problems: list[Problem]) -> Node:
    """Return `tree` with each `key.below=value` laid on it; values follow the scalar rules of the file."""
    for text in [overrides] if isinstance(overrides, str) else overrides:
        key, equals, value = text.partition("=")
        path = tuple(key.strip().split("."))
        if not equals or not all(path) or len(path) > DEEPEST:
            what = f"{text[:_LONGEST_SHOWN]!r} is no setting"
            problems.append(Problem(37, PLACE, what, "write key=value, such as train.steps=2000"))
            continue
        if not value.strip():
            problems.append(Problem(37, PLACE, f"{text!r} has no value", f"write {key.strip()}=null for none"))
            continue
        node = read(value, lambda line, column: PLACE, problems, path)
        tree = merge(tree, _under(path, node, tree))
    return tree


def _under(path: Path, node: Node, base: Node | None) -> Node:
    """Return `node` below the keys of `path`; the mappings on the way stand where `base` has them."""
    if not path:
        return node
    place, key_place = (base.place, base.key_place) if base and isinstance(base.value, dict) else (PLACE, PLACE)
    inner = base.child(path[0]) if base else None
    return Node({path[0]: _under(path[1:], node, inner)}, place, key_place)
