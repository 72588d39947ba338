"""The recipes that come with climdiff, in the installed wheel or in a checkout."""

from __future__ import annotations

from pathlib import Path

import climdiff


def folder() -> Path:
    """Return the folder of the shipped recipes."""
    package = Path(climdiff.__file__).parent
    installed = package / "_shipped" / "recipes"
    return installed if installed.is_dir() else package.parent / "recipes"


def names() -> list[str]:
    """Return the shipped recipes as one may write them, such as `recipes/precip.yaml`."""
    return [f"recipes/{path.name}" for path in sorted(folder().glob("*.yaml"))]


def locate(path: Path) -> Path:
    """Return `path`, or the shipped recipe it names, with or without `recipes/` before it, if there is no such file."""
    shipped = {*names(), *(name.removeprefix("recipes/") for name in names())}
    return folder() / path.name if path.as_posix() in shipped and not path.exists() else path
