"""A trained run in; beside its denoiser, a network that draws a member in one evaluation, if it is good enough."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import xarray as xr
from torch import Tensor

from climdiff import build, bundle, bundle_files
from climdiff.bundle import Model
from climdiff.data.pairs import Pairs
from climdiff.diffusion.denoiser import Denoiser
from climdiff.diffusion.distillation import OneStep, level
from climdiff.diffusion.first_guess import SecondStage
from climdiff.downscalers.diffusion import DiffusionDownscaler, Sampling
from climdiff.errors import MismatchError, Problem, RecipeError, RetryError
from climdiff.recipe.schema import Recipe
from climdiff.samplers.ancestral import ddim
from climdiff.training import checkpoint
from climdiff.training.loop import Objective, Progress, Run, Settings
from climdiff.training.loop import train as train_run
from climdiff.verification.scorecard import scorecard
from climdiff.workflow.lock import alone
from climdiff.workflow.validation import Validation, other_times

FOLDER = "one_step"
"""Below a run: checkpoints and log of the distillation."""
LARGEST_LOSS = 0.03
"""By which the fair CRPS may be worse than that of the recipe's own sampler."""
SPREAD_SKILL = (0.9, 1.1)
N_TIMES, N_MEMBERS = 64, 8
"""Of the comparison, on validation times that did not choose the checkpoint, where there are enough."""
FEWEST_OTHERS = 16
SLOWER = 0.25
"""Learning rate over that of the training: the network is not new."""


@dataclass(frozen=True)
class Comparison:
    """One target, drawn by the recipe's sampler and in one step, on the same validation times.

    Attributes:
        variable: The target.
        crps: Fair CRPS of the recipe's sampler and of one step, in units of the variable.
        spread_skill: Spread over skill of both.
    """

    variable: str
    crps: tuple[float, float]
    spread_skill: tuple[float, float]

    @property
    def loss(self) -> float:
        """Return by which share the fair CRPS of one step is worse; negative where it is better."""
        return self.crps[1] / self.crps[0] - 1

    @property
    def is_good(self) -> bool:
        """Return whether one step may stand for the recipe's sampler."""
        before, after = self.spread_skill
        is_calibrated = SPREAD_SKILL[0] <= after <= SPREAD_SKILL[1] or abs(after - 1) <= abs(before - 1)
        return self.loss <= LARGEST_LOSS and is_calibrated


