"""The neural methods: for each its network, what teaches it and how it draws members; one explicit choice by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, NamedTuple, TypeGuard

import numpy as np
import torch
from torch import nn

from climdiff import build, drawing
from climdiff.data.conservation import Conservation
from climdiff.data.encoder import Encoder
from climdiff.diffusion import levels, objective
from climdiff.diffusion.first_guess import FirstGuess, SecondStage
from climdiff.downscalers.diffusion import DiffusionDownscaler, Sampling
from climdiff.downscalers.one_evaluation import Drawing, OneEvaluation
from climdiff.drawing import Learned
from climdiff.errors import Problem, RecipeError
from climdiff.grids.grid import Grid
from climdiff.objectives.adversarial import Adversarial
from climdiff.objectives.regression import Regression
from climdiff.objectives.scored import Scored
from climdiff.objectives.variational import Bound
from climdiff.recipe.schema import Recipe
from climdiff.samplers.dpm_solver import dpmpp_2m
from climdiff.training.loop import Objective

LARGEST, N_LEVELS = 1.25, 10
"""Of the validation ensemble: as the recipe's keys `sample.largest` and `sample.steps`."""

DRAWN_BY_ALL = ("largest", "conserve")
"""Keys of `sample` that mean something to every method; the others are of diffusion."""
TWINS = ("unet", "dressed_unet")
"""Methods that are one and the same training; they differ in how members are drawn."""

Neural = DiffusionDownscaler | OneEvaluation


@dataclass(frozen=True)
class Parts:
    """What objective and downscaler are made of beside the network; `attributes` are those of the targets."""

    encoder: Encoder
    coarse_grid: Grid
    attributes: Mapping[str, Mapping[str, Any]]
    learned: Learned
    dtype: torch.dtype
    first_guess: FirstGuess | None = None


class Method(NamedTuple):
    """One way to make members.

    Attributes:
        network: The untrained network.
        objective: What teaches it.
        downscaler: How it draws members, as the recipe says.
        validating: How it draws those of validation: one way, whatever `sample` says, which may change after training.
    """

    network: Callable[[Recipe, Encoder], nn.Module]
    objective: Callable[[Recipe, nn.Module, Parts], Objective]
    downscaler: Callable[[Recipe, nn.Module, Parts], Neural]
    validating: Callable[[Recipe, nn.Module, Parts], Neural]


def method(recipe: Recipe) -> Method:
    """Return the method of a recipe."""
    match recipe.model.method:
        case "diffusion":
            return Method(_denoiser, _denoising, _sampled, _sampled_for_validation)
        case "unet" | "dressed_unet":
            return Method(_noiseless, _regression, _one_evaluation, _one_evaluation_for_validation)
        case "crps":
            return Method(_noise_fed, _scored, _one_evaluation, _one_evaluation_for_validation)
        case "vae":
            return Method(_autoencoder, _bound, _one_evaluation, _one_evaluation_for_validation)
        case "gan":
            return Method(_noise_fed, _adversarial, _one_evaluation, _one_evaluation_for_validation)


def as_trained(recipe: Recipe) -> Recipe:
    """Return the recipe of the training that this one shares; most share none and are returned as they are."""
    if recipe.model.method not in TWINS:
        return recipe
    return recipe.model_copy(update={"model": recipe.model.model_copy(update={"method": TWINS[0]})})


def instead(recipe: Recipe, method: str) -> Recipe:
    """Return the recipe, budget and all, with another method and in one stage."""
    model = recipe.model.model_copy(update={"method": method})
    return recipe.model_copy(update={"model": model, "first_guess": None})


def first_guess(recipe: Recipe, encoder: Encoder) -> FirstGuess:
    """Return the untrained first guess of a recipe that has one."""
    network = build.noise_fed(recipe, encoder.n_condition, encoder.n_target, 0)
    return FirstGuess(network, encoder.n_target)


def count(recipe: Recipe, wanted: int) -> int:
    """Return how many members an ensemble of `wanted` ones has: a regression makes one."""
    return 1 if recipe.model.method == "unet" else wanted


def asked(recipe: Recipe, members: int | Sequence[int], seed: int) -> list[int]:
    """Return the numbers of the members asked for: so many, or those given.

    Raises:
        RecipeError: CD-037, what is asked for is no count or list of distinct numbers from 0 on, a regression's second
            member, or a seed that is no number from 0 on.
    """
    if _is_number(members):
        members = range(members)
    is_list = isinstance(members, Sequence | np.ndarray) and not isinstance(members, str)
    numbers: list[Any] = list(members) if is_list else []  # type: ignore[arg-type]
    if not numbers or not all(map(_is_number, numbers)) or min(numbers) < 0 or len(set(numbers)) < len(numbers):
        what = f"got {members!r}, expected how many, or a list of different numbers from 0 on"
        raise RecipeError(Problem(37, "members", what, "ask for members=16, or members=[17]"))
    if max(numbers) >= 2**31 or not _is_number(seed) or not 0 <= seed < 2**63:
        what = f"members up to {max(numbers)} and seed {seed!r}"
        raise RecipeError(
            Problem(37, "members and seed", what, "give members below 2^31 and a seed from 0 to 2^63 - 1")
        )
    if len(numbers) > count(recipe, len(numbers)):
        what = f"{len(numbers)} members of '{recipe.model.method}', which makes one field for a date"
        raise RecipeError(Problem(37, "members", what, "ask for one, or train with another model.method"))
    return [int(number) for number in numbers]


def _is_number(value: object) -> TypeGuard[int]:
    return isinstance(value, Integral) and not isinstance(value, bool)


