"""Scores of every date by itself, so that ways of making an ensemble can be held against each other date by date.

What is kept of a date are additive sums over its cells. Dates that are alike, of one scene or week, form a group, and
`significance.compare` draws among groups.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from climdiff.errors import DataError, Problem
from climdiff.verification.fields import error_sums, moments
from climdiff.verification.probabilistic import crps_fair
from climdiff.verification.significance import Difference, Paired, compare

SUMS = ("weight", "crps", "square", "variance")


@dataclass(frozen=True, eq=False)
class DateScores:
    """Sums over the cells of each date, (time,) each.

    Attributes:
        n_members: Members that were scored.
        weight: Of cells with a truth.
        crps: Weighted fair CRPS.
        square: Weighted squared error of the ensemble mean.
        variance: Weighted unbiased variance of the members.
    """

    n_members: int
    weight: np.ndarray
    crps: np.ndarray
    square: np.ndarray
    variance: np.ndarray

    @property
    def crps_fair(self) -> float:
        """Return the fair CRPS over all dates, as `scorecard` has it."""
        return float(self.crps.sum() / self.weight.sum())

    @property
    def spread_skill(self) -> float:
        """Return spread over error of the ensemble mean, with the finite-ensemble correction, as `scorecard` has it."""
        return self._corrected(float(self.variance.sum() / self.square.sum()))

    def spread_skill_interval(self, groups: np.ndarray, seed: int) -> tuple[float, float]:
        """Return the 95 % interval of `spread_skill`; `groups` tells what each date is drawn together with, (time,).

        NaN where there are too few groups for one.
        """
        found = _compared(groups, self.variance, self.square, seed)
        return self._corrected(1 + found.low / 100), self._corrected(1 + found.high / 100)

    def _corrected(self, ratio: float) -> float:
        return float(np.sqrt((self.n_members + 1) / self.n_members * ratio))


def date_scores(members: np.ndarray, truth: np.ndarray, cell_weights: np.ndarray) -> DateScores:
    """Return the scores of each date of one variable.

    Args:
        members: (realization, time, y, x).
        truth: (time, y, x); a missing cell (NaN) has no weight.
        cell_weights: (y, x), >= 0.
    """
    rows = []
    for date, observed in enumerate(truth):
        is_missing = np.isnan(observed)
        weights = np.where(is_missing, 0.0, cell_weights)
        known = np.where(is_missing, 0, observed)
        drawn = np.where(is_missing, 0, members[:, date])
        sums = error_sums(*moments(drawn), known, weights)
        rows.append([weights.sum(), (weights * crps_fair(drawn, known)).sum(), sums["square"], sums["variance"]])
    return DateScores(len(members), *np.array(rows, np.float64).reshape(-1, len(SUMS)).T)


def joined(parts: Sequence[DateScores]) -> DateScores:
    """Return the scores of the dates of all parts, one part after the other."""
    return DateScores(parts[0].n_members, *(np.concatenate([getattr(part, name) for part in parts]) for name in SUMS))


def relative(scores: Mapping[str, DateScores], reference: Mapping[str, DateScores]) -> np.ndarray:
    """Return how much each date adds to the fair CRPS over that of the reference, averaged over variables, (time,).

    The sum over dates is the mean over variables of the ratio of the two scores: 1 for the reference itself.
    """
    parts = [found.crps / reference[name].crps.sum() for name, found in scores.items()]
    return np.asarray(np.mean(parts, axis=0))


def difference(
    scores: Mapping[str, DateScores],
    other: Mapping[str, DateScores],
    reference: Mapping[str, DateScores],
    groups: np.ndarray,
    seed: int,
) -> Difference:
    """Return by how many percent the fair CRPS of `scores` is above that of `other`, both `relative` to `reference`.

    Both were scored on the same dates, best with the same noise: what makes a date hard for both cancels out.
    """
    return _compared(groups, relative(scores, reference), relative(other, reference), seed)


def _compared(groups: np.ndarray, one: np.ndarray, other: np.ndarray, seed: int) -> Difference:
    """Return by how many percent one is above the other, summed over groups; one that adds to neither has no weight.

    Raises:
        DataError: CD-033, the other is 0 in all groups.
    """
    numbers = np.unique(groups, return_inverse=True)[1]
    sums = np.bincount(numbers, one), np.bincount(numbers, other)
    weight = ((sums[0] != 0) | (sums[1] != 0)).astype(np.float64)
    found = compare({"": Paired(*sums, weight)}, seed=seed)[""]
    if not found.is_defined:
        what = "there is no error on any date, so nothing is better or worse by a share of it"
        raise DataError(Problem(33, "scores", what, "choose dates with events, such as wet ones"))
    return found
