"""Arguments that a shell took apart or left empty: they are refused before a command makes something else of them."""

from __future__ import annotations

from collections.abc import Sequence

from climdiff.errors import Problem, RecipeError

_CLOSING = {"[": "]", "{": "}"}


def refuse_empty(arguments: Sequence[str]) -> None:
    """Refuse an empty argument, such as that of a shell variable that is not set: as a path it is the current folder.

    Raises:
        RecipeError: CD-037.
    """
    for before, argument in zip(["climdiff", *arguments], arguments, strict=False):
        if not argument or (argument.startswith("--") and argument.endswith("=")):
            what = f"the argument after {before!r} is empty" if not argument else f"{argument!r} is empty"
            raise RecipeError(Problem(37, "command line", what, "give a value, or leave the option out"))


def refuse_unclosed(arguments: Sequence[str]) -> None:
    """Refuse a value that opens a list or mapping and does not close it: the shell took it apart at a space.

    Raises:
        RecipeError: CD-037.
    """
    for number, argument in enumerate(arguments):
        value = argument.partition("=")[2].strip()
        closing = _CLOSING.get(value[:1])
        if closing is None or value.endswith(closing):
            continue
        later = enumerate(arguments[number + 1 :], number + 2)
        end = next((after for after, part in later if part.endswith(closing)), None)
        fix = f"end it with {closing}" if end is None else f"quote the argument: '{' '.join(arguments[number:end])}'"
        what = f"{argument!r} opens with {value[0]} and does not end with {closing}"
        raise RecipeError(Problem(37, "command line", what, fix))
