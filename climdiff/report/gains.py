"""Where a forecast is better than another: maps of the fair CRPS of both, mean over time, and of the difference."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from climdiff.grids.grid import Grid
from climdiff.report.colors import difference_scale, spread_scale
from climdiff.report.maps import Panel, draw_panels


def gain_maps(model: xr.DataArray, other: xr.DataArray, grid: Grid, names: tuple[str, str], units: str = "") -> Figure:
    """Return maps of the fair CRPS of a model and of another method on one scale, and of their difference.

    Args:
        model: Fair CRPS of the model, mean over time, on the dimensions of `grid`; NaN where there is no truth.
        other: That of the method it is held against.
        grid: Of both.
        names: Of the model and of the method.
        units: Of both.
    """
    about = {"long_name": "fair CRPS, mean over time", "units": units}
    model, other = model.assign_attrs(about), other.assign_attrs(about)
    change = 100 * (model / other.where(other > 0) - 1)
    scale = spread_scale(xr.DataArray(np.stack([model.values, other.values])))
    panels = [
        Panel(name.replace("_", " "), field, grid, scale) for name, field in zip(names, (model, other), strict=True)
    ]
    change = change.assign_attrs({"long_name": "difference", "units": "%"})
    panels.append(Panel("difference", change, grid, difference_scale(change)))
    return draw_panels(panels, len(panels), title="Where the model is better")
