"""From a recipe to objects: data, transforms and networks by their names in YAML.

Names of samplers lead to functions in `drawing`, of neural methods in `methods`, of baselines in `ladder`.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

import numpy as np
import torch
import xarray as xr

from climdiff.catalog.entries import open_part
from climdiff.data.batches import Batches
from climdiff.data.encoder import Encoder, fit_encoder
from climdiff.data.missing import apply_missing_policy
from climdiff.data.pairs import Pairs, align
from climdiff.data.split import split_periods
from climdiff.diffusion import schedules
from climdiff.diffusion.denoiser import Denoiser
from climdiff.diffusion.process import Chain
from climdiff.errors import Problem, RecipeError
from climdiff.networks.autoencoder import Autoencoder
from climdiff.networks.autoencoder import Encoder as LatentEncoder
from climdiff.networks.discriminator import Discriminator
from climdiff.networks.noise_fed import NoiseFed
from climdiff.networks.unet import Architecture, UNet, architecture
from climdiff.recipe.schema import Recipe
from climdiff.recipe.steps import Step
from climdiff.training.loop import Settings
from climdiff.training.optimizer import Method
from climdiff.transforms.pipeline import Pipeline, Transform
from climdiff.transforms.precipitation import CubeRoot, Log1p, SquareRoot, WetDay
from climdiff.transforms.residual import Residual
from climdiff.transforms.scaling import Standardize

HELD_BYTES = 2**30
"""A data set up to this size [bytes] is read once and kept in memory; larger ones are read block by block."""

DIRECTIONAL = ("eastward", "northward", "x_wind", "y_wind", "direction")
SPLITS = ("train", "validation", "test")
Limits = Mapping[str, tuple[float, float]]


def open_splits(recipe: Recipe, wanted: Iterable[str] = SPLITS) -> dict[str, Pairs]:
    """Return the pairs of each split wanted: opened, checked, aligned, and free of missing values or masked.

    Raises:
        RecipeError: names the data do not have (CD-036, CD-037), periods that do not fit them (CD-043).
        DataError: everything found wrong with the data.
    """
    data, wanted = recipe.data, tuple(wanted)
    selections = {name: getattr(data.split, name) for name in SPLITS}
    subsets = {name: subset for name, subset in selections.items() if isinstance(subset, str)}
    periods = {name: span for name, span in selections.items() if not isinstance(span, str)}
    found = {name: _open_pairs(recipe, subset) for name, subset in subsets.items() if name in wanted}
    if set(periods) & set(wanted):
        found |= split_periods(_open_pairs(recipe, None), periods, data.embargo_days, "data.split")
    _refuse_shared_times({name: found[name] for name in wanted}, subsets)
    return {name: apply_missing_policy(_held(found[name]), data.on_missing) for name in wanted}


def _open_pairs(recipe: Recipe, subset: str | None) -> Pairs:
    data = recipe.data
    options = dict(data.options)
    coarse = open_part(data.coarse, subset, options)
    fine = chosen(open_part(data.fine, subset, options), data.targets, "data.targets", data.fine)
    chosen(coarse, data.predictors, "data.predictors", data.coarse)
    also = [name for name in data.targets if name in coarse.data_vars and name not in data.predictors]
    coarse = coarse[[*data.predictors, *also]]
    for key in ("flips", "transposes"):
        if getattr(recipe.train, key):
            _refuse_directions(coarse, key)
            _refuse_directions(fine, key)
    static = None
    if data.static is not None and data.statics:
        static = chosen(open_part(data.static, None, options), data.statics, "data.statics", data.static)
    return align(coarse, fine, static, data.regrid, (data.coarse, data.fine))


def _refuse_directions(values: xr.Dataset, key: str) -> None:
    names = {name: str(field.attrs.get("standard_name", "")) for name, field in values.data_vars.items()}
    found = [f"'{name}' ({kind})" for name, kind in names.items() if any(word in kind for word in DIRECTIONAL)]
    if found:
        what = f"{key} would turn the wind: {', '.join(found)}"
        raise RecipeError(Problem(37, f"train.{key}", what, f"set train.{key} to false"))


def _refuse_shared_times(found: Mapping[str, Pairs], subsets: Mapping[str, str]) -> None:
    """Refuse splits that share dates; distinct subsets of a data set are its author's split and may (other places)."""
    problems = []
    for one, other in itertools.combinations(found, 2):
        if one in subsets and other in subsets and subsets[one] != subsets[other]:
            continue
        shared = np.intersect1d(found[one].times.values, found[other].times.values)
        if shared.size:
            what = f"'{one}' and '{other}' share {shared.size} dates, {shared[0]} to {shared[-1]}"
            problems.append(Problem(43, "data.split", what, "give every date to one split only"))
    if problems:
        raise RecipeError(*problems)


def _held(pairs: Pairs) -> Pairs:
    coarse = pairs.coarse.load(scheduler="synchronous") if pairs.coarse.nbytes <= HELD_BYTES else pairs.coarse
    if pairs.fine is None or pairs.fine.nbytes > HELD_BYTES:
        return replace(pairs, coarse=coarse)
    fine = pairs.fine.load(scheduler="synchronous")
    for field in fine.data_vars.values():
        field.encoding.pop("preferred_chunks", None)  # the store is not read again
    return replace(pairs, coarse=coarse, fine=fine)


def chosen(values: xr.Dataset, names: Iterable[str], key: str, where: str) -> xr.Dataset:
    """Return the variables `names`, which the recipe's `key` wants of the data `where`, or refuse (CD-036)."""
    known = [str(name) for name in values.data_vars]
    problems = []
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            fix = f"did you mean '{near[0]}'" if near else f"choose from {', '.join(known)}"
            what = f"no variable '{name}', which {key} names; it has {', '.join(known)}"
            problems.append(Problem(36, where, what, fix))
    if problems:
        raise RecipeError(*problems)
    return values[list(names)]


