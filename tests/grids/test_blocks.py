"""Blocks of fine cells: means by hand, refusals."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from climdiff.errors import DataError
from climdiff.grids.blocks import Blocks, blocks_of
from climdiff.grids.grid import Grid


def grid(ny, nx, step, start=0.0, names=("y", "x"), units="km", down=False):
    y = start + step * (np.arange(ny) + 0.5)
    x = start + step * (np.arange(nx) + 0.5)
    coords = {names[0]: (names[0], y[::-1] if down else y, {"units": units}), names[1]: (names[1], x, {"units": units})}
    return Grid.from_dataset(xr.Dataset({"pr": (names, np.zeros((ny, nx)))}, coords))


PLAIN = Blocks((2, 3), np.ones((4, 6)), (False, False))


def test_block_means_are_those_by_hand():
    fields = np.arange(24.0).reshape(4, 6)
    assert PLAIN.mean(fields).tolist() == [[4.0, 7.0], [16.0, 19.0]]


def test_area_weights_the_mean():
    blocks = Blocks((2, 1), np.array([[3.0], [1.0]]), (False, False))
    assert blocks.mean(np.array([[1.0], [5.0]])).tolist() == [[2.0]]


def test_spread_is_undone_by_the_mean():
    values = np.array([[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_array_equal(PLAIN.mean(PLAIN.spread(values)), values)


def test_cells_are_those_of_each_block_and_come_back():
    fields = np.arange(48.0).reshape(2, 4, 6)
    cells = PLAIN.cells(fields)
    assert cells.shape == (2, 2, 2, 6)
    assert cells[0, 1, 0].tolist() == [12, 13, 14, 18, 19, 20]
    np.testing.assert_array_equal(PLAIN.joined(cells), fields)


def test_plain_blocks_weigh_all_cells_the_same():
    blocks = Blocks((2, 1), np.array([[3.0], [1.0]]), (False, False))
    assert blocks.plain().mean(np.array([[1.0], [5.0]])).tolist() == [[3.0]]


def test_a_whole_refinement_is_recognized_in_either_direction():
    blocks = blocks_of(grid(2, 3, 16.0, down=True), grid(8, 12, 4.0))
    assert blocks.factor == (4, 4)
    assert blocks.flips == (True, False)
    assert blocks.oriented(np.array([[1, 2, 3], [4, 5, 6]])).tolist() == [[4, 5, 6], [1, 2, 3]]


@pytest.mark.parametrize("fine", [grid(9, 12, 4.0), grid(8, 12, 4.0, start=1.0), grid(8, 12, 3.9)])
def test_fault_020_grids_that_are_no_blocks_are_refused(fine):
    with pytest.raises(DataError, match=r"CD-020 .*are no blocks of .*Fix: set sample\.conserve to false"):
        blocks_of(grid(2, 3, 16.0), fine)


def degrees(ny, nx, step, west):
    lat, lon = 30 + step * (np.arange(ny) + 0.5), west + step * (np.arange(nx) + 0.5)
    coords = {"lat": ("lat", lat, {"units": "degrees_north"}), "lon": ("lon", lon, {"units": "degrees_east"})}
    return Grid.from_dataset(xr.Dataset({"pr": (("lat", "lon"), np.zeros((ny, nx)))}, coords))


@pytest.mark.parametrize("west", [-10.0, 350.0])
def test_fault_014_blocks_do_not_depend_on_where_longitudes_begin(west):
    fine = degrees(8, 16, 0.5, -10.0)
    assert blocks_of(degrees(2, 4, 2.0, west), fine).factor == (4, 4)
    with pytest.raises(DataError, match="CD-020"):
        blocks_of(degrees(2, 4, 2.0, west + 1), fine)


@pytest.mark.parametrize("is_down", [False, True])
def test_of_a_coarse_grid_that_reaches_beyond_the_fine_one_the_cells_it_shares_are_blocks(is_down):
    coarse, fine = grid(6, 5, 8.0, start=-16.0, down=is_down), grid(8, 4, 4.0, start=0.0)
    blocks = blocks_of(coarse, fine)
    assert blocks.factor == (2, 2)
    values = np.repeat(coarse.y[:, None], 5, axis=1)
    np.testing.assert_array_equal(blocks.oriented(values), [[4, 4], [12, 12], [20, 20], [28, 28]])


@pytest.mark.parametrize("start", [-16.5, 90.0])
def test_a_coarse_grid_that_is_off_or_elsewhere_has_no_blocks(start):
    with pytest.raises(DataError, match="CD-020"):
        blocks_of(grid(6, 5, 8.0, start=start), grid(8, 4, 4.0, start=0.0))


def test_coordinates_in_float32_are_blocks_as_far_as_their_digits_say():
    fine, coarse = grid(80, 80, 0.01, start=100.0), grid(10, 10, 0.08, start=100.0)
    rounded = Grid.from_dataset(
        xr.Dataset(
            {"pr": (("y", "x"), np.zeros(fine.shape))},
            {dim: (dim, fine.y.astype(np.float32), {"units": "km"}) for dim in ("y", "x")},
        )
    )
    assert blocks_of(coarse, rounded).factor == (8, 8)
