"""Climate change signal: what members say of the change from one verified period to another, against the truth's."""

from __future__ import annotations

from dataclasses import dataclass

from climdiff.verification.scorecard import VariableScores

ENDING = "_truth"
ERRORS = ("coarse_rmse", "coarse_bias")
"""Scores that the truth has too, but that say nothing of its climate."""


@dataclass(frozen=True)
class Change:
    """The change of an index from the first to the second period, of the members and of the truth."""

    forecast: float
    truth: float

    @property
    def error(self) -> float:
        """What the members' change has too much."""
        return self.forecast - self.truth


def changes(first: VariableScores, second: VariableScores) -> dict[str, Change]:
    """Return the change of every index that members and truth have in both periods, `mean` above all.

    Quantiles, frequencies, intensities, spells and return levels come along, in their own units; an index that one
    period does not have is left out. A bias that both periods share takes itself out; what is left is the error of the
    signal that downscaling adds or loses.
    """
    found = {}
    for name in first.scalars:
        start, _, event = name.partition("@")
        other = f"{start}{ENDING}@{event}" if event else f"{start}{ENDING}"
        if name.rpartition(":")[2] in ERRORS:
            continue
        if all(key in scores.scalars for key in (name, other) for scores in (first, second)):
            found[name] = Change(*(second.scalars[key] - first.scalars[key] for key in (name, other)))
    return found