def transform(step: Step) -> Transform:
    """Return the transform a recipe calls `step.name`."""
    match step.name:
        case "standardize":
            return Standardize(per_cell=step.options["per"] == "cell")
        case "log1p":
            return Log1p(**step.options)
        case "square_root":
            return SquareRoot()
        case "cube_root":
            return CubeRoot()
        case "wet_day":
            return WetDay(**step.options)
        case "residual":
            return Residual()
        case unknown:
            raise AssertionError(f"the recipe let an unknown step through: {unknown}")


def pipeline(steps: Mapping[str, tuple[Step, ...]], variables: Iterable[str]) -> Pipeline:
    """Return the transforms of `variables`; those that `steps` does not name are standardized."""
    return Pipeline(
        {name: tuple(map(transform, steps[name])) if name in steps else (Standardize(),) for name in variables}
    )


def pipelines(recipe: Recipe) -> tuple[Pipeline, Pipeline]:
    """Return the transforms of targets and of predictors."""
    targets = pipeline(recipe.transforms.targets, recipe.data.targets)
    return targets, pipeline(recipe.transforms.predictors, recipe.data.predictors)


def encoder(recipe: Recipe, train: Pairs) -> Encoder:
    """Return the encoder fitted on the training pairs."""
    return fit_encoder(
        train,
        *pipelines(recipe),
        targets=recipe.data.targets,
        predictors=recipe.data.predictors,
        calendar=recipe.data.calendar,
        position=recipe.data.position,
    )


def limits(
    found: Limits, attributes: Mapping[str, Mapping[str, Any]], largest: float
) -> dict[str, tuple[float, float]]:
    """Return the physical range a member may have, per target.

    It reaches (largest - 1) times the training range beyond the training values, and never beyond the bounds the
    variable has by nature. For rain, whose least value is 0, the upper end is `largest` times the largest one.

    Args:
        found: Smallest and largest training values.
        attributes: `lower_bound` and `upper_bound` by target, where there are any.
        largest: `sample.largest` of the recipe.
    """
    limited = {}
    for name, (low, high) in found.items():
        margin = (largest - 1) * (high - low)
        lowest = attributes[name].get("lower_bound", -np.inf)
        highest = attributes[name].get("upper_bound", np.inf)
        limited[name] = float(max(low - margin, lowest)), float(min(high + margin, highest))
    return limited


def chain(recipe: Recipe) -> Chain:
    """Return the process of the recipe."""
    n_steps = recipe.diffusion.n_steps
    match recipe.diffusion.schedule:
        case "linear":
            found = schedules.linear(n_steps)
        case "cosine":
            found = schedules.cosine(n_steps)
        case "sigmoid":
            found = schedules.sigmoid(n_steps)
        case "edm":
            found = schedules.edm(n_steps)
        case "log_linear":
            found = schedules.log_linear(n_steps)
    return schedules.zero_terminal(found) if recipe.diffusion.zero_terminal else found


def denoiser(recipe: Recipe, n_condition: int, n_target: int) -> Denoiser:
    """Return the untrained denoiser; its weights are a pure function of the recipe's seed."""
    with _seeded(recipe):
        network = UNet(n_target + n_condition + 1, n_target, network_shape(recipe))
    return Denoiser(network, chain(recipe), recipe.diffusion.prediction)


def noise_fed(recipe: Recipe, n_condition: int, n_target: int, noise_channels: int) -> NoiseFed:
    """Return the untrained network that makes a field in one evaluation; weights as in `denoiser`."""
    with _seeded(recipe):
        return NoiseFed(UNet(noise_channels + n_condition, n_target, network_shape(recipe)), noise_channels)


def autoencoder(recipe: Recipe, n_condition: int, n_target: int) -> Autoencoder:
    """Return the untrained autoencoder; weights as in `denoiser`."""
    shape, channels = network_shape(recipe), recipe.vae.latent_channels
    with _seeded(recipe):
        encoder = LatentEncoder(n_target + n_condition, channels, shape)
        return Autoencoder(encoder, UNet(channels + n_condition, n_target, shape), channels, n_target)


def discriminator(recipe: Recipe, n_condition: int, n_target: int) -> Discriminator:
    """Return the untrained critic, as wide as the U-Net; weights as in `denoiser`."""
    with _seeded(recipe):
        return Discriminator(n_target + n_condition, network_shape(recipe).widths)


@contextmanager
def _seeded(recipe: Recipe) -> Iterator[None]:
    """Draw initial weights from the recipe's seed, and leave the global generator as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        yield


def network_shape(recipe: Recipe) -> Architecture:
    """Return the shape of the U-Net; `model.channels` scales all widths."""
    shape = architecture(recipe.model.size, recipe.model.stem, recipe.model.dropout)
    if recipe.model.channels is None:
        return shape
    widths = tuple(width * recipe.model.channels // shape.widths[0] for width in shape.widths)
    return replace(shape, widths=widths)


def batches(recipe: Recipe, train: Pairs, encoder: Encoder) -> Batches:
    """Return what a network is trained on."""
    names = ("batch_size", "flips", "transposes", "buffer_times", "workers")
    return Batches(train, encoder, seed=recipe.seed, **{name: getattr(recipe.train, name) for name in names})


def settings(recipe: Recipe) -> Settings:
    """Return how to train."""
    train = recipe.train
    names = (field.name for field in dataclasses.fields(Settings) if field.name not in ("seed", "others"))
    others: tuple[Method, float] | None = ("adamw", recipe.gan.learning_rate) if recipe.model.method == "gan" else None
    return Settings(**{name: getattr(train, name) for name in names}, seed=recipe.seed, others=others)
