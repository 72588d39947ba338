"""Steering: functions that wrap a denoiser and keep its signature (x, sigma) -> x0."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from climdiff.diffusion.denoiser import Denoise

LogProbability = Callable[[Tensor, Tensor], Tensor]
"""(x0 (batch, channel, y, x), sigma (batch,)) -> log p(c | x) of each element, (batch,)."""


class Evidence(NamedTuple):
    """What is known of a batch: a log probability of its clean fields, and cells (NaN: unknown) that are certain."""

    log_probability: LogProbability
    known: Tensor | None = None


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
        if weight == 0:
            return without
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


def told(denoise: Denoise, evidence: Sequence[Evidence]) -> Denoise:
    """Return the denoiser of P(X | y, evidence): one gradient of the joint log probability, and certain cells kept.

    Putting certain cells in alone does not tell the network about them in time; steered towards them as well, the
    drawn and the known join without a seam (reconstruction guidance, after Ho et al., 2022, section 3.1).
    """
    if not evidence:
        return denoise
    guided = steered(denoise, _joint([each.log_probability for each in evidence]))
    for each in evidence:
        if each.known is not None:
            guided = _kept(guided, each.known)
    return guided


def steered(denoise: Denoise, log_probability: LogProbability) -> Denoise:
    """Return the denoiser of P(X | y, c) from that of P(X | y) and log p(c | x): classifier guidance.

    D + sigma^2 d/dx' log p(c | x'), with p(c | x') taken at the estimate of the clean field (Dhariwal & Nichol, 2021,
    Algorithm 2, for a classifier of noisy fields; Chung et al., 2023, for one of clean fields). The gradient runs
    through the network, which about triples the cost of an evaluation.

    Args:
        denoise: The denoiser to steer.
        log_probability: (x0, sigma) -> log p(c | x) of each element of the batch, differentiable in x0; sigma tells how
            uncertain x0 is. Constants do not matter: any differentiable functional serves.
    """

    def guided(x: Tensor, sigma: Tensor) -> Tensor:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            x0 = denoise(x, sigma)
            (gradient,) = torch.autograd.grad(log_probability(x0, sigma).sum(), x)
        level = sigma.to(x0).reshape(-1, 1, 1, 1)
        return (x0 + level**2 * gradient).detach()

    return guided


def observed(cells: Tensor, values: Tensor, variances: Tensor, unexplained: Tensor) -> LogProbability:
    """Return the log probability of observations of some cells, for `steered`.

    An observation has the error variance given and, at each noise level, that of the estimate it is compared with
    (`doubt`). That is exact for Gaussian cells that are independent given the predictors; where neighbors tell of a
    cell its estimate is surer, and members are drawn a little less than all the way to the observation. (Rozet &
    Louppe, 2023, section 3.2, have a variance of the same form without the bound that `unexplained` sets.)

    Args:
        cells: Indices (observation,) into the flattened (channel, y, x).
        values: Observed values in network space, (batch, observation) or (observation,); NaN is no observation.
        variances: Error variances in network space, as `values`.
        unexplained: Variance of the cells given the predictors, in network space, (observation,) or a number.
    """

    def log_probability(x0: Tensor, sigma: Tensor) -> Tensor:
        away = torch.nan_to_num(x0.flatten(1)[:, cells] - values.to(x0), nan=0.0)
        variance = torch.nan_to_num(variances.to(x0), nan=1.0) + doubt(unexplained.to(x0), sigma.to(x0)[:, None])
        return -(away**2 / (2 * variance)).sum(1)

    return log_probability


def matched(known: Tensor, unexplained: Tensor) -> LogProbability:
    """Return the log probability of cells that are certain where `known` is not NaN, for `steered`.

    Args:
        known: Values in network space, broadcasting to x; NaN where the field is to be drawn.
        unexplained: As in `observed`, broadcasting to x.
    """
    is_known = ~known.isnan()

    def log_probability(x0: Tensor, sigma: Tensor) -> Tensor:
        away = torch.where(is_known.to(x0.device), x0 - known.to(x0), torch.zeros_like(x0))
        variance = doubt(unexplained.to(x0), sigma.to(x0).reshape(-1, 1, 1, 1))
        return -(away**2 / (2 * variance)).sum(dim=(1, 2, 3))

    return log_probability


def doubt(unexplained: Tensor, level: Tensor) -> Tensor:
    """Return the variance that a cell of variance `unexplained` has once it was seen with noise of that level."""
    return unexplained * level**2 / (unexplained + level**2)


def _kept(denoise: Denoise, known: Tensor) -> Denoise:
    """Return the denoiser whose estimates have the values of `known` where these are not NaN."""
    is_known = ~known.isnan()
    return lambda x, sigma: torch.where(is_known.to(x.device), known.to(x), denoise(x, sigma))


def _joint(log_probabilities: Sequence[LogProbability]) -> LogProbability:
    """Return the log probability of several independent pieces of evidence: their sum."""
    return lambda x0, sigma: torch.stack([each(x0, sigma).to(x0) for each in log_probabilities]).sum(0)
