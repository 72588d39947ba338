"""Recipe in, bundle out: opens the data, fits the transforms, trains, and keeps the best network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from climdiff import build, bundle, bundle_files, drawing, methods
from climdiff.data.conservation import Weights, block_weights
from climdiff.data.pairs import Pairs
from climdiff.data.times import common_step, evenly_spread
from climdiff.diffusion.first_guess import FirstGuess
from climdiff.downscalers.diffusion import DiffusionDownscaler
from climdiff.downscalers.one_evaluation import OneEvaluation
from climdiff.drawing import Learned
from climdiff.errors import DataError, MismatchError, Problem, RecipeError
from climdiff.methods import Neural, Parts
from climdiff.networks.precision import compute_dtype, device
from climdiff.recipe.fingerprint import difference, fingerprint
from climdiff.recipe.load import parse
from climdiff.recipe.schema import Recipe
from climdiff.training import checkpoint
from climdiff.training.loop import Progress, Run
from climdiff.training.loop import train as train_run
from climdiff.transforms.times import check_unseen
from climdiff.workflow import leaks, residuals
from climdiff.workflow.lock import alone
from climdiff.workflow.validation import Validation

FIRST_GUESS = "first_guess"
"""Below a run: the training of its first stage."""
FITTED = "fitted"
"""Of `sample.noise_half_life`."""
SECTIONS = ("seed", "data", "transforms", "model", "diffusion", "train")
"""Sections of a recipe that make a training what it is; `vae` and `gan` do for their own method."""
N_LOOKED_AT = 64
"""Training dates on which coarse fields are looked at for cells they never reach."""
OVERFITTED = 1.1
"""Ratio of the shares that a regression leaves over on validation and on training dates from which it is said."""


def is_trained(folder: Path, recipe: Recipe) -> bool:
    """Return whether `folder` holds the bundle of exactly this training."""
    return unlike(folder, recipe) == []


def unlike(folder: Path, recipe: Recipe) -> list[str] | None:
    """Return in which keys the training in `folder` is another one; None where it holds no bundle."""
    file = folder / "bundle" / "recipe.json"
    if not file.is_file():
        return None
    trained = parse(file.read_text(), str(file))
    kept = trained.sample.noise_half_life
    is_unfitted = recipe.sample.noise_half_life == FITTED != kept
    return _differences(trained, recipe) + is_unfitted * [f"sample.noise_half_life: {kept} -> {FITTED}"]


def ensure(
    recipe: Recipe,
    folder: Path,
    *,
    say: Callable[[str], None],
    on_step: Callable[[Progress], None],
    should_stop: Callable[[], bool],
) -> None:
    """Train unless exactly this training is done already; go on from the last checkpoint if there is one."""
    if is_trained(folder, recipe):
        say(f"{folder / 'bundle'} is trained already")
        return
    resume = bool(checkpoint.complete(folder / "checkpoints"))
    train(recipe, folder, resume=resume, say=say, on_step=on_step, should_stop=should_stop)


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
    found = leaks.digests(splits)
    problems = leaks.duplicates(found)
    if problems:
        raise DataError(*problems)
    for line in leaks.not_compared(found) + leaks.memory_lines(recipe, found["train"]):
        say(line)
    encoder = build.encoder(recipe, pairs)
    if not isinstance(recipe.data.split.validation, str):  # subsets may share dates and differ in place
        check_unseen(encoder.target_state, splits["validation"].times, "data.split.validation")
    ranges = {name: found["train"].ranges["fine", name] for name in recipe.data.targets}
    learned = Learned(ranges, _block_weights(recipe, pairs), common_step(pairs.times))
    dtype = compute_dtype(recipe.train.precision, device())
    parts = Parts(encoder, pairs.coarse_grid, _attributes(pairs, recipe.data.targets), learned, dtype)
    _refuse_undrawable(recipe, pairs, parts)
    identity = _identity(recipe)
    if recipe.first_guess is not None:
        first_guess, identity["first_guess"] = _first_guess(recipe, folder, say, on_step, should_stop)
        parts = replace(parts, first_guess=first_guess)
    method = methods.method(recipe)
    network = method.network(recipe, encoder).to(device())
    run = Run(method.objective(recipe, network, parts), build.settings(recipe), identity)
    validate = Validation(
        recipe, splits["validation"], encoder, lambda network: method.validating(recipe, network, parts)
    )
    batches = build.batches(recipe, pairs, encoder)
    n_weights = sum(parameter.numel() for parameter in network.parameters())
    say(f"network: {n_weights:,} weights, {str(dtype).removeprefix('torch.')} on {_machine()}")
    _say_idle(recipe, say)
    with alone(folder):
        checkpoint.sweep(folder / "checkpoints")
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
        network.load_state_dict(weights)
        downscaler = method.downscaler(_each_date_by_itself(recipe), network, parts)
        learned = _learned_further(recipe, downscaler, splits, learned, say)
        if (folder / "bundle" / bundle_files.CALIBRATION).exists():
            say(f"the calibration of the model before goes: climdiff calibrate {folder} makes it anew")
        bundle.save(folder / "bundle", recipe, pairs, encoder, weights, dtype, learned, facts, parts.first_guess)
    return folder / "bundle"


def _first_guess(
    recipe: Recipe,
    folder: Path,
    say: Callable[[str], None],
    on_step: Callable[[Progress], None],
    should_stop: Callable[[], bool],
) -> tuple[FirstGuess, str]:
    """Return the first guess and its hash; it is trained in `folder/first_guess` unless it is trained already."""
    assert recipe.first_guess is not None
    own, place = methods.instead(recipe, recipe.first_guess), folder / FIRST_GUESS
    say("first stage: a regression")
    ensure(own, place, say=say, on_step=on_step, should_stop=should_stop)
    say("second stage: diffusion of what the regression leaves over")
    dressed = own.model_copy(update={"model": own.model.model_copy(update={"method": "dressed_unet"})})
    model = bundle.load(place, dressed)
    assert isinstance(model.downscaler, OneEvaluation) and model.downscaler.residuals is not None
    guess = methods.first_guess(recipe, model.downscaler.encoder)
    guess.network.load_state_dict(model.downscaler.network.state_dict())
    guess.deviation.copy_(residuals.deviations(model.downscaler.residuals))
    return guess.to(device()), model.hash


def _identity(recipe: Recipe) -> dict[str, str]:
    recipe = methods.as_trained(recipe)
    return {"recipe": fingerprint(recipe, *_sections(recipe))}


def _sections(recipe: Recipe) -> tuple[str, ...]:
    own = (recipe.model.method,) if recipe.model.method in ("vae", "gan") else ()
    return (*SECTIONS, *own, *(("first_guess",) if recipe.first_guess else ()))


def _differences(one: Recipe, other: Recipe) -> list[str]:
    """Return in which keys two recipes are not the same training."""
    sections = dict.fromkeys([*_sections(one), *_sections(other)])
    return difference(methods.as_trained(one), methods.as_trained(other), *sections)


def _say_idle(recipe: Recipe, say: Callable[[str], None]) -> None:
    idle = methods.idle(recipe)
    if idle:
        say(f"'{recipe.model.method}' draws a member in one evaluation: nothing comes of {', '.join(idle)}")


def _each_date_by_itself(recipe: Recipe) -> Recipe:
    """Return the recipe whose noise does not persist: for how long it should is not known yet."""
    return recipe.model_copy(update={"sample": recipe.sample.model_copy(update={"noise_half_life": None})})


def _learned_further(
    recipe: Recipe, downscaler: Neural, splits: Mapping[str, Pairs], learned: Learned, say: Callable[[str], None]
) -> Learned:
    """Return what the trained network tells about drawing members, beside what was known before."""
    pairs = splits["train"]
    if isinstance(downscaler, DiffusionDownscaler):
        learned = replace(learned, unexplained=residuals.variances(downscaler, pairs, recipe.seed))
        if recipe.sample.noise_half_life == FITTED:
            say("fitting how long noise persists")
            learned = replace(learned, half_lives=residuals.fit(downscaler, pairs, recipe.seed))
            say(", ".join(f"half-life of '{name}': {days:.2g} days" for name, days in learned.half_lives.items()))
        return learned
    if recipe.model.method not in methods.TWINS:
        return learned
    left = residuals.kept(downscaler, pairs, recipe.seed)
    unseen = residuals.kept(downscaler, splits["validation"], recipe.seed)
    line = f"the regression leaves {left.share:.3g} of the squares of the truth on training dates"
    say(f"{line}, {unseen.share:.3g} on validation dates, in network space")
    if unseen.share > OVERFITTED * left.share:
        say(f"that is {unseen.share / left.share:.2f} times as much: the regression may know its training dates")
    return replace(learned, residuals=left.fields)


def _refuse_undrawable(recipe: Recipe, pairs: Pairs, parts: Parts) -> None:
    """Refuse, before the first step, what the bundle could not be sampled with."""
    methods.conservation(recipe, parts)
    _refuse_residuals_of_nothing(recipe, pairs)
    if recipe.model.method != "diffusion":
        return
    if recipe.sample.sampler == "one_step":
        what = "one_step is taught by a trained model"
        fix = "train with another sampler, run `climdiff distill RUN`, then draw with sample.sampler=one_step"
        raise RecipeError(Problem(37, "sample.sampler", what, fix))
    drawing.noise_levels(recipe.sample, build.chain(recipe))
    if recipe.sample.noise_half_life == FITTED:
        residuals.neighbors(pairs, residuals.OF_TRUTH)
    else:
        drawing.persistence(recipe, parts.learned)


def _refuse_residuals_of_nothing(recipe: Recipe, pairs: Pairs) -> None:
    """Refuse residuals where the coarse field never reaches a cell that has a truth: no member could have it."""
    names = [
        name for name, steps in recipe.transforms.targets.items() if any(step.name == "residual" for step in steps)
    ]
    dates = evenly_spread(pairs.n_times, N_LOOKED_AT)
    guess, truth = pairs.guess(dates), pairs.truth(dates)
    for name in names:
        never, known = (np.isnan(guess[name].values).all(axis=0), np.isfinite(truth[name].values).any(axis=0))
        if (never & known).any():
            what = f"coarse '{name}' reaches none of {(never & known).sum()} cells that have a truth"
            fix = "fill it there, mask the truth, or leave `residual` out"
            raise DataError(Problem(75, f"transforms.targets.{name}: residual", what, fix))


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


def _machine() -> str:
    n_threads = torch.get_num_threads()
    return f"{n_threads} thread{'s' * (n_threads > 1)}" if device().type == "cpu" else torch.cuda.get_device_name()


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
    if not found and checkpoint.complete(folder / FIRST_GUESS / "checkpoints"):
        return None  # stopped in the first stage
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
        return _differences(parse(file.read_text(), str(file)), recipe)
    except OSError as error:
        raise MismatchError(
            Problem(50, str(file), f"cannot be read ({error})", "restore it, or train under another name")
        ) from error
