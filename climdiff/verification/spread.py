"""Does the spread know where the error is? Error of the mean by the spread that was forecast.

The ratio of mean spread to mean error can be right though spread is the same everywhere; here cells are sorted by
their spread into narrow bins fixed beforehand, so that sums of blocks add up, which are joined to ten at the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

BINS_PER_OCTAVE = 4
OCTAVES = 40  # on either side of 1 in the unit of the values; a spread beyond is put into the outermost bin
N_JOINED = 10


def spread_sums(
    mean: np.ndarray, variance: np.ndarray, truth: np.ndarray, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """Return weight, variance and square error of the mean by narrow bins of spread; those of two blocks add up.

    Bin 0 has the cells without any spread, the others a quarter of an octave each.
    """
    half = BINS_PER_OCTAVE * OCTAVES
    octave = np.log2(variance, out=np.full(variance.shape, -np.inf), where=variance > 0) / 2
    narrow = np.clip(np.floor(octave * BINS_PER_OCTAVE), -half, half - 1) + half + 1
    narrow = np.where(variance > 0, narrow, 0).astype(np.int64).ravel()
    terms = {"weight": weights, "variance": weights * variance, "square": weights * np.square(mean - truth)}
    return {name: np.bincount(narrow, term.ravel(), minlength=2 * half + 1) for name, term in terms.items()}


@dataclass(frozen=True)
class SpreadSkill:
    """Root mean square spread and error of cells of like spread, least first; all (bin,).

    `spread` has the factor sqrt((M + 1) / M) for a finite ensemble (Fortin et al. 2014): with many members it equals
    `error` in every bin where spread tells the error. With few, cells that drew a large spread by chance are in the
    last bins, so that even a calibrated ensemble is off the diagonal there. `weight` is the share of cells.
    """

    spread: np.ndarray
    error: np.ndarray
    weight: np.ndarray

    @property
    def reliability(self) -> float:
        """The mean distance of spread and error over the bins, by weight (Haynes et al. 2023).

        It is above 0 for a calibrated ensemble of few members: compare ensembles of equally many only.
        """
        return float(self.weight @ np.abs(self.spread - self.error))


def spread_skill(sums: Mapping[str, np.ndarray], n_members: int) -> SpreadSkill:
    """Return at most ten bins of about equal weight (Leutbecher & Palmer 2008)."""
    weight = sums["weight"]
    share = weight / weight.sum()
    middle = np.cumsum(share) - share / 2
    joined = np.minimum((N_JOINED * middle).astype(int), N_JOINED - 1)
    by_bin = {name: np.bincount(joined, sums[name], minlength=N_JOINED) for name in ("weight", "variance", "square")}
    kept = by_bin["weight"] > 0
    total = by_bin["weight"][kept]
    spread = np.sqrt((n_members + 1) / n_members * by_bin["variance"][kept] / total)
    return SpreadSkill(spread, np.sqrt(by_bin["square"][kept] / total), total / total.sum())
