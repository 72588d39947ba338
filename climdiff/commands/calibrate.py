"""`climdiff calibrate`: how a trained model draws members best."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from climdiff.commands.signals import asked_to_stop

if TYPE_CHECKING:
    from climdiff.bundle_files import Calibration


def calibrate(
    run: Annotated[Path, typer.Argument(help="A trained run, such as runs/precip.", metavar="RUN")],
    times: Annotated[
        int, typer.Option(max=100_000, help="Dates of the validation split; half of them are held out.")
    ] = 64,
    members: Annotated[int, typer.Option(max=1000, help="Members of each date.")] = 8,
) -> None:
    """Choose sampler, steps, guidance and spread. The validation split decides; the bundle keeps the choice.

    By fair CRPS, with spread over skill in 0.95 to 1.05. Run again after an interruption, it goes on.
    """
    from climdiff.progress import Bars, calibration_table
    from climdiff.workflow.calibration import calibrate as choose

    with Bars(asked_to_stop()) as bars:
        found = choose(
            run,
            times=times,
            members=members,
            say=bars.say,
            progress=lambda done, total: bars.stage(
                "calibrate (evaluations)", done, total, "at most" if done < total else ""
            ),
        )
    calibration_table(found)
    for name, picture in _pictures(run, found).items():
        print(f"{name}: {picture}")
    if not found.settings:
        print(f"{run} draws as its recipe says, no other way is surely better: climdiff generate {run}")
        return
    said = " ".join(f"sample.{key}={value}" for key, value in found.settings.items())
    print(f"{run} draws with {said} from now on: climdiff generate {run} --out ens.zarr")
    print(f"as its recipe says: climdiff generate {run} --no-calibration")


def _pictures(run: Path, found: Calibration) -> dict[str, Path]:
    """Draw the figure of each variable; return where they are."""
    from climdiff import bundle
    from climdiff.report.calibrations import calibration_figure
    from climdiff.workflow.calibration import FOLDER, ways
    from climdiff.workflow.search import BAND
    from climdiff.workflow.sweep import put_picture

    model = bundle.load(run)
    pictures = {}
    for name, attributes in model.targets.items():
        pictures[name] = model.path.parent / FOLDER / f"{name}.png"
        put_picture(calibration_figure(ways(found, name), BAND, str(attributes.get("units", ""))), pictures[name])
    return pictures
