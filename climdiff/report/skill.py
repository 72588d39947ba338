"""Figures of where a forecast is right: events by scale, error by spread, and quantiles of all values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from climdiff.report.colors import source_style
from climdiff.report.labels import drawn, units_label
from climdiff.report.style import styled

_MOST_BESIDE = 3


class Scales(NamedTuple):
    """Fractions skill scores (width,) of each method for one event, and the score from which on it is useful."""

    event: str
    widths: np.ndarray
    scores: Mapping[str, np.ndarray]
    useful: float


class Binned(NamedTuple):
    """Spread and error of the ensemble mean in bins of like spread, (bin,) each."""

    spread: np.ndarray
    error: np.ndarray


class Quantiles(NamedTuple):
    """Quantiles of all values at `percents`, of the truth and of the members of each method, (percent,) each."""

    percents: Sequence[str]
    truth: np.ndarray
    members: Mapping[str, np.ndarray]


def fss_figure(events: Sequence[Scales]) -> Figure:
    """Return a panel per event: fractions skill score against the side of the window, useful above the dashed line."""
    with styled():
        columns = min(max(len(events), 1), _MOST_BESIDE)
        rows = -(-max(len(events), 1) // columns)
        figure = Figure(figsize=(0.4 + 2.25 * columns, 0.35 + 2.0 * rows), layout="constrained")
        FigureCanvasAgg(figure)
        panels = list(figure.subplots(rows, columns, squeeze=False, sharey=True).ravel())
        for axes, event in zip(panels, events, strict=False):
            axes.axhline(event.useful, color="black", linewidth=0.8, linestyle=(0, (4, 2)))
            for order, (name, scores) in enumerate(event.scores.items()):
                axes.plot(event.widths, scores, marker="o", markersize=2.5, **source_style(name, order))
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(FixedLocator(list(event.widths)))
            axes.xaxis.set_minor_locator(NullLocator())
            axes.xaxis.set_major_formatter(FuncFormatter(lambda cells, _: f"{cells:g}"))
            axes.set_title(drawn(event.event), loc="left")
            axes.set_xlabel("side of the window [grid cells]")
            axes.spines[["top", "right"]].set_visible(False)
        panels[0].set_ylim(top=1.02)
        for axes in panels[len(events) :]:
            axes.set_visible(False)
        for axes in panels[::columns]:
            axes.set_ylabel("fractions skill score")
        _legend_below(figure, panels[0])
    return figure


def spread_error_figure(binned: Mapping[str, Binned], units: str = "") -> Figure:
    """Return the error of the mean against the spread, by bins of like spread: on the diagonal spread tells error."""
    with styled():
        figure, axes = _square()
        top = max((float(max(each.spread.max(), each.error.max())) for each in binned.values()), default=0.0)
        top = top or 1.0
        axes.plot([0, 1.05 * top], [0, 1.05 * top], color="black", linewidth=0.8, linestyle=(0, (4, 2)))
        for order, (name, each) in enumerate(binned.items()):
            axes.plot(each.spread, each.error, marker="o", markersize=2.8, **source_style(name, order))
        axes.set_xlim(0, 1.05 * top)
        axes.set_ylim(0, 1.05 * top)
        label = f" [{drawn(units_label(units))}]" if units_label(units) else ""
        axes.set_xlabel(f"spread of the ensemble{label}")
        axes.set_ylabel(f"error of its mean{label}")
        _legend_below(figure, axes)
    return figure


def quantile_figure(found: Quantiles, units: str = "") -> Figure:
    """Return quantiles of members against those of the truth; below the diagonal the members fall short."""
    with styled():
        figure, axes = _square()
        values = np.concatenate([found.truth, *found.members.values()])
        low, high = float(np.nanmin(values)), float(np.nanmax(values))
        reach = 0.05 * (high - low or 1.0)
        ends = [low - reach, high + reach]
        axes.plot(ends, ends, color="black", linewidth=0.8, linestyle=(0, (4, 2)))
        for order, (name, members) in enumerate(found.members.items()):
            axes.plot(found.truth, members, marker="o", markersize=2.8, **source_style(name, order))
        axes.set_xlim(*ends)
        axes.set_ylim(*ends)
        _percents(axes, found)
        label = f" [{drawn(units_label(units))}]" if units_label(units) else ""
        axes.set_xlabel(f"quantile of the truth{label}")
        axes.set_ylabel(f"quantile of the members{label}")
        _legend_below(figure, axes)
    return figure


def _percents(axes: Axes, found: Quantiles) -> None:
    """Name the quantiles on top, those that would be drawn over another left out."""
    low, high = axes.get_xlim()
    kept: list[tuple[float, str]] = []
    for value, percent in zip(found.truth[::-1], list(found.percents)[::-1], strict=True):
        if not kept or kept[-1][0] - value > 0.1 * (high - low):
            kept.append((float(value), f"P{percent}"))
    top = axes.secondary_xaxis("top")
    top.set_xticks([value for value, _ in kept], [name for _, name in kept])
    top.xaxis.set_minor_locator(NullLocator())


def _square() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(3.1, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _legend_below(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    columns = 3 if figure.get_figwidth() > 4 else 2
    figure.legend(handles, labels, loc="outside lower center", ncols=columns)
