"""How much falls when an event is on, and how far it reaches: indices of members against the truth."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

NAMES = ("amount", "wet", "joint", "either")
Place = tuple[slice, ...]


def wetness_sums(
    members: np.ndarray, truth: np.ndarray, weights: np.ndarray, threshold: float
) -> dict[str, np.ndarray]:
    """Return sums over cells with the event value >= threshold, of members (their mean) and of the truth; they add up.

    All are (2,): `amount` of their values, `wet` of their weights; `joint` of the pairs of neighbors that both have it,
    `either` of the pairs by half for each that has it. A pair has the geometric mean of the weights of its cells;
    `joint` and `either` are 0 where cells are no map.
    """
    pairs = [(first, second, np.sqrt(weights[first] * weights[second])) for first, second in _neighbors(truth.shape)]
    both = [_sums(values, weights, pairs, threshold) for values in (members, truth[None])]
    return {name: np.array([of_members, of_truth]) for name, of_members, of_truth in zip(NAMES, *both, strict=True)}


def wetness_scores(sums: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Return `intensity` (mean value where the event is on) and `joint` (its chance beside a cell that has it).

    Each comes with `_truth`. The intensity of daily rain from 1 mm on is the index SDII (Zhang et al. 2011). NaN where
    the event never comes.
    """
    pairs = {"intensity": ("amount", "wet"), "joint": ("joint", "either")}
    scores: dict[str, float] = {}
    for name, (above, below) in pairs.items():
        found = np.divide(sums[above], sums[below], out=np.full(2, np.nan), where=sums[below] > 0)
        scores |= {name: float(found[0]), f"{name}_truth": float(found[1])}
    return scores


def _neighbors(shape: tuple[int, ...]) -> list[tuple[Place, Place]]:
    """Return where the first and the second cells of all pairs of neighbors are, along y and along x."""
    if len(shape) != 3:
        return []
    left, right, every = slice(None, -1), slice(1, None), slice(None)
    return [((every, left), (every, right)), ((every, every, left), (every, every, right))]


def _sums(
    fields: np.ndarray, weights: np.ndarray, pairs: list[tuple[Place, Place, np.ndarray]], threshold: float
) -> tuple[float, ...]:
    """Return amount, wet, joint and either of fields (n, time, ...), divided by their number."""
    amount, count = np.zeros(weights.shape), np.zeros(weights.shape, np.int32)
    joint = [np.zeros(area.shape, np.int32) for _, _, area in pairs]
    for field in fields:
        wet = field >= threshold
        np.add(amount, field, out=amount, where=wet)
        count += wet
        for i, (first, second, _) in enumerate(pairs):
            joint[i] += wet[first] & wet[second]
    sums = np.array(
        [
            np.vdot(weights, amount),
            np.vdot(weights, count),
            sum(np.vdot(area, found) for found, (_, _, area) in zip(joint, pairs, strict=True)),
            sum(np.vdot(area, count[first] + count[second]) / 2 for first, second, area in pairs),
        ]
    )
    return tuple(sums / len(fields))
