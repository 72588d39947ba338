"""Everything of one recipe: train, generate, verify, report; run again, it does what is missing."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from climdiff import build, bundle, bundle_files, ladder
from climdiff.bundle_files import Calibration
from climdiff.recipe.schema import Recipe
from climdiff.training.loop import Progress
from climdiff.workflow import generation, given, report, rungs, training, verification
from climdiff.workflow.verification import Verdict


class Watch(Protocol):
    """Who is told how far things are; the command line draws bars."""

    def say(self, line: str) -> None:
        """Take a line for the user."""
        ...

    def training(self, progress: Progress, total: int, name: str = "train") -> None:
        """Take the state of a training after a step."""
        ...

    def stage(self, name: str, done: int, total: int) -> None:
        """Take how much of a stage is done."""
        ...


def run(recipe: Recipe, folder: Path, watch: Watch, should_stop: Callable[[], bool] = lambda: False) -> Verdict:
    """Run a recipe from beginning to end in `folder` and return the verdict.

    Makes `bundle/`, `ensemble.zarr`, `scores.json`, `scores.nc`, `report.html`, `log.jsonl` and, for the neural methods
    among the recipe's baselines, `ladder/`. What an earlier run of the same recipe finished is not done again.
    """
    started = time.monotonic()
    given.check(recipe)
    if not isinstance(recipe.verify.baselines, str):  # hours of training should not end at a name
        ladder.check(rungs.without(recipe), build.open_splits(recipe, ["train"])["train"])
    training.ensure(
        recipe,
        folder,
        say=watch.say,
        on_step=lambda progress: watch.training(progress, recipe.train.steps),
        should_stop=should_stop,
    )
    rungs.train_missing(
        recipe,
        folder,
        watch.say,
        lambda name, progress: watch.training(progress, recipe.train.steps, f"train {name}"),
        should_stop,
    )
    model = bundle.load(folder, recipe)
    calibration = calibration_beside(folder)
    ensemble = folder / "ensemble.zarr"
    generation.generate(
        model,
        ensemble,
        members=recipe.generate.members,
        progress=lambda done, total: watch.stage("generate (units)", done, total),
    )
    verdict = verification.verify(
        ensemble,
        recipe=recipe,
        progress=lambda name, done, total: watch.stage(f"verify {name}", done, total),
        say=watch.say,
    )
    took = {"this run took": f"{(time.monotonic() - started) / 60:.1f} min"}
    publish(verdict, folder, run=folder, calibration=calibration, facts=took)
    return verdict


def publish(
    verdict: Verdict,
    folder: Path,
    *,
    run: Path | None = None,
    calibration: Calibration | None = None,
    facts: dict[str, str] | None = None,
) -> None:
    """Write scores and report of a verdict to `folder`; `run` is where the ensemble lies, with the log of its training.

    The report of an ensemble that is not ours shows neither training nor calibration, whatever lies beside it.
    """
    verification.write(verdict, folder)
    log = run / "log.jsonl" if run is not None and verdict.recipe is not None else None
    report.write(
        verdict,
        folder / "report.html",
        log=log if log is not None and log.exists() else None,
        facts=facts,
        calibration=calibration,
    )


def calibration_beside(folder: Path) -> Calibration | None:
    """Return the calibration of the run in `folder`; None where there is no bundle or none was made.

    Raises:
        MismatchError: as `bundle_files.read_calibration`; asked for before anything is scored, it costs nothing.
    """
    path = folder / "bundle"
    if not (path / "bundle.json").is_file():
        return None
    return bundle_files.read_calibration(path, bundle_files.read_about(path))
