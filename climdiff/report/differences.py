"""The verdict as a reader meets it: how many methods are beaten for sure, and every difference with its interval."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from climdiff.report.colors import source_style
from climdiff.report.labels import drawn, plain
from climdiff.report.style import styled
from climdiff.verification.sentences import name_of
from climdiff.verification.significance import Difference

BETTER, WORSE, OPEN = "#0072B2", "#B2182B", "#666666"
_MARKERS = {BETTER: "o", WORSE: "s", OPEN: "D"}


def standing(found: Mapping[str, Difference]) -> str:
    """Return in one sentence which methods the model's fair CRPS is better than, which not; empty without any.

    `found` is {method: Difference}, negative where the model is better.
    """
    told = {name: each for name, each in found.items() if each.is_told}
    without = [name for name, each in found.items() if not each.is_defined]
    if not told and len(without) < len(found):
        return "There are too few independent times to tell any two methods apart."
    parts = []
    for words, chosen in (
        ("better than", [name for name, each in told.items() if each.is_better]),
        ("not told apart from", [name for name, each in told.items() if not (each.is_better or each.is_worse)]),
        ("worse than", [name for name, each in told.items() if each.is_worse]),
        ("without a difference in percent to", without),
    ):
        if chosen:
            names = ", ".join(plain(name).replace("_", " ") for name in chosen)
            parts.append(f"{words} {len(chosen)} of {len(found)} methods ({names})")
    return f"The fair CRPS is {'; '.join(parts)}." if parts else ""


def reading(found: Iterable[Difference], unit: str) -> str:
    """Return in two sentences what the intervals of a verdict over days, times or fields are; empty without any."""
    told = [each for each in found if each.is_told]
    if not told:
        return ""
    which = "all the intervals contain their true difference" if len(told) > 1 else "it contains the true difference"
    return (
        f"Neighboring {unit} are alike, so an interval comes of drawing whole stretches of {unit} again and again. "
        f"With {100 * told[0].level:g} % confidence {which}."
    )


def differences_figure(found: Mapping[str, Difference], score: str = "crps_fair") -> Figure:
    """Return the difference in `score` to each method with its interval; left of 0 the model is better.

    Shape and color say whether the interval excludes 0: circles better, squares worse, diamonds neither. A method whose
    score is 0 is left out.
    """
    ordered = sorted((name for name in found if found[name].is_defined), key=lambda name: -found[name].percent)
    with styled():
        figure = Figure(figsize=(4.6, 0.7 + 0.2 * max(len(ordered), 1)), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        axes.axvline(0.0, color="black", linewidth=0.8)
        for place, name in enumerate(ordered):
            each = found[name]
            color = BETTER if each.is_better else WORSE if each.is_worse else OPEN
            if each.is_told:
                axes.plot([each.low, each.high], [place, place], color=color, linewidth=1.4)
            axes.plot(each.percent, place, _MARKERS[color], color=color, markersize=4)
        ends = [end for each in found.values() for end in (each.low, each.high, each.percent) if np.isfinite(end)]
        reach = max([1.0, *map(abs, ends)])
        axes.set_xlim(min([*ends, 0.0]) - 0.06 * reach, max([*ends, 0.0]) + 0.06 * reach)
        axes.set_ylim(-0.7, len(ordered) - 0.3)
        axes.set_yticks(range(len(ordered)), [source_style(name)["label"].replace("_", " ") for name in ordered])
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x", linewidth=0.3, alpha=0.5)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.set_xlabel(drawn(f"{name_of(score)} of the model less that of the method [% of the method]"))
    return figure
