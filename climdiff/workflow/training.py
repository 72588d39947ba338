"""Recipe in, bundle out: opens the data, fits the transforms, trains, and keeps the best network."""

from __future__ import annotations

import fcntl
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from climdiff import build, bundle, drawing
from climdiff.data.conservation import Conservation, Weights, block_weights
from climdiff.data.encoder import Encoder
from climdiff.data.pairs import Pairs
from climdiff.data.times import common_step
from climdiff.diffusion import levels
from climdiff.diffusion.denoiser import Denoiser
from climdiff.diffusion.objective import Objective
from climdiff.downscalers.diffusion import DiffusionDownscaler, Sampling
from climdiff.drawing import Learned
from climdiff.errors import DataError, MismatchError, Problem, RecipeError
from climdiff.networks.precision import compute_dtype, device
from climdiff.recipe.fingerprint import difference, fingerprint
from climdiff.recipe.load import parse
from climdiff.recipe.schema import Recipe
from climdiff.samplers.dpm_solver import dpmpp_2m
from climdiff.training import checkpoint
from climdiff.training.loop import Progress, Run
from climdiff.training.loop import train as train_run
from climdiff.workflow import residuals
from climdiff.workflow.validation import Validation

logger = logging.getLogger(__name__)

LARGEST, N_LEVELS = 1.25, 10
"""Of the validation ensemble: as the recipe's keys `sample.largest` and `sample.steps`."""
FITTED = "fitted"
"""Of `sample.noise_half_life`."""
SECTIONS = ("seed", "data", "transforms", "model", "diffusion", "train")
"""Sections of a recipe that make a training what it is."""


def is_trained(folder: Path, recipe: Recipe) -> bool:
    """Return whether `folder` holds the bundle of exactly this training."""
    file = folder / "bundle" / "recipe.json"
    if not file.is_file():
        return False
    trained = parse(file.read_text(), str(file))
    is_fitted = trained.sample.noise_half_life == FITTED or recipe.sample.noise_half_life != FITTED
    return is_fitted and not difference(trained, recipe, *SECTIONS)


