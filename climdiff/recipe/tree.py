"""YAML text to a tree of plain values that knows where each value stands, and refuses what could do harm.

Only the event parser of ruamel.yaml is used: nothing is constructed from a tag, no alias is followed, and scalars mean
what the YAML 1.2 core schema says (`1e-4` is a number, `no` and `12:30` are text, `010` is ten). Dates stay text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from climdiff.errors import Problem, RecipeError, SecurityError

LARGEST = 1_000_000
DEEPEST = 20

Path = tuple[str | int, ...]
Locate = Callable[[int, int], str]
"""From line and column, both counted from 1, to what a message says about the place."""

_NULL = re.compile(r"null|Null|NULL|~|")
_TRUE = re.compile(r"true|True|TRUE")
_FALSE = re.compile(r"false|False|FALSE")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_LONGEST_INTEGER = 40
_INTERPOLATION = re.compile(r"\$[{(]|^\$\w|^~/")


@dataclass(frozen=True)
class Node:
    """A value of a recipe and its place; `key_place` is where its key stands, if it has one."""

    value: Any  # None, bool, int, float, str, dict[str, Node] or list[Node]
    place: str
    key_place: str

    def child(self, key: str | int) -> Node | None:
        """Return the node under a key or position, or None."""
        if isinstance(self.value, dict) and isinstance(key, str):
            return self.value.get(key)
        if isinstance(self.value, list) and isinstance(key, int) and key < len(self.value):
            return self.value[key]
        return None

    def plain(self) -> Any:
        """Return the value with all places left behind."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value


def read(text: str, locate: Locate, problems: list[Problem], at: Path = ()) -> Node:
    """Return the tree of one YAML document, which stands at key `at`.

    What is wrong but does not stop the reading is added to `problems`.

    Raises:
        SecurityError: tags, anchors or aliases, more than 1 MB of text, more than 20 levels (CD-039, CD-040).
        RecipeError: the text is not YAML (CD-037).
    """
    from ruamel.yaml import YAML  # only who reads a recipe pays for it
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    if len(text.encode("utf-8", "surrogatepass")) > LARGEST:
        what = f"{len(text)} characters of YAML, more than {LARGEST}"
        raise SecurityError(Problem(40, locate(1, 1), what, "keep recipes to settings, and data in files"))
    subject = f"{dotted(at)}: not YAML: " if at else "not YAML: "
    try:
        reader = _Reader(YAML(typ="safe", pure=True).parse(text), locate, problems)
        node = reader.document(at)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = locate(mark.line + 1, mark.column + 1) if mark else locate(1, 1)
        what = subject + " ".join(part for part in (error.context, error.problem) if part)
        raise RecipeError(*problems, Problem(37, place, what, "correct the syntax there")) from error
    except (YAMLError, ValueError, OverflowError) as error:
        what = subject + str(error).splitlines()[0]
        raise RecipeError(*problems, Problem(37, locate(1, 1), what, "write plain UTF-8 text")) from error
    if reader.refused:
        raise SecurityError(*reader.refused)
    return node


