"""From a recipe to how members are drawn: sampler, noise levels, conservation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from climdiff.build import Limits
from climdiff.data.conservation import Conservation, Weights
from climdiff.data.encoder import Encoder
from climdiff.diffusion import distillation, levels
from climdiff.diffusion.process import Chain
from climdiff.downscalers.diffusion import Sampling
from climdiff.errors import DataError, Problem, RecipeError
from climdiff.grids.blocks import blocks_of
from climdiff.grids.grid import Grid
from climdiff.recipe.sampling import n_levels
from climdiff.recipe.schema import Recipe, Sample
from climdiff.samplers import ancestral, dpm_solver, heun
from climdiff.samplers.ancestral import Sampler
from climdiff.samplers.angular import angular
from climdiff.samplers.persistence import DAY, LONGEST, Persistence

FROM_ZERO = frozenset({"log1p", "square_root", "cube_root"})
"""Transforms for values from 0 up: what lies below becomes 0."""


@dataclass(frozen=True)
class Learned:
    """What training found out about drawing members.

    Attributes:
        ranges: Smallest and largest training value of each target.
        block_weights: Kind of mean by target whose coarse fields are block means, from `data.conservation`.
        time_step: Time from one training date to the next [us]; None where they have no common step.
        half_lives: How long noise has to persist, by target [days]; empty where that was not asked for.
        unexplained: Variance given the predictors, by target, in network space; bundles of old do not have it.
        residuals: What a regression left over on training dates, network space (date, channel, y, x); NaN: missing.
    """

    ranges: Limits
    block_weights: Mapping[str, Weights]
    time_step: int | None
    half_lives: Mapping[str, float] = field(default_factory=dict)
    unexplained: Mapping[str, float] = field(default_factory=dict)
    residuals: Tensor | None = None


def sampling(recipe: Recipe, chain: Chain, limits: Limits, persistence: Persistence | None = None) -> Sampling:
    """Return how members are drawn."""
    sample = recipe.sample
    return Sampling(
        sampler(sample),
        noise_levels(sample, chain),
        guidance=sample.guidance,
        guidance_interval=sample.guidance_interval,
        limits=limits,
        micro_batch=recipe.generate.micro_batch,
        persistence=persistence,
        spread=sample.spread,
    )


def sampler(sample: Sample) -> Sampler:
    """Return the sampler of a recipe, its options bound."""
    match sample.sampler:
        case "ddpm":
            return partial(ancestral.ddpm, variance=sample.variance)
        case "ddim":
            return partial(ancestral.ddim, eta=sample.eta)
        case "euler":
            return partial(heun.euler, churn=heun.Churn(sample.churn))
        case "heun":
            return partial(heun.heun, churn=heun.Churn(sample.churn))
        case "dpmpp_2m":
            return dpm_solver.dpmpp_2m
        case "dpmpp_2s":
            return dpm_solver.dpmpp_2s
        case "dpmpp_sde_2m":
            return dpm_solver.dpmpp_sde_2m
        case "angular":
            return angular
        case "one_step":
            return ancestral.ddim  # which takes its only estimate for the member


def noise_levels(sample: Sample, chain: Chain) -> Tensor:
    """Return the noise levels that the sampler of a recipe visits, down to 0.

    Raises:
        RecipeError: CD-037, levels that do not fall because the chain's own range is narrower, levels outside it, or a
            guidance interval that holds none of them.
    """
    found = _spaced(sample, chain)
    low, high = float(chain.sigma[1]), float(chain.sigma[-1])
    if not bool((found[1:] < found[:-1]).all()):
        what = f"noise levels {sample.sigma_min:g} to {sample.sigma_max:g} on a chain that has {low:.3g} to {high:.3g}"
        fix = "choose sigma_min and sigma_max inside the chain's range, or fewer steps"
        raise RecipeError(Problem(37, "sample", f"{what}: they do not fall", fix))
    # explicit levels only: the ends of all others are those of the chain or within
    if not (low * (1 - 1e-9) <= float(found[-2]) and float(found[0]) <= high * (1 + 1e-9)):
        what = f"noise levels {_shown(found)} reach beyond the chain's range, {low:.3g} to {high:.3g}"
        raise RecipeError(Problem(37, "sample.levels", what, "choose levels inside it"))
    interval = sample.guidance_interval
    if interval is not None and not bool(((found[:-1] >= interval[0]) & (found[:-1] <= interval[1])).any()):
        what = f"none of the noise levels {_shown(found)} is in the interval {interval[0]:g} to {interval[1]:g}"
        raise RecipeError(Problem(37, "sample.guidance_interval", what, "choose levels that the sampler visits"))
    return found


def _shown(sigmas: Tensor) -> str:
    values = [f"{value:.3g}" for value in sigmas[:-1].tolist()]
    return ", ".join(values if len(values) <= 8 else [*values[:4], "...", *values[-3:]])


def _spaced(sample: Sample, chain: Chain) -> Tensor:
    if sample.sampler == "one_step":
        return torch.tensor([distillation.level(chain), 0.0], dtype=torch.float64)
    steps = n_levels(sample.sampler, sample.steps)
    match sample.levels or {"ddpm": "trailing", "angular": "angle"}.get(sample.sampler, "karras"):
        case "karras":
            return levels.karras(chain, steps, smallest=sample.sigma_min, largest=sample.sigma_max)
        case "angle":
            return levels.angle(chain, steps, smallest=sample.sigma_min, largest=sample.sigma_max)
        case "trailing":
            return levels.trailing(chain, steps)
        case "uniform":
            return levels.uniform(chain, steps)
        case given:
            return torch.tensor([*given, 0.0], dtype=torch.float64)


def persistence(recipe: Recipe, learned: Learned) -> Persistence | None:
    """Return how long noise persists, or None where it does not.

    Raises:
        RecipeError: CD-037, half-lives that were not fitted, dates without a common step, half-lives too long for it.
    """
    asked, key = recipe.sample.noise_half_life, "sample.noise_half_life"
    if asked is None:
        return None
    half_lives = learned.half_lives if asked == "fitted" else asked
    if not half_lives:
        what = "half-lives were not fitted when this model was trained"
        fix = f"climdiff train RECIPE {key}=fitted --resume fits them; or give days by target"
        raise RecipeError(Problem(37, key, what, fix))
    if learned.time_step is None:
        what = "the training dates have no common step that noise could persist over, or the bundle is too old to tell"
        fix = "set it to null; for an old bundle, `climdiff train RECIPE --resume` writes it anew"
        raise RecipeError(Problem(37, key, what, fix))
    steps = {name: half_lives.get(name, 0.0) * DAY / learned.time_step for name in recipe.data.targets}
    for name, length in steps.items():
        if length > LONGEST:
            what = f"{half_lives[name]:g} days of '{name}' are {length:.4g} steps of the data, more than {LONGEST:g}"
            raise RecipeError(Problem(37, key, what, f"give at most {LONGEST * learned.time_step / DAY:g} days"))
    return Persistence(learned.time_step, tuple(steps.values()))


def unexplained(encoder: Encoder, learned: Learned) -> Tensor:
    """Return the variance of each target given the predictors, in network space, (channel,); 1 where not known."""
    return torch.tensor([learned.unexplained.get(name, 1.0) for name in encoder.targets])


def shared(recipe: Recipe) -> tuple[str, ...]:
    """Return the targets that are predictors too."""
    return tuple(name for name in recipe.data.targets if name in recipe.data.predictors)


def conservation(
    recipe: Recipe,
    encoder: Encoder,
    coarse_grid: Grid,
    limits: Limits,
    attributes: Mapping[str, Mapping[str, Any]],
    weights: Mapping[str, Weights],
) -> Conservation | None:
    """Return what `sample.conserve` asks for, or None.

    Args:
        recipe: The recipe.
        encoder: Of the trained model.
        coarse_grid: Grid of the predictors.
        limits: From `limits`.
        attributes: Of the targets.
        weights: From `block_weights`, for the targets whose coarse fields were found to be block means.

    Raises:
        DataError: CD-020, coarse fields of the training data were no block means of the fine ones.
        RecipeError: CD-037, a transform for values from 0 up, on a variable that does not say it has none below.
    """
    if not recipe.sample.conserve:
        return None
    names = shared(recipe)
    unknown = [name for name in names if name not in weights]
    if unknown:
        what = f"coarse fields of {', '.join(unknown)} were no block means of the fine ones in the training data"
        raise DataError(Problem(20, "sample.conserve", what, "set sample.conserve to false"))
    positive = frozenset(name for name in names if attributes[name].get("lower_bound") == 0)
    for name in set(names) - positive:
        kinds = {step.name for step in recipe.transforms.targets.get(name, ())} & FROM_ZERO
        if kinds:
            what = f"{', '.join(sorted(kinds))} of '{name}' is for values from 0 up, and the catalog does not say so"
            fix = f"add `lower_bound: 0` to variable '{name}' in the catalog and train again"
            raise RecipeError(Problem(37, "sample.conserve", what, fix))
    blocks = blocks_of(coarse_grid, encoder.grid)
    chosen = {name: blocks.plain() if weights[name] == "plain" else blocks for name in names}
    return Conservation(encoder, chosen, {name: limits[name] for name in names}, positive)