def distill(
    run: Path,
    *,
    steps: int | None = None,
    resume: bool = False,
    say: Callable[[str], None] = lambda line: None,
    on_step: Callable[[Progress, int], None] = lambda progress, steps: None,
    on_compared: Callable[[int, int], None] = lambda done, total: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> list[Comparison]:
    """Train a one-step network from the denoiser of a run, and add it to the bundle; return how it compares.

    Args:
        run: A trained run; its training and validation data are opened.
        steps: Optimizer steps; a third of those of the training by default.
        resume: Go on from the last checkpoint in `run/one_step`.
        say: Takes lines for the user.
        on_step: Called after every optimizer step, with the number of all.
        on_compared: Called with (times, of all) that the comparison has drawn, by one way and then by the other.
        should_stop: Asked after every step, with a checkpoint saved when true, and in the comparison (CD-060).

    Raises:
        RecipeError: CD-037, the network came out worse than it may; the bundle is as it was.
        MismatchError: CD-044 to 046, checkpoints that are there or not.
        DataError: whatever is wrong with the data.
    """
    model = bundle.load(run, calibrated=False)
    recipe, downscaler = model.recipe, model.downscaler
    if not isinstance(downscaler, DiffusionDownscaler):
        what = f"'{recipe.model.method}' draws a member in one evaluation already"
        raise RecipeError(Problem(37, str(run), what, "give a run with model.method diffusion"))
    steps = max(recipe.train.steps // 3, 1) if steps is None else steps
    splits = build.open_splits(recipe, ("train", "validation"))
    say(f"data: {splits['train'].n_times} training times, {splits['validation'].n_times} for validation")
    objective: Objective = OneStep(_trainable(downscaler.denoiser), downscaler.dtype)
    if downscaler.first_guess is not None:
        objective = SecondStage(objective, downscaler.first_guess, downscaler.dtype)
    training = Run(objective, _settings(recipe, steps), {"bundle": model.hash, "steps": steps})
    folder = model.path.parent / FOLDER
    batches = build.batches(recipe, splits["train"], downscaler.encoder)
    student = downscaler.changed(sampling=_one_step(downscaler), conservation=None)
    validate = Validation(
        recipe, splits["validation"], downscaler.encoder, lambda network: student.changed(denoiser=network)
    )

    def watched(done: int, total: int) -> None:
        on_compared(done, total)
        if should_stop() and done < total:
            what = "stopped while both ways of drawing were compared; the network is trained"
            raise RetryError(Problem(60, str(folder), what, checkpoint.AGAIN))

    with alone(model.path.parent):
        _restore(training, folder, resume, say)
        train_run(training, batches, folder, validate, lambda progress: on_step(progress, steps), should_stop)
        chosen = checkpoint.best(checkpoint.complete(folder / "checkpoints"))
        assert chosen is not None
        weights = checkpoint.load(chosen, "average")
        found = _compare(model, downscaler, weights, splits["validation"], watched)
        _refuse_worse(found, folder, steps)
        bundle_files.add_one_step(model.path, weights, model.hash)
    return found


def _trainable(denoiser: Denoiser) -> Denoiser:
    return copy.deepcopy(denoiser).train().requires_grad_(True)


def _settings(recipe: Recipe, steps: int) -> Settings:
    """Return the settings of the training, shortened."""
    own = build.settings(recipe)
    often = max(steps // 4, 1)
    return replace(
        own,
        steps=steps,
        learning_rate=SLOWER * own.learning_rate,
        warmup_steps=min(own.warmup_steps, max(steps // 20, 1)),
        ema_half_life=min(own.ema_half_life, max(steps // 10, 1)),
        validate_every=often,
        checkpoint_every=min(own.checkpoint_every, often),
    )


def _one_step(downscaler: DiffusionDownscaler) -> Sampling:
    """Return the downscaler's way of drawing members, in one evaluation."""
    sigmas = torch.tensor([level(downscaler.denoiser.chain), 0.0], dtype=torch.float64)
    return replace(downscaler.sampling, sampler=ddim, sigmas=sigmas, guidance=1.0, guidance_interval=None, spread=1.0)


def _restore(training: Run, folder: Path, resume: bool, say: Callable[[str], None]) -> None:
    checkpoint.sweep(folder / "checkpoints")
    found = checkpoint.complete(folder / "checkpoints")
    if resume and not found:
        what = "holds no checkpoint to resume from"
        raise MismatchError(Problem(46, str(folder), what, "distill without --resume"))
    if found and not resume:
        reached, steps = found[-1].step, found[-1].identity.get("steps")
        what = f"holds a distillation that {'ended at' if reached == steps else 'reached'} step {reached} of {steps}"
        raise MismatchError(Problem(44, str(folder), what, _way_on(found[-1].identity, training.identity, folder)))
    if found:
        training.restore(found[-1], _cure(found[-1].identity, training.identity, folder))
        say(f"resuming at step {training.step} of {training.settings.steps}")


def _way_on(before: Mapping[str, Any], now: Mapping[str, Any], folder: Path) -> str:
    """Return what to do about the checkpoints in `folder` when --resume was not given."""
    if before != now:
        return _cure(before, now, folder)
    return f"add --resume to go on, or to compare again where it has ended; or remove {folder} to distill anew"


def _cure(before: Mapping[str, Any], now: Mapping[str, Any], folder: Path) -> str:
    """Return what makes the distillation of `now` that of the checkpoints in `folder`, or of none."""
    if before.get("bundle") != now["bundle"]:
        return f"remove {folder} to distill the model that the run has now"
    return f"go on with --resume --steps {before.get('steps')}, or remove {folder} to distill anew"


def _compare(
    model: Model,
    downscaler: DiffusionDownscaler,
    weights: Mapping[str, Tensor],
    pairs: Pairs,
    on_compared: Callable[[int, int], None],
) -> list[Comparison]:
    chosen = pairs.select(other_times(pairs.n_times, model.recipe.train.validation_times, N_TIMES, FEWEST_OTHERS))
    student = _trainable(downscaler.denoiser)
    student.load_state_dict(weights)
    other = downscaler.changed(denoiser=student, sampling=_one_step(downscaler))
    truth, area = chosen.truth(slice(None)), chosen.fine_grid.cell_area()
    length = max(1, downscaler.sampling.micro_batch // N_MEMBERS)
    starts, scores = range(0, chosen.n_times, length), []
    for number, each in enumerate((downscaler, other)):
        parts = []
        for start in starts:
            on_compared(number * chosen.n_times + start, 2 * chosen.n_times)
            coarse = chosen.coarse.isel(time=slice(start, start + length))
            parts.append(each.downscale(coarse, range(N_MEMBERS), model.recipe.seed))
        scores.append(scorecard(xr.concat(parts, "time"), truth, area=area).variables)
    on_compared(2 * chosen.n_times, 2 * chosen.n_times)
    return [
        Comparison(
            name,
            (scores[0][name].scalars["crps_fair"], scores[1][name].scalars["crps_fair"]),
            (scores[0][name].scalars["spread_skill"], scores[1][name].scalars["spread_skill"]),
        )
        for name in scores[0]
    ]


def _refuse_worse(found: list[Comparison], folder: Path, steps: int) -> None:
    problems = [
        Problem(
            37,
            str(folder),
            f"one step of '{each.variable}' has fair CRPS {each.crps[1]:.4g} ({each.loss:+.1%}, at most "
            f"{LARGEST_LOSS:+.0%} is accepted) and spread over skill {each.spread_skill[1]:.2f} (from "
            f"{SPREAD_SKILL[0]:g} to {SPREAD_SKILL[1]:g}, or no farther from 1 than that of the recipe's sampler, "
            f"{each.spread_skill[0]:.2f})",
            f"keep the recipe's sampler, or remove {folder} and distill with other --steps: more than {steps}, or "
            "fewer where the validation scores in its log.jsonl rise again; the bundle is as it was",
        )
        for each in found
        if not each.is_good
    ]
    if problems:
        raise RecipeError(*problems)
