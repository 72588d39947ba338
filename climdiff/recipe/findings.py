"""What a check of the recipe found, carried through pydantic with its place, its code and its cure."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic_core import PydanticCustomError


@dataclass(frozen=True)
class Finding:
    """One thing wrong, said relative to the model whose check found it.

    `at` is the path of the key below that model, `code` the entry in the fault catalogue.
    """

    what: str
    fix: str
    at: tuple[str | int, ...] = ()
    code: int = 37


def refuse(*findings: Finding) -> PydanticCustomError:
    """Return the error a validator raises: readable as it is, and taken apart again by `problems`."""
    text = "; ".join(".".join([*map(str, finding.at), finding.what]) for finding in findings)
    return PydanticCustomError("recipe", "{text}", {"text": text, "findings": findings})
