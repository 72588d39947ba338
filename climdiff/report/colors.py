"""Colour scales and line styles: one fixed scale per kind of field, ordered and readable without colour vision."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.colors import BoundaryNorm, Colormap, LinearSegmentedColormap, ListedColormap
from matplotlib.ticker import MaxNLocator

from climdiff.report.labels import plain

MISSING = "#d0d0d0"
RAIN_COLORS = (
    "#eef7e0", "#b9e4c3", "#7dcebe", "#4bb5c1", "#2f98c3", "#2f7abc", "#3e5bad", "#523894", "#5a1263", "#40063a",
)  # fmt: skip
SPREAD_COLORS = ("#fff3d6", "#fdd79a", "#f5b05a", "#e0822a", "#b65a14", "#80390f", "#4a1f0b")
RAIN_LEVELS_PER_HOUR = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)  # [mm/h]
RAIN_LEVELS_PER_DAY = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 50.0, 100.0)  # [mm/day]
_OKABE_ITO = ("#CC79A7", "#56B4E9", "#E69F00", "#F0E442")
_SOURCES = {
    "truth": ("#000000", "-", "truth"),
    "diffusion": ("#0072B2", "-", "diffusion"),
    "oracle": ("#009E73", (0, (5, 1.5)), "oracle"),
    "bilinear": ("#D55E00", "--", "bilinear"),
    "analogs": ("#E69F00", "-.", "analogs"),
    "climatology": ("#7f7f7f", ":", "climatology"),
    "conservative": ("#D55E00", ":", "conservative"),
    "pixel_law": ("#CC79A7", "-", "pixel law"),
    "quantile_mapping": ("#7f7f7f", "--", "quantile mapping"),
    "bcsd": ("#7f7f7f", "-.", "BCSD"),
    "rescaled_analogs": ("#E69F00", "-", "rescaled analogs"),
    "regression": ("#56B4E9", "-.", "regression"),
    "rescaled_regression": ("#56B4E9", "-", "rescaled regression"),
    "rainfarm": ("#8C510A", "-", "RainFARM"),
}


@dataclass(frozen=True)
class Scale:
    """How values become colours; `extend` says which ends of the colour bar are open."""

    colors: Colormap
    norm: BoundaryNorm
    extend: Literal["neither", "min", "max", "both"]

    @property
    def levels(self) -> np.ndarray:
        """The values at which the colour changes, in the units of the field."""
        return np.asarray(self.norm.boundaries)

    @property
    def ticks(self) -> np.ndarray:
        """The levels worth a number on a colour bar: every second one, zero among them, where there are many."""
        levels = self.levels
        if len(levels) <= 10:
            return levels
        return levels[np.rint(levels / (levels[1] - levels[0])).astype(int) % 2 == 0]


def is_rain(values: xr.DataArray) -> bool:
    """Tell whether `values` are precipitation, by their standard name, else by their usual short names."""
    standard_name = str(values.attrs.get("standard_name", ""))
    return "precipitation" in standard_name or "rainfall" in standard_name or values.name in ("pr", "tp", "precip")


def value_scale(fields: Iterable[xr.DataArray]) -> Scale:
    """Return one scale for all `fields` of a variable (truth, coarse, members), so that they can be compared.

    Rain has fixed levels by its units, is white below the lowest, and darkens with the amount. Other variables have
    round linear levels over their common range: temperature on an ordered warm scale, wind components on a scale
    that is symmetric about zero.
    """
    fields = list(fields)
    first = fields[0]
    low, high = _common_range(fields)
    if is_rain(first):
        return _stepped(_ramp(RAIN_COLORS), _rain_levels(first, high), under="white", extend="max")
    if any(part in str(first.attrs.get("standard_name", "")) for part in ("eastward", "northward", "upward")):
        reach = max(abs(low), abs(high))
        return _stepped(matplotlib.colormaps["RdBu_r"], _round_levels(-reach, reach))
    temperature = "temperature" in str(first.attrs.get("standard_name", ""))
    return _stepped(matplotlib.colormaps["plasma" if temperature else "viridis"], _round_levels(low, high))


def spread_scale(spread: xr.DataArray) -> Scale:
    """Return the scale of an ensemble's standard deviation: from white at zero to dark brown."""
    _, high = _common_range([spread])
    if is_rain(spread):
        return _stepped(_ramp(SPREAD_COLORS), _rain_levels(spread, high), under="white", extend="max")
    return _stepped(_ramp(SPREAD_COLORS), _round_levels(0.0, high))


def difference_scale(change: xr.DataArray) -> Scale:
    """Return the scale of a difference in percent: blue below 0, red above, symmetric, at most from -100 to 100."""
    low, high = _common_range([change])
    reach = min(max(abs(low), abs(high), 1.0), 100.0)
    scale = _stepped(matplotlib.colormaps["RdBu_r"], _round_levels(-reach, reach))
    return replace(scale, extend="max") if high > scale.levels[-1] else scale


def source_style(name: str, order: int = 0) -> dict[str, Any]:
    """Return line colour, dash and label of a source of forecasts; unknown names take the colour number `order`."""
    color, dash, label = _SOURCES.get(name, (_OKABE_ITO[order % len(_OKABE_ITO)], (0, (3, 1, 1, 1, 1, 1)), plain(name)))
    return {"color": color, "linestyle": dash, "label": label.replace("$", r"\$")}


def _rain_levels(rain: xr.DataArray, high: float) -> np.ndarray:
    units = plain(rain.attrs.get("units", "")).replace("/", " ").replace("-1", "")
    match units:
        case "mm h" | "mm hr" | "mm hour":
            return np.asarray(RAIN_LEVELS_PER_HOUR)
        case "mm" | "mm d" | "mm day" | "kg m-2 d" | "kg m-2 day":
            return np.asarray(RAIN_LEVELS_PER_DAY)
    top = int(np.ceil(np.log10(high))) if high > 0 else 0
    return np.asarray([step * 10.0**power for power in range(top - 3, top) for step in (1, 2, 5)] + [10.0**top])


def _round_levels(low: float, high: float) -> np.ndarray:
    if high - low < 1e-6 * max(abs(low), abs(high), 1e-30):
        width = max(abs(low) * 0.01, 1e-6)
        low, high = low - width, high + width
    return np.asarray(MaxNLocator(nbins=12, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high))


def _common_range(fields: Iterable[xr.DataArray]) -> tuple[float, float]:
    finite = [values[np.isfinite(values)] for values in (np.asarray(field) for field in fields)]
    finite = [values for values in finite if values.size]
    if not finite:
        return 0.0, 1.0
    return float(min(values.min() for values in finite)), float(max(values.max() for values in finite))


def _ramp(colors: tuple[str, ...]) -> Colormap:
    return LinearSegmentedColormap.from_list("ramp", colors, N=1024)


def _stepped(
    ramp: Colormap, levels: np.ndarray, under: str | None = None, extend: Literal["neither", "max"] = "neither"
) -> Scale:
    """Return a scale with one colour of `ramp` per step between `levels` (and above the last where it is open)."""
    n_colors = len(levels) - 1 + (extend == "max")
    picked = ramp(np.linspace(0.0, 1.0, max(n_colors, 2)))
    inside = picked[:-1] if extend == "max" else picked
    over = tuple(picked[-1]) if extend == "max" else None
    colors = ListedColormap([tuple(color) for color in inside]).with_extremes(bad=MISSING, under=under, over=over)
    return Scale(colors, BoundaryNorm(levels, len(inside)), extend)
