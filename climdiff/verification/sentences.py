"""What differences between a forecast and its references say, in sentences that can be quoted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from climdiff.verification.significance import METHOD, MIN_INDEPENDENT, Difference

Comparison = tuple[str, str, str]
KEYS, ENDS = ("variable", "score", "reference"), ("low", "high")
"""What a comparison is named by, in this order; the ends of an interval."""
NAMES = {"crps_fair": "fair CRPS", "mae": "MAE of the mean", "rmse": "RMSE of the mean"}


def name_of(score: str) -> str:
    """Return the name of a score as it is read: `brier_fair@1` is 'fair Brier score at 1'."""
    kind, _, threshold = score.partition("@")
    event = {"brier": "Brier score", "brier_fair": "fair Brier score"}.get(kind, kind)
    return NAMES.get(score, f"{event} at {threshold}" if threshold else event)


def sentence(
    score: str, reference: str, found: Difference, unit: str, *, is_single: bool = False, units: str = ""
) -> str:
    """Return the sentence on one difference.

    Args:
        score: Key of the score, such as `crps_fair`.
        reference: Name of the reference.
        found: The difference.
        unit: What the series consists of: days, times, fields.
        is_single: True if the reference is one field and no ensemble.
        units: Of the variable.
    """
    subject = name_of(score)
    if is_single and score == "crps_fair":
        reference += " (a single field: its CRPS is its MAE)"
    if not found.is_defined:
        mine, theirs = found.means
        stands = "worse than" if mine > theirs else "better than" if mine < theirs else "equal to that of"
        both = f"{mine:.3g} against {theirs:.3g} {units if score in NAMES else ''}".rstrip()
        return f"{subject} {stands} {reference}: {both} over {found.n} {unit}"
    share = f"{_digits(abs(found.percent))} %"
    direction = "better" if found.percent < 0 else "worse"
    if not found.is_told:
        return (
            f"too few {unit} to tell {subject} from that of {reference}: {share} {direction}, but {found.n} {unit} are "
            f"worth {found.n_independent:.1f} independent ones, and {MIN_INDEPENDENT} are needed"
        )
    how = f"paired block bootstrap over {found.n} {unit}"
    if found.is_better:
        return f"{subject} better than {reference} by {share} {_interval(-found.high, -found.low)}, {how}"
    if found.is_worse:
        return f"{subject} worse than {reference} by {share} {_interval(found.low, found.high)}, {how}"
    bounds = _interval(-found.high, -found.low) if found.percent < 0 else _interval(found.low, found.high)
    return f"{subject} shows no difference to {reference}: {share} {direction} {bounds}, {how}"


def footing(found: Difference, n_comparisons: int, unit: str) -> str:
    """Return the sentence on how all intervals of a verdict were made; empty where there are none."""
    if not found.is_told:
        return ""
    if n_comparisons == 1:
        held = f"the interval holds at {100 * found.level:g} %"
    else:
        held = f"the {n_comparisons} intervals hold at once at {100 * found.level:g} %"
    return f"{held}; {found.n_blocks} blocks of {found.block} {unit}"


def _interval(low: float, high: float) -> str:
    return f"[{_digits(low)}, {_digits(high)}]"


def _digits(percent: float) -> str:
    """Return a percentage to one decimal, or one digit where that would be 0.0; 0 has no sign."""
    return f"{percent + 0.0:.1f}" if percent == 0 or abs(percent) >= 0.05 else f"{percent:.1g}"


def tabled(found: Mapping[Comparison, Difference], unit: str) -> xr.Dataset:
    """Return differences as a Dataset along `comparison`, as `scores.nc` holds them."""
    rows = [each.to_json() for each in found.values()]
    parts = {
        name: ("comparison", [np.nan if row[name] is None else row[name] for row in rows], {"units": units})
        for name, units in {
            "difference_percent": "%",
            "n": "1",
            "n_independent": "1",
            "block": "1",
            "n_blocks": "1",
        }.items()
    }
    parts |= {end: ("comparison", [getattr(each, end) for each in found.values()], {"units": "%"}) for end in ENDS}
    names = {key: ("comparison", [row[place] for row in found]) for place, key in enumerate(KEYS)}
    names["verdict"] = ("comparison", [row["verdict"] for row in rows])
    level = next(iter(found.values())).level
    return xr.Dataset({**parts, **names}, attrs={"method": METHOD, "level": level, "n_counts": unit})


def nested(found: Mapping[Comparison, Difference], sentences: Mapping[Comparison, str]) -> dict[str, Any]:
    """Return {variable: {score: {reference: difference}}} in plain types, each with its sentence."""
    tree: dict[str, Any] = {}
    for (variable, score, reference), each in found.items():
        said = {**each.to_json(), "sentence": sentences[variable, score, reference]}
        tree.setdefault(variable, {}).setdefault(score, {})[reference] = said
    return tree