def train(
    recipe: Recipe,
    folder: Path,
    *,
    resume: bool = False,
    say: Callable[[str], None] = lambda line: None,
    on_step: Callable[[Progress], None] = lambda progress: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Path:
    """Train the model of a recipe and return its bundle.

    Args:
        recipe: What to train.
        folder: The run's folder, `runs/<name>`.
        resume: Continue from the last checkpoint in `folder`; without, a folder that has one is refused.
        say: Takes lines for the user.
        on_step: Called after every optimizer step.
        should_stop: Asked after every step; when true, a checkpoint is saved and training stops (CD-060).

    Raises:
        ClimdiffError: whatever is wrong with recipe, data or checkpoints, before the first step.
    """
    _last_checkpoint(folder, recipe, resume)
    splits = build.open_splits(recipe, ("train", "validation"))
    pairs = splits["train"]
    say(f"data: {pairs.n_times} training times, {splits['validation'].n_times} for validation")
    encoder = build.encoder(recipe, pairs)
    ranges = build.ranges(pairs, recipe.data.targets)
    learned = Learned(ranges, _block_weights(recipe, pairs), common_step(pairs.times))
    _refuse_undrawable(recipe, pairs, encoder, learned)
    denoiser = build.denoiser(recipe, encoder.n_condition, encoder.n_target).to(device())
    dtype = compute_dtype(recipe.train.precision, device())
    objective = Objective(denoiser, recipe.diffusion.weighting, recipe.train.condition_dropout, dtype)
    run = Run(objective, build.settings(recipe), {"recipe": fingerprint(recipe, *SECTIONS)})
    validate = Validation(
        recipe, splits["validation"], encoder, dtype, _validating(recipe, splits["validation"], ranges)
    )
    batches = build.batches(recipe, pairs, encoder)
    n_weights = sum(parameter.numel() for parameter in denoiser.parameters())
    say(f"network: {n_weights:,} weights, {str(dtype).removeprefix('torch.')} on {_machine()}")
    with _alone(folder):
        # once more: another training may have ended here meanwhile
        saved = _last_checkpoint(folder, recipe, resume)
        if saved is not None:
            run.restore(saved)
            say(f"resuming at step {run.step} of {recipe.train.steps}")
        else:
            (folder / "recipe.json").write_text(recipe.model_dump_json(indent=1))
        train_run(run, batches, folder, validate, on_step, should_stop)
        chosen = checkpoint.best(checkpoint.complete(folder / "checkpoints"))
        assert chosen is not None
        facts = {"steps": run.step, "best_step": chosen.step, "validation_score": chosen.score, "weights": n_weights}
        weights = checkpoint.load(chosen, "average")
        denoiser.load_state_dict(weights)
        downscaler = _downscaler(recipe, pairs, encoder, denoiser, dtype, learned)
        learned = replace(learned, unexplained=residuals.variances(downscaler, pairs, recipe.seed))
        if recipe.sample.noise_half_life == FITTED:
            say("fitting how long noise persists")
            learned = replace(learned, half_lives=residuals.fit(downscaler, pairs, recipe.seed))
            say(", ".join(f"half-life of '{name}': {days:.2g} days" for name, days in learned.half_lives.items()))
        bundle.save(folder / "bundle", recipe, pairs, encoder, weights, dtype, learned, facts)
    return folder / "bundle"


def _refuse_undrawable(recipe: Recipe, pairs: Pairs, encoder: Encoder, learned: Learned) -> None:
    """Refuse, before the first step, what the bundle could not be sampled with."""
    if recipe.sample.sampler == "one_step":
        what = "one_step is taught by a trained model"
        fix = "train with another sampler, run `climdiff distill RUN`, then draw with sample.sampler=one_step"
        raise RecipeError(Problem(37, "sample.sampler", what, fix))
    drawing.noise_levels(recipe.sample, build.chain(recipe))
    _conservation(recipe, pairs, encoder, learned)
    if recipe.sample.noise_half_life == FITTED:
        residuals.neighbors(pairs, residuals.OF_TRUTH)
    else:
        drawing.persistence(recipe, learned)


def _conservation(recipe: Recipe, pairs: Pairs, encoder: Encoder, learned: Learned) -> Conservation | None:
    attributes = _attributes(pairs, recipe.data.targets)
    limits = build.limits(learned.ranges, attributes, recipe.sample.largest)
    return drawing.conservation(recipe, encoder, pairs.coarse_grid, limits, attributes, learned.block_weights)


def _downscaler(
    recipe: Recipe, pairs: Pairs, encoder: Encoder, denoiser: Denoiser, dtype: torch.dtype, learned: Learned
) -> DiffusionDownscaler:
    limits = build.limits(learned.ranges, _attributes(pairs, recipe.data.targets), recipe.sample.largest)
    sampling = drawing.sampling(recipe, denoiser.chain, limits)
    kept = _conservation(recipe, pairs, encoder, learned)
    return DiffusionDownscaler(denoiser, encoder, pairs.coarse_grid, pairs.method, sampling, dtype, kept)


def _attributes(pairs: Pairs, targets: Iterable[str]) -> dict[str, dict[str, Any]]:
    assert pairs.fine is not None
    return {name: dict(pairs.fine[name].attrs) for name in targets}


def _block_weights(recipe: Recipe, pairs: Pairs) -> dict[str, Weights]:
    """Return how coarse fields are means of the fine ones; nothing where they are not and need not be."""
    try:
        return block_weights(pairs, drawing.shared(recipe))
    except DataError:
        if recipe.sample.conserve:
            raise
        return {}


def _validating(recipe: Recipe, pairs: Pairs, ranges: build.Limits) -> Sampling:
    """Return how validation members are drawn: one way, whatever `sample` says, which may change after training."""
    limits = build.limits(ranges, _attributes(pairs, recipe.data.targets), LARGEST)
    return Sampling(dpmpp_2m, levels.karras(build.chain(recipe), N_LEVELS), limits=limits)


def _machine() -> str:
    return f"{torch.get_num_threads()} threads" if device().type == "cpu" else torch.cuda.get_device_name()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the lock of a run's folder, so that two trainings do not write into it; it ends with the process."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            what = "another process is training in this folder"
            fix = "wait for it to end, or give the recipe another name"
            raise MismatchError(Problem(44, str(folder), what, fix)) from error
        except OSError as error:
            logger.warning("%s cannot be locked (%s): do not train twice in it", folder, error.strerror)
        checkpoint.sweep(folder / "checkpoints")
        yield


def _last_checkpoint(folder: Path, recipe: Recipe, resume: bool) -> checkpoint.Checkpoint | None:
    checkpoints = folder / "checkpoints"
    found = checkpoint.complete(checkpoints)
    if not resume:
        if found:
            what = f"holds a training that reached step {found[-1].step}"
            fix = "add --resume to go on, give the recipe another name, or remove the folder"
            changed = _changed(folder / "recipe.json", recipe)
            if changed:
                what += f" of another recipe ({'; '.join(changed)})"
                fix = "give the recipe another name, or remove the folder"
            raise MismatchError(Problem(44, str(folder), what, fix))
        return None
    if not found:
        what = "holds no checkpoint to resume from"
        raise MismatchError(Problem(46, str(folder), what, "check the name, or train without --resume"))
    changed = _changed(folder / "recipe.json", recipe)
    if changed:
        what = f"the recipe changed since this training began: {'; '.join(changed)}"
        fix = "restore these values, or give the recipe another name to train anew"
        raise MismatchError(Problem(45, str(folder), what, fix))
    return found[-1]


def _changed(file: Path, recipe: Recipe) -> list[str]:
    try:
        return difference(parse(file.read_text(), str(file)), recipe, *SECTIONS)
    except OSError as error:
        raise MismatchError(
            Problem(50, str(file), f"cannot be read ({error})", "restore it, or train under another name")
        ) from error
