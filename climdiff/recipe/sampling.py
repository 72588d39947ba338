"""Which keys of `sample` go together: plain checks on plain values, findings back."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise

from climdiff.recipe.findings import Finding

TWICE = ("heun", "dpmpp_2s")
"""Samplers that evaluate the network twice a step, once in the last."""
ONE_STEP = "one_step"
"""The sampler of a distilled network: one evaluation, from the level it was taught at."""


def n_levels(sampler: str, steps: int) -> int:
    """Return how many noise levels a sampler visits with at most `steps` evaluations of the network."""
    if sampler == ONE_STEP:
        return 1
    return (steps + 1) // 2 if sampler in TWICE else steps


def misplaced(sampler: str, given: Collection[str], eta: float, variance: str, churn: float) -> list[Finding]:
    """Find options that mean nothing to the sampler."""
    owners = {"eta": ("ddim",), "variance": ("ddpm",), "churn": ("euler", "heun")}
    values: dict[str, float | str] = {"eta": eta, "variance": variance, "churn": churn}
    idle: dict[str, float | str] = {"eta": 0.0, "variance": "posterior", "churn": 0.0}
    return [
        Finding(
            f"{key} {_shown(values[key])} means nothing to sampler {sampler}",
            f"remove {key}, or set sample.sampler to {' or '.join(samplers)}",
            (key,),
        )
        for key, samplers in owners.items()
        if key in given and values[key] != idle[key] and sampler not in samplers
    ]


def crossed(
    sigma_min: float, sigma_max: float, interval: tuple[float, float] | None, guidance: float, *, are_ends: bool
) -> list[Finding]:
    """Find noise levels that are the wrong way round, and an interval that has nothing to act on.

    `are_ends` tells whether `sigma_min` and `sigma_max` are the ends of the levels that are visited.
    """
    findings = []
    if sigma_min >= sigma_max:
        what = f"sigma_min {sigma_min:g} is not below sigma_max {sigma_max:g}"
        findings.append(Finding(what, "lower sigma_min or raise sigma_max", ("sigma_min",)))
    if interval is None:
        return findings
    low, high = interval
    if not 0 <= low < high:
        what = f"the interval {low:g} to {high:g} is empty"
        findings.append(Finding(what, "write [lowest, highest] noise level", ("guidance_interval",)))
    elif are_ends and (low >= sigma_max or high <= sigma_min):
        what = f"the interval {low:g} to {high:g} is outside the noise levels {sigma_min:g} to {sigma_max:g}"
        findings.append(Finding(what, "choose levels that the sampler visits", ("guidance_interval",)))
    elif guidance == 1.0:
        what = "guidance 1 is the conditional model at every level: an interval changes nothing"
        findings.append(Finding(what, "remove guidance_interval, or set guidance", ("guidance_interval",)))
    return findings


def has_ends(sampler: str, levels: str | Sequence[float] | None) -> bool:
    """Return whether `sigma_min` and `sigma_max` are the ends of the levels that are visited."""
    return levels in ("karras", "angle") or (levels is None and sampler not in ("ddpm", ONE_STEP))


def idle_ends(sampler: str, levels: str | Sequence[float] | None, given: Collection[str]) -> list[Finding]:
    """Find ends of noise levels given to levels that have their own."""
    if has_ends(sampler, levels):
        return []
    kind = "trailing" if levels is None else levels if isinstance(levels, str) else "given one by one"
    fix = "remove it, or set sample.levels to karras or angle"
    if sampler == ONE_STEP:
        kind, fix = "of one_step", "remove it"
    return [
        Finding(f"{key} means nothing to levels {kind}", fix, (key,))
        for key in ("sigma_min", "sigma_max")
        if key in given
    ]


def more_than_one_step(
    sampler: str, levels: str | Sequence[float] | None, guidance: float, spread: float
) -> list[Finding]:
    """Find what a network that makes a member in one step was not taught."""
    if sampler != ONE_STEP:
        return []
    findings = []
    if levels is not None:
        what = "one_step starts from the noise level it was taught at"
        findings.append(Finding(what, "remove levels, or choose another sampler", ("levels",)))
    if guidance != 1.0:
        what = f"one_step was taught the conditional model only, not guidance {guidance:g}"
        findings.append(Finding(what, "set guidance to 1, or choose another sampler", ("guidance",)))
    if spread != 1.0:
        what = f"one_step was taught noise as it is, not {spread:g} times as much"
        findings.append(Finding(what, "set spread to 1, or choose another sampler", ("spread",)))
    return findings


def unfit(sampler: str, levels: str | Sequence[float] | None, steps: int) -> list[Finding]:
    """Find levels given one by one that do not fall, or are not as many as the steps say."""
    if levels is None or isinstance(levels, str):
        return []
    findings = []
    if any(after >= before for before, after in pairwise(levels)):
        findings.append(Finding("noise levels must fall", "write the highest level first", ("levels",)))
    wanted = n_levels(sampler, steps)
    if len(levels) != wanted:
        what = f"{len(levels)} levels for {steps} evaluations of {sampler}, which visits {wanted}"
        findings.append(Finding(what, f"give {wanted} levels, without the 0 at the end, or change steps", ("levels",)))
    return findings


def _shown(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"
