"""Blocks of fine cells: means by hand, conservation to rounding, refusals."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from climdiff.errors import DataError
from climdiff.grids.blocks import Blocks, blocks_of, conserve, shift
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


@given(
    arrays(np.float32, (4, 6), elements=st.floats(0, 100, width=32)),
    arrays(np.float32, (2, 2), elements=st.floats(0, 50, width=32)),
)
def test_fault_080_block_means_are_those_asked_for(fields, means):
    found = conserve(fields, means, PLAIN, largest=1e6)
    np.testing.assert_allclose(PLAIN.mean(found), means, rtol=1e-6, atol=1e-12)
    assert (found >= 0).all()


def test_dry_cells_stay_dry_and_empty_blocks_become_even():
    fields = np.zeros((4, 6))
    fields[0, 0] = 2.0
    found = conserve(fields, np.array([[1.0, 0.5], [0.0, 0.0]]), PLAIN, largest=1e6)
    assert found[0, 0] == pytest.approx(6.0)
    assert (found[:2, :3].ravel()[1:] == 0).all()
    assert (found[:2, 3:] == 0.5).all()
    assert (found[2:] == 0).all()


def test_what_the_bound_cuts_off_goes_to_the_rest_of_the_block():
    fields = np.array([[8.0, 1.0, 1.0], [0.0, 1.0, 1.0]])
    blocks = Blocks((2, 3), np.ones((2, 3)), (False, False))
    found = conserve(fields, np.array([[4.0]]), blocks, largest=9.0, n_rounds=60)
    assert found.max() <= 9.0
    assert blocks.mean(found)[0, 0] == pytest.approx(4.0, rel=1e-6)
    assert found[1, 0] == 0.0


def test_shifted_fields_keep_their_pattern():
    fields = np.random.default_rng(0).normal(size=(4, 6))
    means = np.array([[1.0, -2.0], [0.0, 5.0]])
    found = shift(fields, means, PLAIN)
    np.testing.assert_allclose(PLAIN.mean(found), means, atol=1e-12)
    np.testing.assert_allclose((found - fields)[:2, :3].std(), 0, atol=1e-12)


def test_a_whole_refinement_is_recognized_in_either_direction():
    blocks = blocks_of(grid(2, 3, 16.0, down=True), grid(8, 12, 4.0))
    assert blocks.factor == (4, 4)
    assert blocks.flips == (True, False)
    assert blocks.oriented(np.array([[1, 2, 3], [4, 5, 6]])).tolist() == [[4, 5, 6], [1, 2, 3]]


@pytest.mark.parametrize("fine", [grid(9, 12, 4.0), grid(8, 12, 4.0, start=1.0), grid(8, 12, 3.9)])
def test_fault_020_grids_that_are_no_blocks_are_refused(fine):
    with pytest.raises(DataError, match=r"CD-020 .*are no blocks of .*Fix: set sample\.conserve to false"):
        blocks_of(grid(2, 3, 16.0), fine)
