"""The figure of a calibration: what every way tried costs, and how scores follow the spread factor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from climdiff.report.style import styled

_OTHER, _OWN, _CHOSEN = "#8a8a8a", "#0072B2", "#D55E00"


@dataclass(frozen=True)
class Way:
    """One way of drawing, for one variable.

    Attributes:
        evaluations: Of the network for one member.
        factor: On all noise.
        crps: Fair CRPS.
        spread_skill: Spread over skill, and the ends of its interval.
        is_own: Whether it is the recipe's.
        is_chosen: Whether it was chosen.
        is_on_curve: Whether it differs from the chosen way in the factor only.
    """

    evaluations: int
    factor: float
    crps: float
    spread_skill: tuple[float, float, float]
    is_own: bool
    is_chosen: bool
    is_on_curve: bool


def calibration_figure(ways: Sequence[Way], band: tuple[float, float], units: str = "") -> Figure:
    """Return three panels: fair CRPS against evaluations; fair CRPS and spread over skill against the factor."""
    curve = sorted((way for way in ways if way.is_on_curve), key=lambda way: way.factor)
    factors = [way.factor for way in curve]
    unit = f" [{units}]" if units else ""
    with styled():
        figure = Figure(figsize=(7.1, 2.6), layout="constrained")
        FigureCanvasAgg(figure)
        costs, scores, spreads = figure.subplots(1, 3)
        for way in sorted(ways, key=lambda way: (way.is_chosen, way.is_own)):
            costs.plot(way.evaluations, way.crps, **_look(way), linestyle="none")
        _logarithmic(costs, [way.evaluations for way in ways])
        costs.set(xlabel="evaluations of the network", ylabel=f"fair CRPS{unit}")
        scores.plot(factors, [way.crps for way in curve], color=_OTHER, linewidth=1.0)
        scores.set(xlabel="factor on the noise", ylabel=f"fair CRPS{unit}")
        spreads.axhspan(*band, color="#009E73", alpha=0.15, linewidth=0)
        spreads.plot(factors, [way.spread_skill[0] for way in curve], color=_OTHER, linewidth=1.0)
        ends = np.array([way.spread_skill for way in curve])
        reach = np.abs(ends[:, 1:] - ends[:, :1]).T
        spreads.errorbar(factors, ends[:, 0], reach, fmt="none", ecolor=_OTHER, elinewidth=0.7)
        spreads.set(xlabel="factor on the noise", ylabel="spread / skill")
        for way in curve:
            scores.plot(way.factor, way.crps, **_look(way))
            spreads.plot(way.factor, way.spread_skill[0], **_look(way))
        for axes in (costs, scores, spreads):
            axes.grid(visible=True, linewidth=0.3, alpha=0.5)
        labels = {label: handle for handle, label in zip(*costs.get_legend_handles_labels(), strict=True)}
        figure.legend(labels.values(), labels.keys(), loc="outside lower center", ncols=3)
    return figure


def _look(way: Way) -> dict[str, object]:
    if way.is_chosen:
        label = "chosen, as in the recipe" if way.is_own else "chosen"
        return {"color": _CHOSEN, "marker": "*", "markersize": 8, "label": label, "zorder": 4}
    if way.is_own:
        return {"color": _OWN, "marker": "s", "markersize": 4, "label": "as in the recipe", "zorder": 3}
    return {"color": _OTHER, "marker": "o", "markersize": 3, "label": "tried", "zorder": 2}


def _logarithmic(axes: Axes, places: Sequence[int]) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(sorted(set(places))))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
