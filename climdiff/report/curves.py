"""Figures of scores and of training: spectra, rank histograms, reliability and loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from climdiff.report.colors import source_style
from climdiff.report.labels import drawn, number, units_label
from climdiff.report.style import styled
from climdiff.verification.probabilistic import Reliability
from climdiff.verification.spectra import Spectrum

_MOST_POINTS = 300  # points of a training curve; more would only thicken the line
_MOST_BESIDE = 4
_MOST_INSIDE = 7
_RATIO_BAND = 1.25  # spectra within this factor of the truth count as right


def spectra_figure(spectra: Mapping[str, Spectrum], units: str = "") -> Figure:
    """Return power of single members against wavelength for each source and the truth, and their ratio below.

    Args:
        spectra: source to its spectra, all against the same truth on the same grid; values that are not positive are
            left out. A second axis in km is drawn where the grid tells a length.
        units: of the field.
    """
    first = next(iter(spectra.values()))
    wavelength, truth = first.wavelength_cells, first.truth
    with styled():
        figure, (upper, lower) = _stack((3.6, 3.6), (1.9, 1.2))
        lower.axhspan(1 / _RATIO_BAND, _RATIO_BAND, color="#000000", alpha=0.08, linewidth=0)
        lower.axhline(1.0, color="black", linewidth=0.8)
        for order, (name, spectrum) in enumerate(spectra.items()):
            style = source_style(name, order)
            upper.plot(wavelength, _positive(spectrum.members), **style)
            lower.plot(wavelength, _positive(spectrum.ratio), **style)
        upper.plot(wavelength, _positive(truth), **source_style("truth"))
        for axes in (upper, lower):
            axes.set_xscale("log")
            axes.set_yscale("log")
            axes.set_xlim(wavelength.max(), wavelength.min())
            axes.xaxis.set_minor_locator(NullLocator())
        ticks = [
            cells for cells in (2, 4, 8, 16, 32, 64, 128, 256, 512) if wavelength.min() <= cells <= wavelength.max()
        ]
        upper.xaxis.set_major_locator(FixedLocator(ticks))
        lower.xaxis.set_major_locator(FixedLocator(ticks))
        lower.xaxis.set_major_formatter(FuncFormatter(lambda cells, _: f"{cells:g}"))
        upper.tick_params(which="both", labelbottom=False)
        _ratio_axis(lower)
        if np.any(truth > 0):
            upper.set_ylim(bottom=max(upper.get_ylim()[0], truth[truth > 0].min() / 30))
        lower.set_xlabel("wavelength [grid cells]")
        upper.set_ylabel("power" + (f" [({drawn(units_label(units))})²]" if units_label(units) else ""))
        lower.set_ylabel("ratio to truth")
        _kilometers(upper, ticks, float(first.wavelength_km[0] / wavelength[0]))
        _legend(figure, upper, "lower left")
    return figure


def rank_histogram_figure(histograms: Mapping[str, np.ndarray]) -> Figure:
    """Return one rank histogram per source, relative to a flat one, from shares or counts of the M + 1 ranks."""
    with styled():
        figure, panels = _row(len(histograms), width=2.3, height=1.9)
        densities = {name: np.asarray(values, dtype=float) for name, values in histograms.items()}
        densities = {name: values / max(values.mean(), 1e-300) for name, values in densities.items()}
        top = max([1.6, *(float(density.max()) for density in densities.values())])
        for order, (axes, (name, density)) in enumerate(zip(panels, densities.items(), strict=True)):
            ranks = np.arange(density.size)
            style = source_style(name, order)
            axes.bar(ranks, density, width=0.9, color=style["color"], linewidth=0)
            axes.axhline(1.0, color="black", linewidth=0.8, linestyle=(0, (4, 2)))
            axes.set_xlim(-0.6, density.size - 0.4)
            axes.set_ylim(0, 1.08 * top)
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
            axes.set_title(style["label"], loc="left")
            axes.set_xlabel("rank of the truth")
        panels[0].set_ylabel("frequency / flat frequency")
    return figure


def reliability_figure(curves: Mapping[str, Reliability], event: str) -> Figure:
    """Return observed frequency against forecast probability for each source, and how often each was forecast.

    `event` names what is forecast, for the axis: `pr >= 1 mm/day`. Forecasts that never occurred are left out.
    """
    with styled():
        figure, (upper, lower) = _stack((3.1, 3.6), (2.3, 0.7))
        upper.plot([0, 1], [0, 1], color="black", linewidth=0.8, linestyle=(0, (4, 2)))
        for order, (name, curve) in enumerate(curves.items()):
            style = {**source_style(name, order), "marker": "o"}
            upper.plot(curve.probability, curve.frequency, markersize=2.8, **style)
            lower.plot(curve.probability, _positive(curve.weight), markersize=1.8, **{**style, "linewidth": 0.9})
        for axes in (upper, lower):
            axes.set_xlim(-0.02, 1.02)
        upper.set_ylim(-0.02, 1.02)
        upper.tick_params(labelbottom=False)
        upper.set_ylabel("observed frequency")
        upper.set_title(drawn(event), loc="left")
        lower.set_yscale("log")
        lower.yaxis.set_major_locator(LogLocator(numticks=4))
        lower.yaxis.set_minor_formatter(NullFormatter())
        lower.set_ylabel("share")
        lower.set_xlabel("forecast probability")
        _legend(figure, upper, "upper left")
    return figure


def _draw_groups(axes: Axes, rows: Sequence[Mapping[str, Any]], loss: str) -> None:
    """Draw the loss of each group that the log tells apart, such as bands of noise levels."""
    groups = sorted({key for row in rows for key in row if key.startswith(f"{loss}_")}, key=_lowest_number)
    for name, color in zip(groups, ("#CC79A7", "#E69F00", "#009E73", "#56B4E9", "#999999"), strict=False):
        steps, losses = _column(rows, name)
        # a group has few samples a row: a running mean over a twentieth of the training
        length = max(1, len(losses) // 20)
        smooth = np.convolve(losses, np.full(length, 1 / length), mode="valid")
        axes.plot(
            steps[length // 2 :][: len(smooth)],
            smooth,
            color=color,
            linewidth=0.9,
            label=name.removeprefix(f"{loss}_").replace("_", " "),
        )
    if groups:
        axes.legend(loc="upper right", fontsize="small", ncols=2)


def _lowest_number(name: str) -> tuple[float, int]:
    """Order `sigma below 0.1` before `sigma 0.1 to 1`."""
    numbers = [float(word) for word in name.split("_") if word.replace(".", "").isdigit()]
    return (min(numbers, default=0.0), 0 if "below" in name else len(numbers))


def loss_figure(rows: Sequence[Mapping[str, Any]], loss: str = "loss", validation: str = "validation_score") -> Figure:
    """Return training loss and validation score against step.

    Args:
        rows: the log; each has `step`, and `loss` or `validation` or both. Other rows are passed over. What begins with
            `loss_` is the loss of a group of samples and drawn beside.
        validation: key of the score that chose the checkpoint: fair CRPS of a small ensemble over the mean absolute
            error of bilinear interpolation.
    """
    steps, losses = _column(rows, loss)
    checked, scores = _column(rows, validation)
    with styled():
        figure, (upper, lower) = _stack((3.6, 3.2), (1.25, 1.25))
        if steps.size:
            middle, low, high, at = _thin(steps, losses)
            upper.fill_between(at, low, high, color="#0072B2", alpha=0.2, linewidth=0)
            upper.plot(at, middle, color="#0072B2")
            _draw_groups(upper, rows, loss)
            if np.all(losses[np.isfinite(losses)] > 0):
                upper.set_yscale("log")
                shown = "25" if max(upper.get_ylim()) > 5 * min(upper.get_ylim()) else "23456789"
                upper.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
                upper.yaxis.set_minor_formatter(
                    FuncFormatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in shown else "")
                )
        if np.isfinite(scores).any():
            best = int(np.nanargmin(scores))
            lower.plot(checked, scores, color="#0072B2", marker="o", markersize=2.5)
            lower.plot(checked[best], scores[best], "o", markersize=6, markerfacecolor="none", color="#D55E00")
            note = f"best: {number(scores[best])} at step {checked[best]:,.0f}"
            lower.text(0.98, 0.93, note, transform=lower.transAxes, ha="right", va="top", size=6.5, color="#A04000")
            lower.margins(y=0.25)
        upper.set_xlim(0, max([1.0, *steps, *checked]) * 1.01)
        lower.set_xlim(upper.get_xlim())
        upper.tick_params(labelbottom=False)
        upper.set_ylabel("training loss")
        lower.set_ylabel("validation CRPS /\nbilinear MAE")
        lower.set_xlabel("optimizer step")
        lower.xaxis.set_major_formatter(FuncFormatter(lambda step, _: f"{step:,.0f}"))
    return figure


def _stack(size: tuple[float, float], heights: tuple[float, float]) -> tuple[Figure, tuple[Axes, Axes]]:
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    upper, lower = figure.subplots(2, 1, gridspec_kw={"height_ratios": heights})
    for axes in (upper, lower):
        axes.spines[["top", "right"]].set_visible(False)
    return figure, (upper, lower)


def _row(columns: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """Return panels beside each other; more than `_MOST_BESIDE` go on in further rows."""
    beside = min(max(columns, 1), _MOST_BESIDE)
    rows = max(1, -(-columns // beside))
    figure = Figure(figsize=(min(width * beside + 0.3, 7.2), height * rows), layout="constrained")
    FigureCanvasAgg(figure)
    panels = list(figure.subplots(rows, beside, squeeze=False, sharey=True).ravel())
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
    for axes in panels[max(columns, 1) :]:
        axes.set_visible(False)
    return figure, panels[: max(columns, 1)]


def _legend(figure: Figure, axes: Axes, place: Literal["lower left", "upper left"]) -> None:
    """Put the legend into the axes, or beside them if it is long."""
    handles, labels = axes.get_legend_handles_labels()
    if len(labels) <= _MOST_INSIDE:
        axes.legend(loc=place)
        return
    figure.set_figwidth(figure.get_figwidth() + 1.3)
    figure.legend(handles=handles, labels=labels, loc="outside right upper")


def _positive(values: np.ndarray) -> np.ndarray:
    return np.where(values > 0, values, np.nan)


def _ratio_axis(axes: Axes) -> None:
    """Give a logarithmic ratio axis round ticks, and at least the range 0.5 to 2, at most 0.1 to 10."""
    low, high = axes.get_ylim()
    axes.set_ylim(max(min(low, 0.5), 0.1), min(max(high, 2.0), 10.0))
    axes.yaxis.set_major_locator(FixedLocator([0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0]))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _kilometers(axes: Axes, cells: Sequence[int], spacing_km: float) -> None:
    if not np.isfinite(spacing_km):
        return
    top = axes.secondary_xaxis("top")
    top.set_xticks(list(cells), [f"{float(f'{size * spacing_km:.3g}'):g}" for size in cells])
    top.xaxis.set_minor_locator(NullLocator())
    top.set_xlabel("wavelength [km]")


def _two_or_five(value: float, _: int | None) -> str:
    """Return the text of a minor tick of a logarithmic axis: 2 and 5 of each decade have one."""
    return f"{value:g}" if f"{value:e}"[0] in "25" else ""


def _column(rows: Sequence[Mapping[str, Any]], key: str) -> tuple[np.ndarray, np.ndarray]:
    """Return (steps, values) of the rows that have `key`, in order of step."""
    pairs = sorted((float(row["step"]), float(row[key])) for row in rows if row.get(key) is not None and "step" in row)
    table = np.asarray(pairs, dtype=float).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _thin(steps: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return mean, 10th and 90th percentile of `values` in runs of steps, and the middle step of each run."""
    n_runs = min(_MOST_POINTS, steps.size)
    runs = np.array_split(np.arange(steps.size), n_runs)
    low, high = (np.asarray([np.quantile(values[run], level) for run in runs]) for level in (0.1, 0.9))
    return np.asarray([values[run].mean() for run in runs]), low, high, np.asarray([steps[run].mean() for run in runs])
