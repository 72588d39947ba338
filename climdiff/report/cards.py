"""The score card: every method by every score, each number colored by how it compares with the model's."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from climdiff.report.labels import fixed, significant_decimals
from climdiff.report.rows import Group, Row, groups

Scores = Mapping[str, Mapping[str, float | None]]  # {downscaler: {score: value}}
Shade = Literal["", "better-3", "better-2", "better-1", "same", "worse-1", "worse-2", "worse-3"]
STEPS = (1.02, 1.1, 1.3)
"""Ratios of errors from which on a cell is pale, plain and strong."""
_NEGLIGIBLE = 0.02  # distances from the best value below this share of the natural scale do not count


@dataclass(frozen=True)
class Cell:
    """A number as it is shown, its shade, and whether its difference to the model's is sure."""

    text: str
    shade: Shade = ""
    is_sure: bool = False


@dataclass(frozen=True)
class Line:
    """One row of the card: the score, a cell per method, and the value of the truth where it has one."""

    row: Row
    cells: tuple[Cell, ...]
    truth: str


@dataclass(frozen=True)
class Card:
    """The card of one variable: methods from left to right, the model first, and lines by group."""

    methods: tuple[str, ...]
    groups: tuple[tuple[Group, tuple[Line, ...]], ...]
    has_truth: bool


def card(scores: Scores, model: str, sure: frozenset[tuple[str, str]] = frozenset()) -> Card:
    """Return the card of one variable; `sure` has each (score, method) whose interval excludes no difference."""
    methods = tuple(sorted(scores, key=lambda name: (name != model, _value(scores[name], "crps_fair") or math.inf)))
    known = {key for row in scores.values() for key in row if _value(row, key) is not None}
    found = tuple(
        (group, tuple(_line(row, scores, methods, model, sure) for row in group.rows)) for group in groups(known)
    )
    return Card(methods, found, any(line.truth for _, lines in found for line in lines))


def meanings(tables: Iterable[Scores]) -> dict[str, str]:
    """Return {name of a score: what it means} of all rows that the cards of some variables have, each once."""
    known = {key for scores in tables for row in scores.values() for key in row if _value(row, key) is not None}
    return {row.name: row.meaning for group in groups(known) for row in group.rows}


def shade(row: Row, other: Mapping[str, float | None], model: Mapping[str, float | None]) -> Shade:
    """Return how a method compares with the model: by the ratio of their errors, distances from what is best."""
    theirs, mine = _error(row, other, model), _error(row, model, model)
    if theirs is None or mine is None:
        return ""
    least = _negligible(row, model)
    theirs, mine = max(theirs, least), max(mine, least)
    strength = 0 if theirs == mine else sum(max(theirs, mine) >= step * min(theirs, mine) for step in STEPS)
    if not strength:
        return "same"
    side = "better" if theirs < mine else "worse"
    return f"{side}-{strength}"  # type: ignore[return-value]  # one of the six


def _line(row: Row, scores: Scores, methods: tuple[str, ...], model: str, sure: frozenset[tuple[str, str]]) -> Line:
    values = {name: _value(scores[name], row.key) for name in methods}
    truth = next((one for name in methods if (one := _value(scores[name], row.truth)) is not None), None)
    shown = [abs(value) for value in (*values.values(), truth) if value]
    decimals = 0 if row.best == "none" else min(significant_decimals(min(shown, default=1.0)), 4)
    if row.best in ("high", "one"):
        decimals = 2 if row.best == "one" else 3
    own = scores.get(model, {})
    cells = tuple(
        Cell(
            "–" if value is None else fixed(value, decimals),
            "" if name == model else shade(row, scores[name], own),
            (row.key, name) in sure,
        )
        for name, value in values.items()
    )
    return Line(row, cells, "" if truth is None or row.best != "truth" else fixed(truth, decimals))


def _error(row: Row, scores: Mapping[str, float | None], model: Mapping[str, float | None]) -> float | None:
    """Return the distance of a score from what is best; None where it is not known."""
    value = _value(scores, row.key)
    if value is None or row.best == "none":
        return None
    match row.best:
        case "high":
            return 1.0 - value
        case "zero":
            return abs(value)
        case "one":
            return abs(math.log(value)) if value > 0 else math.inf
        case "truth":
            truth = _value(model, row.truth)
            return None if truth is None else abs(value - truth)
    return value


def _negligible(row: Row, model: Mapping[str, float | None]) -> float:
    """Return the error below which two methods are alike: a share of the error, or of the truth's number."""
    match row.best:
        case "zero" | "truth" if row.units:
            return _NEGLIGIBLE * (_value(model, "mae") or 0.0) or 1e-12
        case "truth":
            return _NEGLIGIBLE * abs(_value(model, row.truth) or 0.0) or 1e-12
        case "one":
            return _NEGLIGIBLE
    return 1e-12


def _value(row: Mapping[str, float | None], key: str) -> float | None:
    value = row.get(key)
    return value if value is not None and math.isfinite(value) else None
