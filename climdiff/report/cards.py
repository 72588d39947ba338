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
SHARES = (0.02, 0.1, 0.3)
"""Differences of errors, relative to their size, from which on a cell is pale, plain and strong."""
_NEGLIGIBLE = 0.02  # a bias below this share of the mean absolute error does not count


@dataclass(frozen=True)
class Cell:
    """A number as it is shown, its shade, and whether its difference to the model's is sure."""

    text: str
    shade: Shade = ""
    is_sure: bool = False


@dataclass(frozen=True)
class Line:
    """One row of the card: the score, a cell per method, the value of the truth, and if the coarse field gives it."""

    row: Row
    cells: tuple[Cell, ...]
    truth: str
    is_given: bool = False


@dataclass(frozen=True)
class Card:
    """The card of one variable: methods from left to right, the model first, and lines by group."""

    methods: tuple[str, ...]
    groups: tuple[tuple[Group, tuple[Line, ...]], ...]
    has_truth: bool


def card(
    scores: Scores,
    model: str,
    sure: frozenset[tuple[str, str]] = frozenset(),
    given: frozenset[str] = frozenset(),
) -> Card:
    """Return the card of one variable.

    `sure` has each (score, method) whose interval excludes no difference, `given` the scores that the coarse field
    gives to any method that keeps its means: rows that are not colored.
    """
    methods = tuple(sorted(scores, key=lambda name: (name != model, _value(scores[name], "crps_fair") or math.inf)))
    known = {key for row in scores.values() for key in row if _value(row, key) is not None}
    found = tuple(
        (group, tuple(_line(row, scores, methods, model, sure, is_given=row.key in given) for row in group.rows))
        for group in groups(known)
    )
    return Card(methods, found, any(line.truth for _, lines in found for line in lines))


def meanings(tables: Iterable[Scores]) -> dict[str, str]:
    """Return {name of a score: what it means} of all rows that the cards of some variables have, each once."""
    known = {key for scores in tables for row in scores.values() for key in row if _value(row, key) is not None}
    return {row.name: row.meaning for group in groups(known) for row in group.rows}


def shade(row: Row, theirs: float | None, mine: float | None, model: Mapping[str, float | None]) -> Shade:
    """Return how the value of a method compares with the model's: by how much further from what is best it is.

    The difference of the two distances is relative to the lower one where 0 is best, else to the size of what is best.
    `model` has the other scores of the model, such as what the truth has.
    """
    other, own = _error(row, theirs, model), _error(row, mine, model)
    if other is None or own is None:
        return ""
    size = max(min(other, own), 0.0) if row.best in ("low", "zero") else _size(row, model)
    strength = 0 if other == own else sum(abs(other - own) >= share * size for share in SHARES)
    if not strength:
        return "same"
    side = "better" if other < own else "worse"
    return f"{side}-{strength}"  # type: ignore[return-value]  # one of the six


def _line(
    row: Row,
    scores: Scores,
    methods: tuple[str, ...],
    model: str,
    sure: frozenset[tuple[str, str]],
    *,
    is_given: bool,
) -> Line:
    values = {name: _value(scores[name], row.key) for name in methods}
    truth = next((one for name in methods if (one := _value(scores[name], row.truth)) is not None), None)
    shown = [abs(value) for value in (*values.values(), truth) if value]
    decimals = 0 if row.best == "none" else min(significant_decimals(min(shown, default=1.0)), 4)
    if row.best in ("high", "one"):
        decimals = 2 if row.best == "one" else 3
    printed = {name: None if value is None else round(value, decimals) for name, value in values.items()}
    is_told = any(key == row.key for key, _ in sure)
    own = scores.get(model, {})
    cells = []
    for name, value in printed.items():
        found = "" if name == model or is_given else shade(row, value, printed.get(model), own)
        text = "–" if value is None else fixed(value, decimals)
        cells.append(Cell(text, found if is_told else _pale(found), (row.key, name) in sure))
    known_truth = "" if truth is None or row.best != "truth" else fixed(truth, decimals)
    return Line(row, tuple(cells), known_truth, is_given)


def _pale(found: Shade) -> Shade:
    """Return the palest shade of the same side: what is shown where no difference is sure."""
    if found.startswith("better"):
        return "better-1"
    return "worse-1" if found.startswith("worse") else found


def _error(row: Row, value: float | None, model: Mapping[str, float | None]) -> float | None:
    """Return the distance of a value from what is best; None where it is not known."""
    if value is None or row.best == "none":
        return None
    match row.best:
        case "high":
            return 1.0 - value
        case "zero":
            return max(abs(value), _NEGLIGIBLE * (_value(model, "mae") or 0.0))
        case "one":
            return abs(math.log(value)) if value > 0 else math.inf
        case "truth":
            truth = _value(model, row.truth)
            return None if truth is None else abs(value - truth)
    return value


def _size(row: Row, model: Mapping[str, float | None]) -> float:
    """Return the size of the best value: 1, or how far the truth's is from 0 or, nearer in [K], from its median.

    What has units counts as no smaller than the mean absolute error: a truth of 0.1 degC is not small.
    """
    if row.best != "truth":
        return 1.0
    truth, median = (_value(model, key) or 0.0 for key in (row.truth, "p50_truth"))
    return max(min(abs(truth), abs(truth - median)), _value(model, "mae") or 0.0) if row.units else abs(truth)


def _value(row: Mapping[str, float | None], key: str) -> float | None:
    value = row.get(key)
    return value if value is not None and math.isfinite(value) else None
