"""What the lecture's pictures share: their sheet, their colours, a field without a grid, a density."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure, SubFigure
from matplotlib.patheffects import withStroke

from climdiff.report.colors import Scale, spread_scale, value_scale

WIDTH = 6.0
"""Of a sheet [inch]: narrower than a page, so that the letters are large on a slide."""

BLUE, ORANGE, GREEN, RED, PINK = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7"
GREY = "#8a8a8a"
TITLE: Any = {"x": 0.01, "ha": "left", "fontweight": "bold", "fontsize": 7.5}
_LARGEST = 2.6  # of x and z_t, on their scale

_RAIN = {"standard_name": "lwe_precipitation_rate", "units": "mm day-1"}


def sheet(height: float) -> Figure:
    """Return an empty figure of that height [inch]."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def halves(figure: Figure, heights: tuple[float, float]) -> tuple[SubFigure, SubFigure]:
    """Return the upper and the lower part of a figure, of these relative heights."""
    parts: Any = figure.subfigures(2, 1, height_ratios=heights)
    return parts[0], parts[1]


def panels_of(figure: SubFigure | Figure, rows: int, columns: int, **options: Any) -> np.ndarray:
    """Return empty panels (row, column) that fill a figure."""
    return np.asarray(figure.subplots(rows, columns, squeeze=False, **options))


def open_frame(axes: Axes) -> None:
    """Take away the upper and the right line around `axes`."""
    axes.spines[["top", "right"]].set_visible(False)


def headline(axes: Axes, text: str) -> None:
    """Write what one sees above `axes`, from its left edge."""
    axes.set_title(text, loc="left", fontweight=TITLE["fontweight"], fontsize=TITLE["fontsize"])


def label(axes: Axes, x: float, y: float, text: str, color: str, **options: Any) -> None:
    """Write `text` at a point of the data, readable over what is drawn there."""
    halo = [withStroke(linewidth=2, foreground="white")]
    axes.text(x, y, text, color=color, path_effects=halo, **options)


def latent(axes: Axes, values: np.ndarray) -> None:
    """Draw a field (y, x) of x or z_t: brown where it is dry, green where it rains, white between them."""
    shades: Any = {"cmap": "BrBG", "vmin": -_LARGEST, "vmax": _LARGEST}
    axes.imshow(values, origin="lower", interpolation="nearest", **shades)
    axes.set(xticks=[], yticks=[])


def rain_scale() -> Scale:
    """Return the scale of rain [mm/day], the same in all pictures."""
    return value_scale([xr.DataArray(np.zeros(1), attrs=_RAIN)])


def rain_spread_scale() -> Scale:
    """Return the scale of the standard deviation of rain [mm/day]."""
    return spread_scale(xr.DataArray(np.zeros(1), attrs=_RAIN))


def rain(axes: Axes, values: np.ndarray, scale: Scale) -> None:
    """Draw a field (y, x) of rain [mm/day]."""
    axes.imshow(values, origin="lower", interpolation="nearest", cmap=scale.colors, norm=scale.norm)
    axes.set(xticks=[], yticks=[])


def latent_bar(figure: SubFigure | Figure, beside: Sequence[Axes] | np.ndarray) -> None:
    """Draw the colour bar of x and z_t to the right of some panels."""
    shown = ScalarMappable(Normalize(-_LARGEST, _LARGEST), "BrBG")
    bar = figure.colorbar(shown, ax=beside, extend="both", aspect=12, pad=0.02, shrink=0.9, ticks=[-2, -1, 0, 1, 2])
    bar.set_label("dry      rain")
    bar.outline.set_linewidth(0.5)


def rain_bar(
    figure: SubFigure | Figure,
    beside: Sequence[Axes] | np.ndarray,
    scale: Scale,
    text: str = "rain [mm/day]",
    location: Any = "right",
) -> None:
    """Draw a colour bar of rain beside some panels."""
    shown = ScalarMappable(scale.norm, scale.colors)
    place: Any = {"location": location, "aspect": 12, "pad": 0.02, "shrink": 0.9}
    bar = figure.colorbar(shown, ax=beside, extend=scale.extend, ticks=scale.levels[::2], **place)
    bar.set_label(text)
    bar.ax.set_yticklabels([f"{level:g}" for level in scale.levels[::2]])
    bar.outline.set_linewidth(0.5)


def sideways(axes: Axes, sample: np.ndarray, grid: np.ndarray, density: np.ndarray, color: str) -> None:
    """Draw a histogram of `sample` and a density on its side, values upwards."""
    shape: Any = {"bins": 60, "range": (grid[0], grid[-1]), "density": True, "orientation": "horizontal"}
    axes.hist(sample, color=color, alpha=0.35, **shape)
    axes.plot(density, grid, color="black", linewidth=1.0)
    axes.set_xticks([])
    axes.tick_params(labelleft=False)
    open_frame(axes)
