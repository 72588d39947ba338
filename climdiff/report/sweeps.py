"""The figure of a sweep: what each way of drawing members costs, and how good they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from climdiff.report.style import styled

EVALUATIONS = "evaluations of the network"
_MARKERS = "osD^vPX*"
_COLORS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000", "#8a8a8a")
_NEAR = 1.5  # ticks of a logarithmic axis closer than this factor would touch
_RATIOS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 6.0, 10.0)
_PANELS = {
    "crps_fair": "fair CRPS",
    "spread_skill": "spread / skill",
    "small_scale_ratio": "power below 4 cells,\nratio to truth",
}


@dataclass(frozen=True)
class Point:
    """One way of drawing: the line it is on, where it is along the axis, and its scores by name."""

    line: str
    x: float
    scores: Mapping[str, float]


def sweep_figure(points: Sequence[Point], x_label: str = EVALUATIONS, units: str = "") -> Figure:
    """Return three panels, CRPS, spread-skill and power at small scales, against what was varied.

    Args:
        points: Ways of drawing, in any order.
        x_label: What was varied; evaluations have a logarithmic axis.
        units: of the variable.
    """
    with styled():
        figure = Figure(figsize=(7.1, 2.6), layout="constrained")
        FigureCanvasAgg(figure)
        panels = figure.subplots(1, 3)
        lines = list(dict.fromkeys(point.line for point in points))
        for order, line in enumerate(lines):
            own = sorted((point for point in points if point.line == line), key=lambda point: point.x)
            look = {"color": _COLORS[order % len(_COLORS)], "marker": _MARKERS[order % len(_MARKERS)]}
            for axes, name in zip(panels, _PANELS, strict=True):
                values = [point.scores[name] for point in own]
                axes.plot([point.x for point in own], values, label=line, markersize=3.5, linewidth=1.0, **look)
        for axes, (name, title) in zip(panels, _PANELS.items(), strict=True):
            axes.set_ylabel(f"{title} [{units}]" if name == "crps_fair" and units else title)
            _ground(axes, name, points, x_label)
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=min(len(lines), 8))
    return figure


def _ground(axes: Axes, name: str, points: Sequence[Point], x_label: str) -> None:
    """Draw what a reader compares with: the axis of what was varied, and the line of perfect scores."""
    axes.set_xlabel(x_label)
    axes.grid(visible=True, linewidth=0.3, alpha=0.5)
    if x_label == EVALUATIONS:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator(_apart({point.x for point in points})))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_locator(NullLocator())
    if name != "crps_fair":
        axes.axhline(1.0, color="black", linewidth=0.8)
        if name == "small_scale_ratio":
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(FixedLocator(_RATIOS))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axes.yaxis.set_minor_locator(NullLocator())
        return
    found = sorted(point.scores[name] for point in points)
    if found[0] > 0:  # a way that fails altogether would flatten all the others
        axes.set_ylim(0.99 * found[0], min(1.01 * found[-1], 1.25 * found[0]))


def _apart(places: set[float]) -> list[float]:
    """Return the places, from the largest down, that are not too near to the one before to be labelled."""
    kept: list[float] = []
    for place in sorted(places, reverse=True):
        if not kept or kept[-1] / place > _NEAR:
            kept.append(place)
    return kept
