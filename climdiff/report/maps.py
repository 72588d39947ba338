"""Maps of one date: coarse input, truth, ensemble mean, spread and members, in the projection of the data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FixedLocator, MaxNLocator

from climdiff.grids.grid import Grid
from climdiff.grids.projection import meters
from climdiff.report.colors import Scale, spread_scale, value_scale
from climdiff.report.frames import Frame, edges_in, frame_of
from climdiff.report.labels import date_label, drawn, long_name, quantity, sentence, units_label
from climdiff.report.style import styled

_WIDTH = 7.2  # width of a figure [inch]: two columns of a journal
_TALLEST = 2.6  # greatest height of a panel [inch]
Place = tuple[float, float, float, float]  # left, bottom, width, height as shares of the figure
_LEFT, _RIGHT, _TOP, _GAP, _ROW_GAP, _BOTTOM = 0.42, 0.62, 0.42, 0.08, 0.22, 0.78  # [inch]


@dataclass(frozen=True)
class Panel:
    """One map: a title, a field on its own grid, and how values become colours."""

    title: str
    values: xr.DataArray
    grid: Grid
    scale: Scale


def ensemble_maps(
    truth: xr.Dataset,
    coarse: xr.Dataset,
    ensemble: xr.Dataset,
    *,
    grids: tuple[Grid, Grid],
    time: Any,
    variable: str,
    members: int = 4,
) -> Figure:
    """Return maps of `variable` at `time`: coarse input, truth, ensemble mean and spread above, members below.

    Args:
        truth: fine fields `(time, y, x)`.
        coarse: coarse fields on their own grid, drawn as their own cells; left out where it lacks `variable`.
        ensemble: fine fields `(realization, time, y, x)`; without members they are one.
        grids: the fine and the coarse grid.
        time: a value of the time coordinate, present in all three.
        members: how many members are shown: the first ones, not the best ones.

    All panels share one scale, except the spread (standard deviation with ddof 1) which has its own; one member has no
    spread and no such panel.
    """
    fine_grid, coarse_grid = grids
    drawn_members = ensemble[variable].sel(time=time)
    if "realization" not in drawn_members.dims:
        drawn_members = drawn_members.expand_dims("realization")
    drawn_members = in_readable_units(drawn_members.transpose("realization", ...).load())
    true_field = in_readable_units(truth[variable].sel(time=time).load())
    fields = {"truth": (true_field, fine_grid)}
    if variable in coarse:
        fields = {"coarse input": (in_readable_units(coarse[variable].sel(time=time).load()), coarse_grid), **fields}
    mean = drawn_members.mean("realization").assign_attrs(true_field.attrs)
    fields["ensemble mean"] = (mean, fine_grid)
    shown = drawn_members.isel(realization=slice(members))
    scale = value_scale([true_field, *(field for field, _ in fields.values()), *shown])
    panels = [Panel(name, field.assign_attrs(true_field.attrs), grid, scale) for name, (field, grid) in fields.items()]
    if drawn_members.sizes["realization"] > 1:
        spread = drawn_members.std("realization", ddof=1).assign_attrs(true_field.attrs)
        panels.append(Panel("ensemble spread", spread, fine_grid, spread_scale(spread)))
    columns = len(panels)
    numbers = shown["realization"].values if "realization" in shown.coords else range(shown.sizes["realization"])
    panels += [Panel(f"member {n}", field, fine_grid, scale) for n, field in zip(numbers, shown, strict=True)]
    title = f"{sentence(long_name(true_field))}, {date_label(time_value(true_field))}"
    return draw_panels(panels, columns, title=title)


def in_readable_units(field: xr.DataArray) -> xr.DataArray:
    """Return a precipitation flux of kg m-2 s-1 as mm day-1, other fields as they are."""
    if field.attrs.get("units") not in ("kg m-2 s-1", "kg/m2/s", "kg m**-2 s**-1"):
        return field
    return (field * 86400.0).assign_attrs(field.attrs | {"units": "mm day-1"})


def time_value(field: xr.DataArray) -> Any:
    """Return the time of a field as one numpy or cftime value."""
    value = field["time"].values
    return value[()] if np.issubdtype(value.dtype, np.datetime64) else value.item()


def draw_panels(panels: Sequence[Panel], columns: int, title: str = "") -> Figure:
    """Return a figure of `panels` in rows of `columns`, lettered, with a colour bar for each scale that is used."""
    frame = frame_of(panels[0 if len(panels) == 1 else 1].grid)
    rows = -(-len(panels) // columns)
    width = (_WIDTH - _LEFT - _RIGHT - (columns - 1) * _GAP) / columns
    height = min(width * frame.height_over_width, _TALLEST)
    width = height / frame.height_over_width
    size = (
        _LEFT + _RIGHT + columns * width + (columns - 1) * _GAP,
        _TOP + _BOTTOM + rows * height + (rows - 1) * _ROW_GAP,
    )
    with styled():
        figure = Figure(figsize=size)
        FigureCanvasAgg(figure)
        figure.text(_LEFT / size[0], 1 - 0.06 / size[1], drawn(title), weight="bold", va="top", size=8.5)
        axes = []
        for number, panel in enumerate(panels):
            row, column = divmod(number, columns)
            left = _LEFT + column * (width + _GAP)
            lower = _BOTTOM + (rows - 1 - row) * (height + _ROW_GAP)
            place = (left / size[0], lower / size[1], width / size[0], height / size[1])
            last = number + columns >= len(panels)
            axes.append(_draw_panel(figure, place, frame, panel, number=number, labelled=(column == 0, last)))
        _draw_bars(figure, size, panels, axes)
    return figure


def _draw_panel(
    figure: Figure, place: Place, frame: Frame, panel: Panel, *, number: int, labelled: tuple[bool, bool]
) -> Any:
    """Draw one panel; `labelled` says whether its left and its lower axis carry numbers."""
    axes: Any = figure.add_axes(place, projection=frame.projection) if frame.projection else figure.add_axes(place)
    x, y = edges_in(frame, panel.grid)
    values = np.ma.masked_invalid(panel.values.transpose(panel.grid.y_dim, panel.grid.x_dim).values)
    axes.pcolormesh(x, y, values, cmap=panel.scale.colors, norm=panel.scale.norm, rasterized=True)
    axes.set_xlim(frame.box[:2])
    axes.set_ylim(frame.box[2:])
    axes.set_aspect("auto")
    if frame.projection is None:
        _draw_lengths(axes, frame, labelled)
    else:
        axes.add_geometries([frame.coast], crs=frame.projection, facecolor="none", **_coast_style(frame))
        _draw_graticule(axes, frame, labelled)
    axes.set_title(f"$\\bf{{{chr(97 + number % 26)}}}$  {drawn(panel.title)}", loc="left", pad=3)
    return axes


def _draw_graticule(axes: Any, frame: Frame, labelled: tuple[bool, bool]) -> None:
    sides = (("left", "y", labelled[0]), ("bottom", "x", labelled[1]))
    lines = axes.gridlines(
        draw_labels={side: name for side, name, shown in sides if shown}, x_inline=False, y_inline=False,
        linewidth=0.35, color="#444444", alpha=0.45, linestyle=(0, (2, 2)),
    )  # fmt: skip
    lines.xlocator, lines.ylocator = (FixedLocator(list(degrees)) for degrees in frame.graticule)
    lines.xlabel_style = lines.ylabel_style = {"size": 5.8, "color": "#333333"}
    lines.rotate_labels = False
    lines.xpadding = lines.ypadding = 2.5


def _coast_style(frame: Frame) -> dict[str, Any]:
    """Return the line of the coast: dark with a pale halo, thinner where the map shows a large part of the Earth."""
    width = 0.6 if frame.grid.kind == "projected" or frame.box[1] - frame.box[0] < 60 else 0.35
    halo = withStroke(linewidth=2.5 * width, foreground="white", alpha=0.6)
    return {"edgecolor": "#222222", "linewidth": width, "path_effects": [halo]}


def _draw_lengths(axes: Axes, frame: Frame, labelled: tuple[bool, bool]) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10], prune="upper"))
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    axes.tick_params(labelleft=labelled[0], labelbottom=labelled[1], size=2, pad=1.5, labelsize=5.8)
    units = str(frame.grid.axis("x").attrs.get("units", ""))
    label = "km" if meters(units) else "cells" if frame.grid.is_counted else drawn(units)
    if labelled[0]:
        axes.set_ylabel(label, size=5.8, labelpad=1)
    if labelled[1]:
        axes.set_xlabel(label, size=5.8, labelpad=1)


def _draw_bars(figure: Figure, size: tuple[float, float], panels: Sequence[Panel], axes: Sequence[Axes]) -> None:
    """Draw the common colour bar below all panels, and the bar of another scale right of its panel."""
    common = panels[0].scale
    width = min(0.62 * size[0], size[0] - _LEFT - _RIGHT)
    place = ((size[0] - width) / 2 / size[0], 0.36 / size[1], width / size[0], 0.085 / size[1])
    _draw_bar(figure, place, common, quantity(panels[0].values), "horizontal")
    for panel, ax in zip(panels, axes, strict=True):
        if panel.scale is common:
            continue
        box = ax.get_position(original=True)
        place = (box.x1 + 0.06 / size[0], box.y0 + 0.02 * box.height, 0.075 / size[0], 0.96 * box.height)
        _draw_bar(figure, place, panel.scale, units_label(panel.values.attrs.get("units", "")), "vertical")


def _draw_bar(figure: Figure, place: Place, scale: Scale, label: str, orientation: str) -> None:
    axes = figure.add_axes(place)
    source = ScalarMappable(norm=scale.norm, cmap=scale.colors)
    extend = scale.extend
    bar = figure.colorbar(source, cax=axes, orientation=orientation, extend=extend, spacing="uniform", extendfrac=0.05)
    length = place[2] * figure.get_figwidth() if orientation == "horizontal" else place[3] * figure.get_figheight()
    ticks = scale.ticks[:: max(1, math.ceil(0.11 * len(scale.ticks) / length))]
    bar.set_ticks(list(ticks), labels=[f"{level:.6g}".replace("-", "−") for level in ticks])
    bar.ax.tick_params(labelsize=6, size=2, pad=1.5)
    bar.outline.set_linewidth(0.4)
    if orientation == "horizontal":
        bar.set_label(drawn(label), size=7, labelpad=2)
    else:
        bar.ax.set_title(drawn(label), size=6, pad=5, loc="left")
