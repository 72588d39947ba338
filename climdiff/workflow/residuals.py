"""What the predictors leave open: how much it is, and how long it persists from one date to the next."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from climdiff.data.pairs import Pairs
from climdiff.data.times import common_step, evenly_spread, microseconds
from climdiff.downscalers.diffusion import DiffusionDownscaler
from climdiff.downscalers.one_evaluation import OneEvaluation
from climdiff.errors import DataError, Problem
from climdiff.methods import Neural
from climdiff.samplers.ancestral import ddim
from climdiff.samplers.persistence import DAY, Persistence

logger = logging.getLogger(__name__)

OF_TRUTH, OF_MEMBERS = 512, 128
"""Dates that statistics are taken from at most; a member costs many evaluations of the network."""

KEPT, KEPT_BYTES = 1024, 2**26
"""Residual fields kept of a regression at most, and the memory they may take [bytes]."""

FEWEST_NEIGHBORS = 24

TRIED = (0.0, 0.5, 0.9, 0.98)
"""Correlations of noise whose effect on members is measured."""

LEAST_EFFECT = 0.1
"""Of noise that persists fully, on the correlation of members; below, noise does not matter for them."""


def variances(downscaler: DiffusionDownscaler, pairs: Pairs, seed: int) -> dict[str, float]:
    """Return the variance of each target given the predictors, in network space.

    It is the mean square of residuals: truth minus the model's own mean, which is what its denoiser says at the highest
    noise level.

    Args:
        downscaler: The trained model.
        pairs: Training pairs.
        seed: Key of the noise, which hardly matters.
    """
    index = evenly_spread(pairs.n_times, OF_TRUTH)
    residuals = _truth(downscaler, pairs, index) - _drawn(_averaging(downscaler), pairs, index, seed)
    squares = residuals.double().square().nanmean(dim=(0, 2, 3))
    return {name: float(square) for name, square in zip(downscaler.encoder.targets, squares, strict=True)}


class LeftOver(NamedTuple):
    """What a regression leaves over, in network space.

    Attributes:
        fields: Truth minus regression on dates evenly spread, (date, channel, y, x); NaN where the truth is missing.
        share: Their squares over those of the truth of the same dates, so that stormy dates and calm ones compare.
    """

    fields: Tensor
    share: float


def kept(downscaler: OneEvaluation, pairs: Pairs, seed: int) -> LeftOver:
    """Return what a regression leaves over on these pairs."""
    of_one = 4 * downscaler.encoder.n_target * int(np.prod(downscaler.encoder.grid.shape))
    n_dates = max(1, min(KEPT, pairs.n_times, KEPT_BYTES // of_one))
    index = evenly_spread(pairs.n_times, n_dates)
    plain = downscaler.changed(conservation=None, residuals=None)
    truth = _truth(plain, pairs, index)
    left = truth - _drawn(plain, pairs, index, seed)
    return LeftOver(left, float(left.square().nanmean() / truth.square().nanmean()))


def deviations(left: Tensor) -> Tensor:
    """Return the root mean square of residuals (date, channel, y, x) by channel; missing ones (NaN) do not count."""
    return left.square().nanmean(dim=(0, 2, 3)).sqrt()


def neighbors(pairs: Pairs, at_most: int) -> np.ndarray:
    """Return positions of dates, evenly spread, that are followed by a date one step later.

    Raises:
        DataError: CD-023, dates without a common step, or too few that are neighbors.
    """
    step, numbers = common_step(pairs.times), microseconds(pairs.times)
    found = np.flatnonzero(np.diff(numbers) == step) if step else np.empty(0, int)
    # noise persists over whole steps only
    found = found[(numbers[found] - numbers[found[:1]]) % (step or 1) == 0]
    if len(found) < FEWEST_NEIGHBORS:
        what = f"{len(found)} of {pairs.n_times} dates are followed by one a common step later"
        fix = f"train on at least {FEWEST_NEIGHBORS} such dates, or give sample.noise_half_life in days, or null"
        raise DataError(Problem(23, "training data", what, fix))
    return found[evenly_spread(len(found), at_most)]


def fit(downscaler: DiffusionDownscaler, pairs: Pairs, seed: int) -> dict[str, float]:
    """Return for each target the half-life of noise [days] with which members persist as the truth does.

    What persists beyond the predictors are residuals, as in `variances`, of truth or member. Their correlation from one
    date to the next is taken from the truth, and from members drawn with noise of several correlations: a network
    passes on only a part of it.

    Args:
        downscaler: The trained model, as its members are to be drawn.
        pairs: Training pairs.
        seed: Key of the noise.

    Raises:
        DataError: as `neighbors`.
    """
    step = common_step(pairs.times) or 0  # none is refused by `neighbors`
    averaging = _averaging(downscaler)
    index = _with_next(neighbors(pairs, OF_TRUTH))
    wanted = _lag_one(_truth(downscaler, pairs, index) - _drawn(averaging, pairs, index, seed))
    index = _with_next(neighbors(pairs, OF_MEMBERS))
    mean = _drawn(averaging, pairs, index, seed)
    found = []
    for correlation in TRIED:
        persistence = Persistence(step, (_half_life(correlation),) * downscaler.encoder.n_target)
        found.append(_lag_one(_drawn(_persisting(downscaler, persistence), pairs, index, seed) - mean))
    return {
        name: _half_life(_crossing(name, wanted[c], [each[c] for each in found])) * step / DAY
        for c, name in enumerate(downscaler.encoder.targets)
    }


def _with_next(first: np.ndarray) -> np.ndarray:
    return np.concatenate([first, first + 1])


def _truth(downscaler: Neural, pairs: Pairs, index: np.ndarray) -> Tensor:
    """Return the targets in network space at those dates, (time, channel, y, x)."""
    return downscaler.encoder.target(pairs.truth(index), pairs.guess(index))


def _drawn(downscaler: Neural, pairs: Pairs, index: np.ndarray, seed: int) -> Tensor:
    """Return one member in network space at those dates, (time, channel, y, x)."""
    guess, coarse = pairs.guess(index), pairs.select(index).coarse.compute(scheduler="synchronous")
    return downscaler.sample(downscaler.encoder.condition(guess), guess, coarse, [0], seed)[0]


def _averaging(downscaler: DiffusionDownscaler) -> DiffusionDownscaler:
    """Return the downscaler that stops at the first estimate: the mean given the predictors."""
    ends = torch.tensor([float(downscaler.sampling.sigmas[0]), 0.0])
    sampling = replace(downscaler.sampling, sampler=ddim, sigmas=ends, persistence=None, guidance=1.0, spread=1.0)
    sampling = replace(sampling, guidance_interval=None)
    return downscaler.changed(sampling=sampling, conservation=None)


def _persisting(downscaler: DiffusionDownscaler, persistence: Persistence) -> DiffusionDownscaler:
    return downscaler.changed(sampling=replace(downscaler.sampling, persistence=persistence))


def _lag_one(residuals: Tensor) -> list[float]:
    """Return the correlation of the first half with the second by channel, each cell about its own mean."""
    one, other = residuals.double().chunk(2)
    is_missing = one.isnan() | other.isnan()
    one, other = (half.masked_fill(is_missing, torch.nan) for half in (one, other))
    one, other = ((half - half.nanmean(0)).nan_to_num(0.0) for half in (one, other))
    products = [(a * b).sum(dim=(0, 2, 3)) for a, b in ((one, other), (one, one), (other, other))]
    return list((products[0] / (products[1] * products[2]).sqrt()).tolist())


def _crossing(name: str, wanted: float, found: Sequence[float]) -> float:
    """Return the correlation of noise that gives members the correlation `wanted`, within those tried."""
    if not found[-1] - found[0] > LEAST_EFFECT:
        logger.warning("'%s': noise does not matter for its members from date to date; it stays independent", name)
        return 0.0
    if wanted > max(found):
        logger.warning(
            "'%s': residuals persist longer (%.2f) than noise can make members (%.2f)", name, wanted, max(found)
        )
    return float(np.interp(wanted, np.maximum.accumulate(found), TRIED))


def _half_life(correlation: float) -> float:
    """Return the half-life of noise [steps] whose correlation from one step to the next is given."""
    return 0.0 if correlation <= 0 else math.log(0.5) / math.log(correlation)
