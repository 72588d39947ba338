"""The report of a run: one HTML page that needs no other file, no network and no script."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources
from typing import Literal

import jinja2
from matplotlib.figure import Figure
from PIL import Image

from climdiff.report.cards import Scores, card, meanings
from climdiff.report.labels import lines, plain, sentence, units_label
from climdiff.report.style import styled
from climdiff.report.tables import METHODS, headline, key_numbers

_DPI = 170


@dataclass(frozen=True)
class Picture:
    """A figure with a heading and a sentence that tells what to see; `svg` for lines, `png` for maps."""

    figure: Figure
    heading: str
    caption: str = ""
    format: Literal["png", "svg"] = "svg"

    @cached_property
    def source(self) -> str:
        """The figure as a data address, to stand in the page itself."""
        data = _png(self.figure) if self.format == "png" else _svg(self.figure)
        kind = "image/png" if self.format == "png" else "image/svg+xml"
        return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"

    @property
    def width_inch(self) -> float:
        """The width at which its letters have their intended size."""
        return float(self.figure.get_size_inches()[0])


@dataclass(frozen=True)
class VariableSection:
    """All there is to show of one variable.

    `scores` is {downscaler: {score: value}} as in `scores.json`, all over the same dates and cells. `standing` is the
    verdict in a sentence, `verdict` all of it, the last sentence its footing, `differences` its picture, `sure` each
    (score, downscaler) whose difference to the model's is sure, `given` the scores that the coarse field gives. `maps`
    are shown at full width, `curves` side by side, of the methods that `beside` names.
    """

    name: str
    long_name: str
    units: str
    scores: Scores
    maps: tuple[Picture, ...] = ()
    curves: tuple[Picture, ...] = ()
    verdict: tuple[str, ...] = ()
    standing: str = ""
    differences: Picture | None = None
    sure: frozenset[tuple[str, str]] = frozenset()
    beside: str = ""
    given: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Page:
    """What a report says. `model` is the downscaler the report is about; `recipe` its text.

    `period` names the dates scored; `facts` (training time, parameters, members …) and `provenance` (versions, hashes,
    seeds, licences …) are shown as they are, in order. `leaks` are sentences on test data that were trained on,
    `unsearched` on what was not searched for any, `skipped` on what was not scored, and why. `calibrated` says what a
    calibration chose, `calibration` shows it. `note` says once, below the first verdict, what a reader has to know of
    it.
    """

    title: str
    sections: tuple[VariableSection, ...]
    summary: str = ""
    period: str = ""
    model: str = "diffusion"
    training: tuple[Picture, ...] = ()
    recipe: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    provenance: Mapping[str, str] = field(default_factory=dict)
    leaks: tuple[str, ...] = ()
    unsearched: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    calibration: tuple[Picture, ...] = ()
    calibrated: str = ""
    note: str = ""


def render(page: Page) -> str:
    """Return the page as HTML: self-contained, without scripts, everything in it escaped."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"plain": plain, "lines": lines, "sentence": sentence, "units": units_label}
    template = resources.files("climdiff.report").joinpath("page.html.j2").read_text(encoding="utf-8")
    return environment.from_string(template).render(
        page=page,
        methods=METHODS,
        scored={name for section in page.sections for name in section.scores},
        headline=headline,
        key_numbers=key_numbers,
        card=card,
        meanings=meanings,
    )


def _png(figure: Figure) -> bytes:
    """Return the figure as a PNG with a palette of 256 colours, a third of the size; maps have fewer colours anyway."""
    stream, packed = io.BytesIO(), io.BytesIO()
    with styled():
        figure.savefig(stream, format="png", dpi=_DPI)
    image = Image.open(stream).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    image.save(packed, format="png", optimize=True)
    return packed.getvalue()


def _svg(figure: Figure) -> bytes:
    stream = io.BytesIO()
    with styled():
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return stream.getvalue()
