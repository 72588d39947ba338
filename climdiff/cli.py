"""The command line: reads what the user wants, shows how far it is, prints results; everything else is elsewhere.

Imports of torch, xarray and the like wait until a command needs them, so that `climdiff --help` answers at once.
"""

from __future__ import annotations

import json
import logging
import sys
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from climdiff.commands import calibrate, data, recipe
from climdiff.commands.arguments import refuse_empty, refuse_unclosed
from climdiff.commands.recipe import Overrides, RecipePath
from climdiff.commands.signals import asked_to_stop as _asked_to_stop
from climdiff.errors import FULL, ClimdiffError, Problem, RecipeError, RetryError, remedy

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(data.app, name="data")
app.add_typer(recipe.app, name="recipe")

Runs = Annotated[Path, typer.Option(help="Where run folders are made.", metavar="DIR")]
Split = Literal["train", "validation", "test"]
Topic = Literal["forward", "kernel", "posterior", "reverse", "ensemble", "schedules", "guidance"]

_UsageError: Any = typer.BadParameter.__mro__[1]
"""Of click, or of the copy that typer brings, which has no public name there."""


def main() -> None:
    """Run the command line and exit: 0 done, else the exit code of the error, one line per problem on stderr."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--json-errors"]
    as_json = len(arguments) < len(sys.argv[1:])
    # the receipts of an ensemble lie in its store, where zarr would have nothing but its own
    warnings.filterwarnings("ignore", "Object at .* is not recognized as a component of a Zarr hierarchy")
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        refuse_empty(arguments)
        refuse_unclosed(arguments)
        sys.exit(app(args=arguments, prog_name="climdiff", standalone_mode=not as_json))
    except ClimdiffError as error:
        problems, exit_code = error.problems, error.exit_code
    except OSError as error:
        problems, exit_code = (Problem(*_trouble(error)),), RetryError.exit_code
    except _UsageError as error:  # only with --json-errors; it is printed with the usage otherwise
        problems, exit_code = (_misuse(error),), RecipeError.exit_code
    for problem in problems:
        print(json.dumps(vars(problem)) if as_json else problem, file=sys.stderr)
    sys.exit(exit_code)


def _version_and_exit(is_asked: bool) -> None:
    if is_asked:
        version()
        raise typer.Exit


@app.callback()
def options(
    is_version: Annotated[
        bool, typer.Option("--version", callback=_version_and_exit, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Probabilistic downscaling of climate fields with conditional diffusion models."""


@app.command()
def train(
    recipe: RecipePath,
    overrides: Overrides = None,
    runs: Runs = Path("runs"),
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.")] = False,
) -> None:
    """Train the model of a recipe. Bundle, checkpoints and log go to runs/<name>."""
    from climdiff.progress import Bars
    from climdiff.recipe.load import load
    from climdiff.workflow.training import train as train_model

    loaded = load(recipe, overrides or ())
    should_stop = _asked_to_stop()
    with Bars() as bars:
        path = train_model(
            loaded,
            runs / loaded.name,
            resume=resume,
            say=bars.say,
            on_step=lambda progress: bars.training(progress, loaded.train.steps),
            should_stop=should_stop,
        )
    print(f"{path} is ready: climdiff generate {runs / loaded.name}")


@app.command()
def distill(
    run: Annotated[Path, typer.Argument(help="A trained run, such as runs/precip.", metavar="RUN")],
    steps: Annotated[
        int | None, typer.Option(min=1, max=100_000_000, help="Optimizer steps; a third of the training's by default.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.")] = False,
) -> None:
    """Teach a network to draw members in one evaluation. It is added to the run: sample.sampler=one_step."""
    from climdiff.progress import Bars
    from climdiff.workflow.distillation import distill as teach

    should_stop = _asked_to_stop()
    with Bars() as bars:
        found = teach(
            run,
            steps=steps,
            resume=resume,
            say=bars.say,
            on_step=bars.training,
            on_compared=lambda done, total: bars.stage("compare (dates, two ways)", done, total),
            should_stop=should_stop,
        )
    for each in found:
        print(
            f"{each.variable}: fair CRPS {each.crps[1]:.4g} in one step, {each.crps[0]:.4g} by the recipe's sampler "
            f"({each.loss:+.1%}); spread over skill {each.spread_skill[1]:.2f}, {each.spread_skill[0]:.2f}"
        )
    print(f"{run} has it: climdiff generate {run} sample.sampler=one_step --out ens.zarr")


