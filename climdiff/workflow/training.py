"""Recipe in, bundle out: opens the data, fits the transforms, trains, and keeps the best network."""

from __future__ import annotations

import fcntl
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from climdiff import build, bundle, drawing
from climdiff.data.batches import Batches
from climdiff.data.conservation import Conservation, Weights, block_weights
from climdiff.data.encoder import Encoder
from climdiff.data.pairs import Pairs
from climdiff.data.times import common_step
from climdiff.diffusion import levels
from climdiff.diffusion.denoiser import Denoiser
from climdiff.diffusion.objective import Objective
from climdiff.downscalers.diffusion import DiffusionDownscaler, Sampling
from climdiff.drawing import Learned
from climdiff.errors import DataError, MismatchError, Problem
from climdiff.networks.precision import compute_dtype, device
from climdiff.recipe.fingerprint import difference, fingerprint
from climdiff.recipe.load import parse
from climdiff.recipe.schema import Recipe
from climdiff.samplers.dpm_solver import dpmpp_2m
from climdiff.training import checkpoint
from climdiff.training.loop import Progress, Run
from climdiff.training.loop import train as train_run
from climdiff.verification.probabilistic import crps_fair
from climdiff.workflow import residuals

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
    validate = _Validation(recipe, splits["validation"], encoder, ranges, dtype)
    batches = Batches(
        pairs,
        encoder,
        recipe.train.batch_size,
        recipe.seed,
        flips=recipe.train.flips,
        transposes=recipe.train.transposes,
        buffer_times=recipe.train.buffer_times,
        workers=recipe.train.workers,
    )
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


class _Validation:
    """Scores a network by a small ensemble on fixed validation times: fair CRPS relative to the interpolated field.

    Members are drawn in one and the same way, whatever the recipe's `sample` says: that may change after training.
    """

    def __init__(
        self, recipe: Recipe, pairs: Pairs, encoder: Encoder, ranges: build.Limits, dtype: torch.dtype
    ) -> None:
        n_times = min(recipe.train.validation_times, pairs.n_times)
        index = np.unique(np.linspace(0, pairs.n_times - 1, n_times).round().astype(int))
        self.recipe, self.encoder, self.dtype = recipe, encoder, dtype
        self.coarse_grid, self.method = pairs.coarse_grid, pairs.method
        attributes = _attributes(pairs, encoder.targets)
        sigmas = levels.karras(build.chain(recipe), N_LEVELS)
        self.sampling = Sampling(dpmpp_2m, sigmas, limits=build.limits(ranges, attributes, LARGEST))
        self.coarse, self.guess, self.truth = pairs.select(index).coarse, pairs.guess(index), pairs.truth(index)
        self.condition = encoder.condition(self.guess)
        self.references = {name: self._reference(name) for name in encoder.targets}

    def _reference(self, name: str) -> float:
        """Return the mean absolute error of the interpolated field, or of the mean truth where there is none."""
        truth = self.truth[name].values
        guess = self.guess[name].values if name in self.guess else np.nanmean(truth, axis=0)
        error = float(np.nanmean(np.abs(guess - truth)))
        if not error > 0:
            what = f"variable '{name}' of the validation times is the same everywhere: nothing to score"
            raise DataError(Problem(34, "data.split.validation", what, "choose a longer validation period"))
        return error

    def __call__(self, network: nn.Module) -> Mapping[str, float]:
        """Return `crps_fair_<target>` and their mean ratio to the reference, `score`."""
        assert isinstance(network, Denoiser)
        downscaler = DiffusionDownscaler(
            network, self.encoder, self.coarse_grid, self.method, self.sampling, self.dtype
        )
        members = range(self.recipe.train.validation_members)
        fields = downscaler.sample(self.condition, self.guess, self.coarse, members, self.recipe.seed)
        drawn = self.encoder.to_dataset(fields, self.guess)
        numbers, ratios = {}, []
        for name in self.encoder.targets:
            truth = self.truth[name].values
            numbers[f"crps_fair_{name}"] = float(np.nanmean(crps_fair(drawn[name].values, truth)))
            ratios.append(numbers[f"crps_fair_{name}"] / self.references[name])
        score = float(np.mean(ratios))
        if not np.isfinite(score):
            what = f"the validation ensemble scores {numbers}"
            raise DataError(Problem(61, "validation", what, "lower train.learning_rate, or check data.on_missing"))
        return {**numbers, "score": score}


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
