"""Maps of where the model is better show both scores and their ratio."""

import numpy as np
import pytest
import xarray as xr

from climdiff.grids.grid import Grid
from climdiff.report.gains import gain_maps


@pytest.fixture
def grid(rain_world):
    return Grid.from_dataset(rain_world("latlon")[0])


def crps(values):
    return xr.DataArray(np.full((16, 24), values), dims=("lat", "lon"))


def test_the_third_map_is_the_difference_in_percent_of_the_other(grid):
    figure = gain_maps(crps(0.75), crps(1.0), grid, ("diffusion", "quantile_mapping"), "mm day-1")
    maps = [axes for axes in figure.axes if axes.get_title(loc="left")][:3]
    assert [axes.get_title(loc="left").split("  ")[1] for axes in maps] == [
        "diffusion",
        "quantile mapping",
        "difference",
    ]
    shown = [np.unique(axes.collections[0].get_array()).tolist() for axes in maps]
    assert shown == [[0.75], [1.0], [-25.0]]


def test_cells_without_a_score_have_no_difference(grid):
    other = crps(1.0)
    other[0, 0], other[1, 1] = np.nan, 0.0
    axes = [axes for axes in gain_maps(crps(0.5), other, grid, ("a", "b")).axes if axes.get_title(loc="left")][2]
    assert np.ma.count_masked(axes.collections[0].get_array()) == 2
