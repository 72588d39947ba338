"""From a recipe to how members are drawn: sampler, noise levels, conservation."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from climdiff.build import Limits
from climdiff.data.conservation import Conservation, Weights
from climdiff.data.encoder import Encoder
from climdiff.diffusion import levels
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


def sampling(recipe: Recipe, chain: Chain, limits: Limits) -> Sampling:
    """Return how members are drawn."""
    sample = recipe.sample
    return Sampling(
        sampler(sample),
        noise_levels(sample, chain),
        guidance=sample.guidance,
        guidance_interval=sample.guidance_interval,
        limits=limits,
        micro_batch=recipe.generate.micro_batch,
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


def noise_levels(sample: Sample, chain: Chain) -> Tensor:
    """Return the noise levels that the sampler of a recipe visits, down to 0.

    Raises:
        RecipeError: CD-037, levels that do not fall because the chain's own range is narrower, or a guidance interval
            that holds none of them.
    """
    found = _spaced(sample, chain)
    low, high = float(chain.sigma[1]), float(chain.sigma[-1])
    if not bool((found[1:] < found[:-1]).all()):
        what = f"noise levels {sample.sigma_min:g} to {sample.sigma_max:g} on a chain that has {low:.3g} to {high:.3g}"
        fix = "choose sigma_min and sigma_max inside the chain's range, or fewer steps"
        raise RecipeError(Problem(37, "sample", f"{what}: they do not fall", fix))
    interval = sample.guidance_interval
    if interval is not None and not bool(((found[:-1] >= interval[0]) & (found[:-1] <= interval[1])).any()):
        what = f"none of the noise levels {_shown(found)} is in the interval {interval[0]:g} to {interval[1]:g}"
        raise RecipeError(Problem(37, "sample.guidance_interval", what, "choose levels that the sampler visits"))
    return found


def _shown(sigmas: Tensor) -> str:
    values = [f"{value:.3g}" for value in sigmas[:-1].tolist()]
    return ", ".join(values if len(values) <= 8 else [*values[:4], "...", *values[-3:]])


def _spaced(sample: Sample, chain: Chain) -> Tensor:
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
        kinds = {step.name for step in recipe.transforms.targets.get(name, ())} & {"log1p", "square_root"}
        if kinds:
            what = f"{', '.join(kinds)} of '{name}' is for values from 0 up, and the catalog does not say so"
            fix = f"add `lower_bound: 0` to variable '{name}' in the catalog and train again"
            raise RecipeError(Problem(37, "sample.conserve", what, fix))
    blocks = blocks_of(coarse_grid, encoder.grid)
    chosen = {name: blocks.plain() if weights[name] == "plain" else blocks for name in names}
    return Conservation(encoder, chosen, {name: limits[name] for name in names}, positive)
