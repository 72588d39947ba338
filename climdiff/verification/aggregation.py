"""CRPS of means over blocks of cells: are members right together, or only one cell at a time?

A forecast can have the best distribution in every cell and no spatial structure at all; its means over areas then have
too little spread. Each scale is a score of its own, and an ensemble that is exchangeable with the truth is so at all.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from climdiff.verification.probabilistic import crps_terms

FACTORS = (2, 4, 8)
"""Cells per side of a block, each twice the last."""


def factors_of(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the factors that leave at least two blocks per side of a field (y, x); none for other dimensions."""
    return tuple(factor for factor in FACTORS if len(shape) == 2 and min(shape) >= 2 * factor)


def block_crps_sums(members: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Return the weighted sums of the fair CRPS of block means, and their weights, (factor,) each; they add up.

    The mean of a block is over its cells of weight above 0, by weight, for members and truth alike, and its own weight
    is their sum: a block half of which is missing counts half. Cells beyond the last whole block are left out.

    Args:
        members: (realization, time, y, x).
        truth: (time, y, x).
        weights: (time, y, x), 0 where the truth is missing; values there must be finite.
    """
    factors = factors_of(truth.shape[1:])
    sums = {"crps": np.zeros(len(factors)), "weight": np.zeros(len(factors))}
    area = weights
    totals = np.stack([*members, truth]) * weights if factors else np.empty(0)
    for i, _ in enumerate(factors):
        area, totals = _quartered(area), _quartered(totals)
        means = np.divide(totals, area, out=np.zeros_like(totals), where=area > 0)
        error, spread = crps_terms(means[:-1], means[-1])
        sums["crps"][i] = (area * (error[0] - spread[0])).sum()
        sums["weight"][i] = area.sum()
    return sums


def block_crps_scores(sums: Mapping[str, np.ndarray], shape: tuple[int, ...]) -> dict[str, float]:
    """Return `crps_fair_FxF` for every factor F that fits cells of this `shape`, in the unit of the values.

    NaN where whole blocks have no weight.
    """
    scores = {}
    for factor, crps, weight in zip(factors_of(shape), sums["crps"], sums["weight"], strict=True):
        scores[f"crps_fair_{factor}x{factor}"] = float(crps / weight) if weight > 0 else float("nan")
    return scores


def _quartered(fields: np.ndarray) -> np.ndarray:
    """Return the sums of 2 x 2 cells of fields (..., y, x)."""
    ny, nx = (size - size % 2 for size in fields.shape[-2:])
    rows = fields[..., 0:ny:2, :nx] + fields[..., 1:ny:2, :nx]
    return np.asarray(rows[..., 0::2] + rows[..., 1::2])
