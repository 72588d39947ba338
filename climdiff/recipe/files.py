"""Recipe files: read within limits, and laid on the recipe each one extends."""

from __future__ import annotations

from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from climdiff.errors import Problem, RecipeError, SecurityError
from climdiff.recipe import shipped
from climdiff.recipe.tree import DEEPEST, LARGEST, Node, merge, read

_SUFFIXES = {".yaml", ".yml"}
_LONGEST = 200


def assemble(path: Path, problems: list[Problem]) -> Node:
    """Return the tree of a recipe file, laid on all it extends; each value keeps the place it was written at.

    Raises:
        RecipeError: a file is missing or unreadable, or extends itself (CD-037).
        SecurityError: a file is too large (CD-040), or extends one outside the recipe's folder and the
            working directory (CD-042).
    """
    path = shipped.locate(path)
    text = _text(path)
    roots = (path.resolve().parent, Path.cwd().resolve(), shipped.folder().resolve())
    return _assemble(path, text, roots, (), problems)


def _assemble(path: Path, text: str, roots: tuple[Path, ...], above: tuple[Path, ...], problems: list[Problem]) -> Node:
    tree = read(text, lambda line, column: f"{path}:{line}:{column}", problems)
    if not isinstance(tree.value, dict):
        what = "the recipe is empty" if tree.value is None else "a recipe holds key: value lines"
        raise RecipeError(*problems, Problem(37, str(path), what, "see `climdiff recipe show recipes/precip.yaml`"))
    extended = tree.child("extends")
    if extended is None:
        return tree
    chain = (*above, path)
    parent = _parent(path, extended, roots, chain)
    base = _assemble(parent, _text(parent), roots, chain, problems)
    own = {key: node for key, node in tree.value.items() if key != "extends"}
    return merge(base, replace(tree, value=own))


def _parent(path: Path, extended: Node, roots: tuple[Path, ...], chain: tuple[Path, ...]) -> Path:
    """Return the file that `extends` names, if it may be read."""
    name, place = extended.value, extended.place
    if (
        not isinstance(name, str)
        or not name.isprintable()
        or len(name) > _LONGEST
        or Path(name).suffix not in _SUFFIXES
    ):
        what = "extends: expected the name of one recipe file ending in .yaml"
        raise RecipeError(Problem(37, place, what, "write extends: other.yaml"))
    parent = path.parent / name
    try:
        parent = parent if parent.exists() else next(filter(Path.exists, [shipped.locate(Path(name))]), parent)
        resolved = parent.resolve()
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of symbolic links, before Python 3.13
        raise RecipeError(Problem(37, place, f"extends: cannot follow {name!r}", "name a plain file")) from error
    if Path(name).is_absolute() or not any(resolved.is_relative_to(root) for root in roots):
        what = f"extends: {name!r} lies outside the folder of the recipe and the working directory"
        raise SecurityError(Problem(42, place, what, "copy that file beside the recipe"))
    if resolved in {one.resolve() for one in chain} or len(chain) > DEEPEST:
        what = f"extends: goes round in a circle: {' -> '.join(map(str, (*chain, parent)))}"
        raise RecipeError(Problem(37, place, what, "remove one of these extends"))
    if not parent.is_file():
        what = f"extends: no such file: {parent}"
        raise RecipeError(Problem(37, place, what, "write a path relative to this recipe"))
    return parent


def _text(path: Path) -> str:
    """Return the text of a file of bounded size."""
    try:
        if not path.is_file():
            raise RecipeError(_missing(path))
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        what = f"not UTF-8 text (byte {error.start})"
        raise RecipeError(Problem(37, str(path), what, "save it as UTF-8")) from error
    except OSError as error:
        what = f"cannot be read: {error.strerror}"
        raise RecipeError(Problem(37, str(path), what, "check the path and its permissions")) from error
    if len(content) > LARGEST:
        what = f"more than {LARGEST} bytes of YAML"
        raise SecurityError(Problem(40, str(path), what, "keep recipes to settings, and data in files"))
    return text


def _missing(path: Path) -> Problem:
    known = shipped.names()
    nearest = get_close_matches(path.as_posix(), known, n=1)
    what = "is a directory, not a recipe file" if path.is_dir() else "no such recipe file"
    what += f", did you mean {nearest[0]!r}?" if nearest else ";"
    return Problem(37, str(path), f"{what} climdiff ships {', '.join(known)}", "give the path of a recipe")
