"""The lecture's pictures, computed and written: what `climdiff explain` runs."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure
from PIL import Image

from climdiff.errors import DataError, Problem
from climdiff.replacement import replacing
from climdiff.report.lessons import denoising as denoising_pictures
from climdiff.report.lessons import noising as noising_pictures
from climdiff.workflow.lessons import denoising, noising

DOTS_PER_INCH = 200


class Lesson(NamedTuple):
    """One picture: what one sees in it, and how it is drawn."""

    caption: str
    figure: Callable[[], Figure]


LESSONS = {
    "forward": Lesson(
        "100 small steps turn any x, and a rain field, into standard normal noise.",
        lambda: noising_pictures.forward_figure(noising.forward()),
    ),
    "kernel": Lesson(
        "One jump by the kernel q(z_t | x) lands where t small steps land.",
        lambda: noising_pictures.kernel_figure(noising.kernel_lesson()),
    ),
    "posterior": Lesson(
        "Given z_t and x, the step back is the product of two normals.",
        lambda: noising_pictures.posterior_figure(noising.posterior_lesson()),
    ),
    "reverse": Lesson(
        "With an exact denoiser as f, Algorithm 18.2 walks from noise to a law of two modes, and to a rain field.",
        lambda: denoising_pictures.reverse_figure(denoising.reverse()),
    ),
    "ensemble": Lesson(
        "The same condition and another z_T give another field: an ensemble.",
        lambda: denoising_pictures.ensemble_figure(denoising.ensemble()),
    ),
    "schedules": Lesson(
        "Schedules differ in when the signal goes; samplers in where they spend their steps.",
        lambda: noising_pictures.schedules_figure(noising.schedules_lesson()),
    ),
    "guidance": Lesson(
        "Guidance above weight 1 moves samples away from other classes and narrows them.",
        lambda: denoising_pictures.guidance_figure(denoising.guidance()),
    ),
}


def write(topic: str, folder: Path) -> Path:
    """Draw the picture of a topic into `folder`, made where it is missing, and return its path."""
    if folder.exists() and not folder.is_dir():
        raise DataError(Problem(12, str(folder), "is a file", "give a folder with --out"))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{topic}.png"
    pixels = BytesIO()
    LESSONS[topic].figure().savefig(pixels, dpi=DOTS_PER_INCH)
    drawn = Image.open(pixels).convert("RGB")
    # 256 colours of its own take a third of the room
    with replacing(path) as building:
        drawn.quantize(256, dither=Image.Dither.NONE).save(building, format="png", optimize=True)
    return path
