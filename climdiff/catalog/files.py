"""Catalog files: where they are, and how YAML from a stranger becomes a checked entry."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, NodeEvent, ScalarEvent

import climdiff
from climdiff.catalog.schema import NAME, Entry, Part, Section, Variable
from climdiff.errors import Problem, RecipeError, SecurityError

LARGEST = 1_000_000
DEEPEST = 20
OWN = Path("data_catalog")
"""Folder of a user's own entries, below the current one."""


def folders() -> list[Path]:
    """Return the folders where catalog files may be, there or not; the first to have an entry wins.

    These are the folder in `CLIMDIFF_CATALOG`, `data_catalog` in the current folder, and what ships with climdiff.
    """
    named = os.environ.get("CLIMDIFF_CATALOG")
    package = Path(climdiff.__file__).parent
    installed = package / "_shipped" / "data_catalog"
    shipped = installed if installed.is_dir() else package.parent / "data_catalog"
    return [*([Path(named)] if named else []), OWN, shipped]


def paths() -> dict[str, Path]:
    """Return the file of each entry by name; files whose name could not be an entry's are left out."""
    found: dict[str, Path] = {}
    for folder in folders():
        for path in sorted(folder.glob("*.yaml")):
            if re.fullmatch(NAME, path.stem):
                found.setdefault(path.stem, path)
    return found


def read(path: Path) -> Entry:
    """Return the entry in a catalog file, named after the file.

    Raises:
        SecurityError: tags, anchors or aliases, more than 1 MB, more than 20 levels (CD-039, CD-040).
        RecipeError: not YAML, or not what an entry must be; all problems at once (CD-037).
    """
    text = _text(path)
    _refuse_harm(path, text)
    try:
        content = YAML(typ="safe", pure=True).load(text)
    except (YAMLError, ValueError, OverflowError) as error:
        raise RecipeError(_not_yaml(path, error)) from error
    if not isinstance(content, Mapping):
        raise RecipeError(Problem(37, str(path), "not a mapping of keys to values", "begin with a line `title: ...`"))
    own = {key for key in ("name", "path") if key in content}
    problems = [Problem(37, str(path), f"{key}: unknown key", "remove it: the file names the entry") for key in own]
    try:
        entry = Entry.model_validate(dict(content) | {"name": path.stem, "path": path})
    except ValidationError as error:
        problems += [_problem(path, one) for one in error.errors(include_url=False)]
    if problems:
        raise RecipeError(*problems)
    return entry


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST:
            what = f"{path.stat().st_size} bytes of YAML, more than {LARGEST}"
            raise SecurityError(Problem(40, str(path), what, "keep entries to descriptions, and data in files"))
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(Problem(12, str(path), f"cannot be read: {error}", "make it readable UTF-8 text")) from error


def _refuse_harm(path: Path, text: str) -> None:
    """Walk the events of the parser, which constructs nothing, before anything is constructed."""
    depth = 0
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            where = f"{path}:{event.start_mark.line + 1}"
            if isinstance(event, AliasEvent) or (isinstance(event, NodeEvent) and event.anchor is not None):
                raise SecurityError(Problem(40, where, "anchors and aliases are not read", "write the value out"))
            if isinstance(event, ScalarEvent | CollectionStartEvent) and event.tag is not None:
                raise SecurityError(Problem(39, where, f"tag {event.tag} is not read", "write a plain value"))
            depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
            if depth > DEEPEST:
                raise SecurityError(Problem(40, where, f"more than {DEEPEST} levels", "write a flatter file"))
    except YAMLError as error:
        raise RecipeError(_not_yaml(path, error)) from error


def _not_yaml(path: Path, error: Exception) -> Problem:
    return Problem(37, str(path), f"not YAML: {' '.join(str(error).split())[:300]}", "correct the syntax there")


def _problem(path: Path, error: Mapping[str, Any]) -> Problem:
    where = ".".join(str(key) for key in error["loc"])
    if error["type"] != "extra_forbidden":
        message = error["msg"].removeprefix("Value error, ")
        what = f"{where or 'entry'}: {message[0].lower()}{message[1:]}"
        return Problem(37, str(path), what, "correct this key")
    known = list(_keys_at(error["loc"]))
    near = get_close_matches(str(error["loc"][-1]), known, n=1)
    fix = f"did you mean {near[0]!r}" if near else f"use only {', '.join(known)}"
    return Problem(37, str(path), f"{where}: unknown key", fix)


def _keys_at(place: tuple[str | int, ...]) -> list[str]:
    """Return the keys allowed beside the last one of `place`."""
    models: dict[int, type[Section]] = {1: Entry, 3: Part, 5: Variable}
    model = models.get(len(place), Entry)
    return [key for key in model.model_fields if key not in ("name", "path")]
