"""Steering: functions that wrap a denoiser and keep its signature (x, sigma) -> x0."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from climdiff.diffusion.denoiser import Denoise


def classifier_free(
    conditional: Denoise, unconditional: Denoise, weight: float, interval: tuple[float, float] | None = None
) -> Denoise:
    """Return the classifier-free guided denoiser: unconditional + weight (conditional - unconditional).

    Weight 1 is the conditional model, 0 the unconditional one, above 1 sharpens towards the condition
    (Ho & Salimans, 2022, eq. 6, with w = weight - 1; the same combination holds for eps and for x0).

    With an `interval` of noise levels (lowest, highest), guidance acts inside it only; outside, the conditional model
    is evaluated alone, at half the cost (Kynkaanniemi et al., 2024).
    """
    if weight == 1:
        return conditional
    if weight == 0 and interval is None:
        return unconditional

    def guided(x: Tensor, sigma: Tensor) -> Tensor:
        if interval is not None and not interval[0] <= float(sigma[0]) <= interval[1]:
            return conditional(x, sigma)
        without = unconditional(x, sigma)
        return without + weight * (conditional(x, sigma) - without)

    return guided


def thresholded(denoise: Denoise, low: Tensor, high: Tensor) -> Denoise:
    """Return the denoiser with x0 kept in [low, high], cell by cell.

    `low` and `high` broadcast to x: physical limits sent through the transforms (rain not negative, not above what
    was allowed), so that no step of a sampler starts from an impossible field. Static thresholding of Saharia et
    al. (2022, section 2.3), with limits that have a physical meaning.
    """
    return lambda x, sigma: torch.minimum(torch.maximum(denoise(x, sigma), low), high)


def projected(denoise: Denoise, project: Callable[[Tensor], Tensor], below: float = math.inf) -> Denoise:
    """Return the denoiser whose estimates of x0 at noise levels up to `below` are sent through `project`.

    `project` is a map onto the fields that may be. With a projection onto the fields whose block means are those of the
    coarse input, each late step of a sampler starts from a consistent field, and the last is consistent to rounding.

    Why not at all levels: at high noise the estimate is the mean over all fields that may come out, taken after a
    transform such as a logarithm. Its physical block mean is lower than theirs. Scaling it up there makes up for rain
    that later steps add anyway, and leaves members too smooth (docs/diffusion.md has the measurements).
    """

    def consistent(x: Tensor, sigma: Tensor) -> Tensor:
        x0 = denoise(x, sigma)
        return project(x0) if float(sigma[0]) <= below else x0

    return consistent
