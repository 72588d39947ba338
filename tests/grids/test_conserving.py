"""Block means to rounding, within bounds, as close to the field as can be, each block by itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from climdiff.grids.blocks import Blocks
from climdiff.grids.conserving import scaled, shifted

AREA = np.repeat(np.array([[1.0], [0.9], [0.7], [0.4]]), 6, axis=1)
BLOCKS = Blocks((2, 3), AREA, (False, False))
PLAIN = BLOCKS.plain()
FIELDS = arrays(np.float32, (4, 6), elements=st.floats(0, 100, width=32))
MEANS = arrays(np.float32, (2, 2), elements=st.floats(0, 50, width=32))


@given(FIELDS, MEANS)
def test_fault_080_block_means_are_those_asked_for(fields, means):
    found = scaled(fields, means, BLOCKS, largest=1e6)
    np.testing.assert_allclose(BLOCKS.mean(found), means, rtol=1e-10, atol=1e-12)
    assert (found >= 0).all()


@given(FIELDS, MEANS, st.floats(10.0, 60.0))
def test_fault_080_block_means_are_met_under_a_bound_too(fields, means, largest):
    found = scaled(fields, means, BLOCKS, largest)
    np.testing.assert_allclose(
        BLOCKS.mean(found), np.minimum(means.astype(np.float64), largest), rtol=1e-10, atol=1e-12
    )
    assert found.min() >= 0 and found.max() <= largest * (1 + 1e-12)


@given(FIELDS, MEANS)
def test_order_of_cells_within_a_block_is_kept(fields, means):
    found = PLAIN.cells(scaled(fields, means, PLAIN, largest=30.0))
    order = np.argsort(PLAIN.cells(fields), axis=-1, kind="stable")
    steps = np.diff(np.take_along_axis(found, order, -1), axis=-1)
    assert steps.min() >= -1e-9


def test_dry_cells_stay_dry_and_empty_blocks_become_even():
    fields = np.zeros((4, 6))
    fields[0, 0] = 2.0
    found = scaled(fields, np.array([[1.0, 0.5], [0.0, 0.0]]), PLAIN, largest=1e6)
    assert found[0, 0] == pytest.approx(6.0)
    assert (found[:2, :3].ravel()[1:] == 0).all()
    assert (found[:2, 3:] == 0.5).all()
    assert (found[2:] == 0).all()


def test_rounding_noise_is_no_pattern():
    noise = np.abs(np.random.default_rng(0).normal(size=(4, 6))) * 1e-7
    found = scaled(noise, np.full((2, 2), 0.25), PLAIN, largest=100.0)
    np.testing.assert_array_equal(found, np.full((4, 6), 0.25))


def test_what_the_bound_cuts_off_goes_to_the_other_wet_cells():
    fields = np.array([[8.0, 1.0, 1.0], [0.0, 1.0, 1.0]])
    blocks = Blocks((2, 3), np.ones((2, 3)), (False, False))
    found = scaled(fields, np.array([[4.0]]), blocks, largest=9.0)
    np.testing.assert_allclose(found, [[9.0, 3.75, 3.75], [0.0, 3.75, 3.75]])


def test_what_wet_cells_cannot_hold_goes_to_the_dry_ones():
    fields = np.array([[8.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    blocks = Blocks((2, 3), np.ones((2, 3)), (False, False))
    found = scaled(fields, np.array([[4.0]]), blocks, largest=9.0)
    np.testing.assert_allclose(found, [[9.0, 3.0, 3.0], [3.0, 3.0, 3.0]])


def test_a_field_does_not_depend_on_what_is_beside_it():
    rng = np.random.default_rng(1)
    fields, means = rng.gamma(0.3, 10, size=(20, 4, 6)).astype(np.float32), rng.gamma(1.0, 5.0, size=(20, 2, 2))
    for move in (lambda f, m: scaled(f, m, BLOCKS, 12.0), lambda f, m: shifted(f, m, BLOCKS, 0.0, 12.0)):
        together = move(fields, means)
        for number in range(20):
            np.testing.assert_array_equal(together[number], move(fields[number], means[number]))


@pytest.mark.parametrize("move", [lambda f, m: scaled(f, m, PLAIN, 9.0), lambda f, m: shifted(f, m, PLAIN, 0.0, 9.0)])
def test_a_block_with_something_missing_is_left_alone(move):
    fields = np.full((4, 6), 2.0)
    fields[0, 0] = np.nan
    found = move(fields, np.array([[1.0, 1.0], [np.nan, 1.0]]))
    np.testing.assert_array_equal(found[:2, :3], fields[:2, :3])
    np.testing.assert_array_equal(found[2:, :3], fields[2:, :3])
    np.testing.assert_allclose(found[:, 3:], 1.0)


def test_shifted_fields_keep_their_pattern():
    fields = np.random.default_rng(0).normal(size=(4, 6))
    means = np.array([[1.0, -2.0], [0.0, 5.0]])
    found = shifted(fields, means, BLOCKS, -100.0, 100.0)
    np.testing.assert_allclose(BLOCKS.mean(found), means, atol=1e-12)
    np.testing.assert_allclose((found - fields)[:2, :3].std(), 0, atol=1e-12)


@given(arrays(np.float64, (4, 6), elements=st.floats(-10, 10)), arrays(np.float64, (2, 2), elements=st.floats(-8, 8)))
def test_shifted_fields_stay_between_their_bounds(fields, means):
    found = shifted(fields, means, BLOCKS, -9.0, 8.5)
    np.testing.assert_allclose(BLOCKS.mean(found), means, atol=1e-9)
    assert found.min() >= -9.0 and found.max() <= 8.5