def drawn(recipe: Recipe) -> dict[str, Any]:
    """Return the keys of `sample` that make a member, with their values."""
    sample = recipe.sample.model_dump(mode="json")
    return sample if recipe.model.method == "diffusion" else {key: sample[key] for key in DRAWN_BY_ALL}


def idle(recipe: Recipe) -> list[str]:
    """Return the keys of `sample` that were set and mean nothing to the method."""
    meaningful, default = drawn(recipe), type(recipe.sample)()
    return [
        f"sample.{key}"
        for key in type(recipe.sample).model_fields
        if key not in meaningful and getattr(recipe.sample, key) != getattr(default, key)
    ]


def refuse_idle(recipe: Recipe, overrides: Sequence[str]) -> None:
    """Refuse overrides of `sample` that mean nothing to the method (CD-037)."""
    meaningful = [f"sample.{key}" for key in drawn(recipe)]
    keys = [text.partition("=")[0].strip() for text in overrides]
    problems = [
        Problem(
            37,
            key,
            f"means nothing to '{recipe.model.method}', which draws a member in one evaluation",
            f"remove it; {' and '.join(meaningful)} are what can be set",
        )
        for key in keys
        if key.startswith("sample.") and key not in meaningful
    ]
    if problems:
        raise RecipeError(*problems)


def _denoiser(recipe: Recipe, encoder: Encoder) -> nn.Module:
    guess = encoder.n_target if recipe.first_guess else 0
    return build.denoiser(recipe, encoder.n_condition + guess, encoder.n_target)


def _noiseless(recipe: Recipe, encoder: Encoder) -> nn.Module:
    return build.noise_fed(recipe, encoder.n_condition, encoder.n_target, 0)


def _noise_fed(recipe: Recipe, encoder: Encoder) -> nn.Module:
    return build.noise_fed(recipe, encoder.n_condition, encoder.n_target, encoder.n_target)


def _autoencoder(recipe: Recipe, encoder: Encoder) -> nn.Module:
    return build.autoencoder(recipe, encoder.n_condition, encoder.n_target)


def _denoising(recipe: Recipe, network: Any, parts: Parts) -> Objective:
    weighting, dropout = recipe.diffusion.weighting, recipe.train.condition_dropout
    plain = objective.Objective(network, weighting, dropout, parts.dtype)
    return plain if parts.first_guess is None else SecondStage(plain, parts.first_guess, parts.dtype)


def _regression(recipe: Recipe, network: Any, parts: Parts) -> Objective:
    return Regression(network, parts.dtype)


def _scored(recipe: Recipe, network: Any, parts: Parts) -> Objective:
    return Scored(network, parts.dtype)


def _bound(recipe: Recipe, network: Any, parts: Parts) -> Objective:
    return Bound(network, recipe.vae.beta, round(recipe.vae.warmup * recipe.train.steps), parts.dtype)


def _adversarial(recipe: Recipe, network: Any, parts: Parts) -> Objective:
    device = next(network.parameters()).device
    critic = build.discriminator(recipe, parts.encoder.n_condition, parts.encoder.n_target).to(device)
    return Adversarial(network, critic, recipe.gan.content, recipe.gan.penalty, parts.dtype)


def _sampled(recipe: Recipe, network: Any, parts: Parts) -> Neural:
    limits = build.limits(parts.learned.ranges, parts.attributes, recipe.sample.largest)
    sampling = drawing.sampling(recipe, network.chain, limits, drawing.persistence(recipe, parts.learned))
    kept = conservation(recipe, parts)
    told = drawing.unexplained(parts.encoder, parts.learned)
    grid, regrid = parts.coarse_grid, recipe.data.regrid
    found = DiffusionDownscaler(network, parts.encoder, grid, regrid, sampling, parts.dtype, kept)
    return found.changed(unexplained=told, first_guess=parts.first_guess)


def _sampled_for_validation(recipe: Recipe, network: Any, parts: Parts) -> Neural:
    limits = build.limits(parts.learned.ranges, parts.attributes, LARGEST)
    noise_levels, micro_batch = levels.karras(build.chain(recipe), N_LEVELS), recipe.generate.micro_batch
    sampling = Sampling(dpmpp_2m, noise_levels, limits=limits, micro_batch=micro_batch)
    found = DiffusionDownscaler(network, parts.encoder, parts.coarse_grid, recipe.data.regrid, sampling, parts.dtype)
    return found.changed(first_guess=parts.first_guess)


def _one_evaluation(recipe: Recipe, network: Any, parts: Parts) -> Neural:
    limits = build.limits(parts.learned.ranges, parts.attributes, recipe.sample.largest)
    sampling = Drawing(limits, recipe.generate.micro_batch)
    residuals = parts.learned.residuals if recipe.model.method == "dressed_unet" else None
    kept = conservation(recipe, parts)
    grid, regrid = parts.coarse_grid, recipe.data.regrid
    return OneEvaluation(network, parts.encoder, grid, regrid, sampling, parts.dtype, kept, residuals)


def _one_evaluation_for_validation(recipe: Recipe, network: Any, parts: Parts) -> Neural:
    sampling = Drawing(build.limits(parts.learned.ranges, parts.attributes, LARGEST), recipe.generate.micro_batch)
    return OneEvaluation(network, parts.encoder, parts.coarse_grid, recipe.data.regrid, sampling, parts.dtype)


def conservation(recipe: Recipe, parts: Parts) -> Conservation | None:
    """Return what `sample.conserve` asks for, or None; raises as `drawing.conservation`."""
    limits = build.limits(parts.learned.ranges, parts.attributes, recipe.sample.largest)
    found = parts.encoder, parts.coarse_grid, limits, parts.attributes, parts.learned.block_weights
    return drawing.conservation(recipe, *found)
