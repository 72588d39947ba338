"""What a user requires of a verdict, such as `pr: crps_fair < analogs`: read, checked against what is known, judged."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from climdiff.errors import Problem, RecipeError
from climdiff.verification.by_time import SCORES

WHERE = "--require"
_FORM = re.compile(r"^\s*(?:(?P<variable>[A-Za-z]\w*)\s*:)?\s*(?P<score>[\w@.+-]+)\s*<\s*(?P<reference>[\w-]+)\s*$")


@dataclass(frozen=True)
class Requirement:
    """A score of the ensemble that has to be lower than that of `reference`, for one `variable` or, if None, for all.

    `text` is what the user wrote.
    """

    text: str
    variable: str | None
    score: str
    reference: str


def requirement(text: str) -> Requirement:
    """Return what `text` requires.

    Raises:
        RecipeError: CD-037, it is not of the form `[variable:] score < baseline`, or no paired test of that score
            exists.
    """
    form = _FORM.match(text)
    if form is None:
        what = f"'{text}' is not of the form [variable:] score < baseline"
        raise RecipeError(Problem(37, WHERE, what, "write it like 'pr: crps_fair < analogs'"))
    kind, _, threshold = form["score"].partition("@")
    is_event = kind.startswith("brier")
    is_known = kind in ("crps_fair", *SCORES) and (_is_number(threshold) if is_event else form["score"] == kind)
    if not is_known:
        known = ["crps_fair", *(f"{name}@T" if name.startswith("brier") else name for name in SCORES)]
        what = f"'{text}': no paired test of score '{form['score']}'"
        raise RecipeError(Problem(37, WHERE, what, _choose(form["score"], known)))
    return Requirement(text, form["variable"], form["score"], form["reference"])


def check(
    wanted: Sequence[Requirement],
    thresholds: Mapping[str, Sequence[float]],
    baselines: Mapping[str, Collection[str]],
) -> dict[str, tuple[str, ...]]:
    """Return the scores beside the fair CRPS that have to be compared, by variable.

    Args:
        wanted: The requirements.
        thresholds: The variables that are scored, each with the thresholds of its events.
        baselines: The references that are scored, each with its variables.

    Raises:
        RecipeError: CD-037, every name among the requirements that is not scored.
    """
    problems = []
    scores: dict[str, dict[str, None]] = {variable: {} for variable in thresholds}
    for each in wanted:
        if each.reference not in baselines:
            what = f"'{each.text}': no baseline '{each.reference}' is scored"
            problems.append(Problem(37, WHERE, what, _choose(each.reference, list(baselines))))
        if each.variable is not None and each.variable not in thresholds:
            what = f"'{each.text}': no variable '{each.variable}' is scored"
            problems.append(Problem(37, WHERE, what, _choose(each.variable, list(thresholds))))
            continue
        made = baselines.get(each.reference, ())
        if each.variable is not None and made and each.variable not in made:
            what = f"'{each.text}': '{each.reference}' makes no '{each.variable}'"
            problems.append(Problem(37, WHERE, what, f"name one of its variables ({', '.join(made)})"))
            continue
        kind, _, threshold = each.score.partition("@")
        for variable in [each.variable] if each.variable else [name for name in thresholds if name in made]:
            if threshold and float(threshold) not in thresholds[variable]:
                what = f"'{each.text}': {threshold} is no threshold of '{variable}' ({_listed(thresholds[variable])})"
                problems.append(Problem(37, WHERE, what, f"add it to verify.thresholds.{variable} in the recipe"))
            elif kind != "crps_fair":
                scores[variable][each.score] = None
    if problems:
        raise RecipeError(*problems)
    return {variable: tuple(found) for variable, found in scores.items()}


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", text) is not None


def _listed(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values) or "it has none"


def _choose(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, n=1)
    if near:
        return f"did you mean '{near[0]}'"
    return f"choose from {', '.join(known)}" if known else "a foreign ensemble has no baselines; remove it"