@app.command()
def generate(
    run: Annotated[Path, typer.Argument(help="A trained run, such as runs/precip.", metavar="RUN")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            help="Keys of sample and generate: sample.steps=20; data.split.test for other dates.",
            metavar="[KEY=VALUE]...",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The zarr store; RUN/ensemble.zarr by default.")] = None,
    members: Annotated[int | None, typer.Option(min=1, max=100_000, help="Size of the ensemble.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, max=2**63 - 1, help="Key of all noise.")] = None,
    split: Annotated[Split | None, typer.Option(help="Which times of the recipe's data.")] = None,
    predictors: Annotated[Path | None, typer.Option(help="Your own predictors, netCDF or zarr.")] = None,
    observations: Annotated[
        Path | None, typer.Option(help="Station values to agree with: netCDF or zarr, with <target>_error.")
    ] = None,
    known: Annotated[Path | None, typer.Option(help="Fine fields with gaps, to be filled: netCDF or zarr.")] = None,
    repair: Annotated[bool, typer.Option("--repair", help="Check every finished chunk; redo damaged ones.")] = False,
    no_calibration: Annotated[
        bool, typer.Option("--no-calibration", help="Draw as the recipe says, not as calibrate chose.")
    ] = False,
    profile: Annotated[bool, typer.Option("--profile", help="Say where the time went.")] = False,
) -> None:
    """Write an ensemble. Run again, it continues, and members can be added later."""
    from climdiff import bundle
    from climdiff.networks.stopwatch import Stopwatch
    from climdiff.progress import Bars, where_time_went
    from climdiff.workflow.generation import generate as fill

    model = bundle.load(run, overrides=overrides or (), calibrated=not no_calibration)
    target = out if out is not None else run / "ensemble.zarr"
    if model.calibration is not None:
        said = ", ".join(f"{key} {value}" for key, value in model.calibration.settings.items())
        print(f"calibrated: {said or 'as in the recipe'}")
    watch = Stopwatch(model.downscaler.network)
    with Bars(_asked_to_stop()) as bars, watch if profile else nullcontext():
        summary = fill(
            model,
            target,
            members=members,
            seed=seed,
            split=split,
            predictors=predictors,
            observations=observations,
            known=known,
            repair=repair,
            progress=lambda done, total: bars.stage("generate (units)", done, total),
        )
    there = summary.n_units - summary.n_written
    print(f"{summary.path}: {summary.n_written} units are new, {there} were there; {summary.seconds:.0f} s")
    if profile and not summary.n_written:
        print("time: nothing was drawn; give another --out to measure how long it takes")
    elif profile:
        print(where_time_went(summary.seconds, watch.seconds, summary.drawing, summary.writing, summary.waiting))
    print(f"how good it is: climdiff verify {summary.path}{' --truth FILE' if predictors else ''}")


@app.command()
def verify(
    ensemble: Annotated[Path, typer.Argument(help="A zarr store or netCDF file.", metavar="ENSEMBLE")],
    overrides: Overrides = None,
    truth: Annotated[Path | None, typer.Option(help="The truth, for ensembles climdiff did not make.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of scores and report; that of ENSEMBLE by default.")] = None,
    require: Annotated[
        list[str] | None,
        typer.Option(help="Exit with 1 unless this is sure: 'crps_fair < analogs', 'pr: mae < bilinear'."),
    ] = None,
) -> None:
    """Score an ensemble and every baseline. Writes scores.json, scores.nc and report.html."""
    from climdiff.progress import Bars
    from climdiff.verification.requirements import requirement
    from climdiff.workflow.experiment import calibration_beside, publish
    from climdiff.workflow.verification import output_folder
    from climdiff.workflow.verification import verify as judge

    wanted = [requirement(text) for text in require or ()]
    folder = output_folder(ensemble, out, truth)
    calibration = calibration_beside(ensemble.parent) if truth is None else None
    with Bars(_asked_to_stop()) as bars:
        verdict = judge(
            ensemble,
            truth=truth,
            overrides=overrides or (),
            require=wanted,
            kept=folder if out is None and overrides else None,
            progress=lambda name, *done: bars.stage(f"verify {name}", *done),
            say=bars.say,
        )
        publish(verdict, folder, run=ensemble.parent, calibration=calibration)
    _show(verdict, folder)
    unmet = verdict.unmet(wanted)
    for line in unmet:
        print(line, file=sys.stderr)
    if unmet:
        raise typer.Exit(1)


@app.command()
def ladder(
    recipe: RecipePath,
    overrides: Overrides = None,
    split: Annotated[Split, typer.Option(help="Which times of the recipe's data.")] = "test",
    out: Annotated[Path | None, typer.Option(help="Folder of scores.json and scores.nc; none by default.")] = None,
) -> None:
    """Score the baselines of a recipe. It is what a model has to beat, before one is trained."""
    from climdiff.progress import Bars, score_tables
    from climdiff.recipe.load import load
    from climdiff.workflow import rungs
    from climdiff.workflow.verification import refuse_file, score_baselines, write

    loaded = load(recipe, overrides or ())
    if out is not None:
        refuse_file(out)
    with Bars(_asked_to_stop()) as bars:
        verdict = score_baselines(loaded, split, lambda name, *done: bars.stage(f"score {name}", *done), bars.say)
    score_tables(verdict)
    unasked = rungs.unasked(loaded)
    if unasked:
        print(f"not asked for: {', '.join(unasked)}; all that the data allow: verify.baselines=ladder")
    if rungs.named(loaded):
        print(f"not scored, as they have to be trained: {', '.join(rungs.named(loaded))} (climdiff run)")
    if out is None:
        print("nothing written; --out DIR keeps the scores")
    else:
        write(verdict, out)
        print(f"\nscores: {out / 'scores.json'}")


@app.command()
def sweep(
    run: Annotated[Path, typer.Argument(help="A trained run, such as runs/precip.", metavar="RUN")],
    grid: Annotated[
        list[str],
        typer.Argument(help="Keys of sample, each with its values: sample.steps=5,10,20", metavar="KEY=VALUES..."),
    ],
    out: Annotated[Path | None, typer.Option(help="JSON file of the rows; RUN/sweep.json by default.")] = None,
    times: Annotated[int, typer.Option(min=1, max=100_000, help="Dates of the validation split.")] = 32,
    members: Annotated[int, typer.Option(min=2, max=1000, help="Members of each date.")] = 4,
) -> None:
    """Compare ways of drawing members. All combinations, on the validation split, as a table and a figure."""
    from climdiff import bundle
    from climdiff.progress import Bars, sweep_table
    from climdiff.workflow.sweep import draw, put_picture
    from climdiff.workflow.sweep import sweep as try_all

    target = out if out is not None else run / "sweep.json"
    with Bars(_asked_to_stop()) as bars:
        rows = try_all(
            run,
            grid,
            target,
            times=times,
            members=members,
            say=bars.say,
            progress=lambda done, total: bars.stage("sweep (ways)", done, total),
        )
    sweep_table(rows)
    for name, attributes in bundle.load(run).targets.items():
        picture = target.with_name(f"{target.stem}-{name}.png")
        put_picture(draw(rows, name, str(attributes.get("units", ""))), picture)
        print(f"{name}: {picture}")
    print(f"rows: {target}")


app.command()(calibrate.calibrate)


@app.command()
def run(recipe: RecipePath, overrides: Overrides = None, runs: Runs = Path("runs")) -> None:
    """Train, generate, verify and report. Run again, it does what is missing."""
    from climdiff.progress import Bars
    from climdiff.recipe.load import load
    from climdiff.workflow.experiment import run as run_recipe

    loaded = load(recipe, overrides or ())
    folder = runs / loaded.name
    should_stop = _asked_to_stop()
    with Bars(should_stop) as bars:
        verdict = run_recipe(loaded, folder, bars, should_stop)
    _show(verdict, folder)


@app.command()
def selftest(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a check.")] = False,
) -> None:
    """Check samplers, noise and guidance on this machine. Known laws are the measure; exit code 1 if one fails."""
    from climdiff.workflow.selftest import checks

    failed = total = 0
    for check in checks():
        total += 1
        failed += not check.passed
        if as_json:
            print(json.dumps({**check._asdict(), "passed": check.passed}), flush=True)
        else:
            verdict = "ok  " if check.passed else "FAIL"
            shown = f"expected {check.expected:<10.6g} found {check.found:<12.6g} within {check.tolerance:.2g}"
            print(f"{verdict} {check.name:52} {shown}", flush=True)
    if not as_json:
        print(f"\n{total - failed} of {total} checks passed")
    if failed:
        raise typer.Exit(1)


@app.command()
def explain(
    topic: Annotated[Topic | None, typer.Argument(help="One picture; all by default.")] = None,
    out: Annotated[Path, typer.Option(help="Where the pictures are written.", metavar="DIR")] = Path("explained"),
) -> None:
    """Draw the theory in pictures. They come from climdiff's own code; no data and no training needed."""
    from climdiff.workflow.lessons.topics import LESSONS, write

    for name in [topic] if topic else LESSONS:
        print(f"{write(name, out)}: {LESSONS[name].caption}", flush=True)


@app.command()
def version() -> None:
    """Print the version."""
    from climdiff import __version__

    print(__version__)


def _misuse(error: Any) -> Problem:
    """Return what is wrong with the command line itself."""
    what = error.format_message().splitlines()[0].rstrip(".")
    command = error.ctx.command_path if error.ctx else "climdiff"
    return Problem(37, "command line", what, f"see `{command} --help`")


def _trouble(error: OSError) -> tuple[int, str, str, str]:
    """Return code, place, fault and remedy of a trouble of the file system."""
    where = str(error.filename or "file system")
    fix = f"{remedy(error)}, then run the same command again: what is done is kept"
    return 52 if error.errno in FULL else 12, where, str(error.strerror or error), fix


def _show(verdict: Any, folder: Path) -> None:
    from climdiff.progress import score_tables

    score_tables(verdict)
    for variable in verdict.scores[verdict.name].variables:
        for line in verdict.sentences(variable):
            print(f"{variable}: {line}")
    print(f"\nreport: {folder / 'report.html'}    scores: {folder / 'scores.json'}")