class _Reader:
    """One pass over the events of a document, which builds its tree."""

    def __init__(self, events: Iterator[Any], locate: Locate, problems: list[Problem]) -> None:
        self.events = events
        self.locate = locate
        self.problems = problems
        self.refused: list[Problem] = []

    def document(self, at: Path) -> Node:
        next(self.events)  # start of the stream
        if type(next(self.events)).__name__ == "StreamEndEvent":
            return Node(None, self.locate(1, 1), self.locate(1, 1))
        node = self._node(next(self.events), at, None)
        next(self.events)  # end of the document
        after = next(self.events)
        if type(after).__name__ != "StreamEndEvent":
            self._add(37, self._place(after), "a second document begins here", "keep one recipe in one file")
        return node

    def _node(self, event: Any, path: Path, key_place: str | None) -> Node:
        place = self._place(event)
        key_place = key_place or place
        kind = type(event).__name__
        self._refuse_harm(event, kind, path, place)
        if kind == "ScalarEvent":
            return Node(self._scalar(event, path, place), place, key_place)
        if kind == "SequenceStartEvent":
            return Node(self._items(path), place, key_place)
        if kind == "MappingStartEvent":
            return Node(self._entries(path), place, key_place)
        return Node(None, place, key_place)

    def _items(self, path: Path) -> list[Node]:
        items: list[Node] = []
        while type(event := next(self.events)).__name__ != "SequenceEndEvent":
            items.append(self._node(event, (*path, len(items)), None))
        return items

    def _entries(self, path: Path) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        while type(event := next(self.events)).__name__ != "MappingEndEvent":
            place = self._place(event)
            if type(event).__name__ == "ScalarEvent":
                self._refuse_harm(event, "ScalarEvent", (*path, event.value), place)
                key = self._check_text(event.value, (*path, event.value), place)
            else:
                self._add(37, place, f"{dotted(path)}: a key must be text", "write key: value")
                self._node(event, (*path, "?"), None)
                key = "?"
            node = self._node(next(self.events), (*path, key), place)
            if key in entries:
                what = f"{dotted((*path, key))}: given twice, first at {entries[key].key_place}"
                self._add(38, place, what, "remove one of the two")
            else:
                entries[key] = node
        return entries

    def _scalar(self, event: Any, path: Path, place: str) -> Any:
        if event.style is None and event.implicit[0]:
            if len(event.value) > _LONGEST_INTEGER and _INTEGER.fullmatch(event.value):
                self._add(37, place, f"{dotted(path)}: a number of {len(event.value)} digits", "write a smaller number")
                return None
            value = resolve(event.value)
            return self._check_text(value, path, place) if isinstance(value, str) else value
        return self._check_text(event.value, path, place)

    def _check_text(self, text: str, path: Path, place: str) -> str:
        if _INTERPOLATION.search(text):
            what = f"{dotted(path)}: {text!r} looks like a variable, but recipes replace nothing"
            self._add(41, place, what, "write the value itself; secrets belong in the environment")
        if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
            self._add(37, place, f"{dotted(path)}: {text!r} is not valid Unicode", "write plain UTF-8 text")
            return text.encode("utf-8", "replace").decode()
        return text

    def _refuse_harm(self, event: Any, kind: str, path: Path, place: str) -> None:
        if kind == "AliasEvent" or getattr(event, "anchor", None):
            what = f"{dotted(path)}: YAML anchors and aliases are refused"
            self.refused.append(Problem(40, place, what, "write the value out, or use extends"))
        if getattr(event, "tag", None):
            tag = str(event.tag).replace("tag:yaml.org,2002:", "!!")
            what = f"{dotted(path)}: YAML tag {tag!r} is refused"
            self.refused.append(Problem(39, place, what, "remove it: a recipe holds plain values only"))
        if len(path) > DEEPEST:
            what = f"{dotted(path[:3])}: nested deeper than {DEEPEST} levels"
            raise SecurityError(
                *self.refused, Problem(40, place, what, "no recipe needs this; check where it came from")
            )

    def _place(self, event: Any) -> str:
        return self.locate(event.start_mark.line + 1, event.start_mark.column + 1)

    def _add(self, code: int, place: str, what: str, fix: str) -> None:
        self.problems.append(Problem(code, place, what, fix))


def resolve(text: str) -> Any:
    """Return what an unquoted scalar means in the YAML 1.2 core schema."""
    if _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text):
        return True
    if _FALSE.fullmatch(text):
        return False
    if _INTEGER.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        return int(text, base=0)
    if _FLOAT.fullmatch(text):
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text


def merge(base: Node, over: Node) -> Node:
    """Return `base` with `over` laid on it: mappings merge, anything else replaces, null takes a key of `base` away."""
    if not isinstance(base.value, dict) or not isinstance(over.value, dict):
        return over
    merged = dict(base.value)
    for key, node in over.value.items():
        if key not in merged:
            merged[key] = node
        elif node.value is None:
            del merged[key]
        else:
            merged[key] = merge(merged[key], node)
    return replace(over, value=merged)


def dotted(path: Path) -> str:
    """Return a path as a message shows it, such as `transforms.targets.pr[0]`; control characters are escaped."""
    shown = ""
    for part in path:
        if isinstance(part, int):
            shown += f"[{part}]"
        else:
            shown += ("." if shown else "") + (part if part.isprintable() and part else repr(part))
    return shown or "recipe"
