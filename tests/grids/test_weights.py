"""Weights sum to one, stay between neighbors, and share lengths exactly."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from climdiff.grids.grid import Grid
from climdiff.grids.weights import Method, has_same_axes, locate, make_weights, overlap


def plain_grid(y: np.ndarray, x: np.ndarray, units: str = "m") -> Grid:
    return Grid.from_dataset(xr.Dataset(coords={"y": ("y", y, {"units": units}), "x": ("x", x, {"units": units})}))


def test_neighbors_and_shares_are_those_worked_out_by_hand() -> None:
    lower, upper, share = locate(np.array([0.0, 10.0, 30.0]), np.array([-5.0, 2.5, 10.0, 25.0, 99.0]), None)
    values = np.array([1.0, 2.0, 4.0])
    np.testing.assert_allclose(values[lower] * (1 - share) + values[upper] * share, [1.0, 1.25, 2.0, 3.5, 4.0])


def test_a_period_makes_neighbors_of_the_ends() -> None:
    lower, upper, share = locate(np.array([45.0, 135.0, 225.0, 315.0]), np.array([0.0, 350.0]), 360.0)
    assert {tuple(sorted(pair)) for pair in zip(lower.tolist(), upper.tolist(), strict=True)} == {(0, 3)}
    np.testing.assert_allclose(np.where(upper == 0, share, 1 - share), [0.5, 35 / 90])


def test_shared_lengths_are_those_worked_out_by_hand() -> None:
    shared = overlap(np.array([0.0, 2.0, 4.0]), np.array([4.0, 1.0, -1.0]), None)
    np.testing.assert_allclose(shared, [[1.0, 2.0], [1.0, 0.0]])
    around = overlap(np.array([0.0, 180.0, 360.0]), np.array([-90.0, 90.0]), 360.0)
    np.testing.assert_allclose(around, [[90.0, 90.0]])


@settings(deadline=None, max_examples=30)
@given(
    method=st.sampled_from(["bilinear", "conservative", "nearest"]),
    sizes=st.tuples(*[st.integers(2, 12)] * 4),
    turn=st.sampled_from([1, -1]),
)
def test_weights_are_positive_and_sum_to_one(method: Method, sizes: tuple[int, int, int, int], turn: int) -> None:
    edges = [np.linspace(0.0, 7.0, size + 1) for size in sizes]
    y, x, fine_y, fine_x = ((edge[1:] + edge[:-1]) / 2 for edge in edges)
    weights = make_weights(plain_grid(y[::turn], x), plain_grid(fine_y, fine_x[::turn]), method)
    for matrix in (weights.y, weights.x):
        assert matrix is not None
        assert matrix.data.min() > 0
        np.testing.assert_allclose(matrix.sum(axis=1), 1.0, rtol=1e-14)


def test_axes_in_other_units_are_not_the_same_axes() -> None:
    meters = plain_grid(np.arange(4.0), np.arange(5.0))
    assert has_same_axes(meters, plain_grid(np.arange(9.0), np.arange(7.0)))
    assert not has_same_axes(meters, plain_grid(np.arange(4.0), np.arange(5.0), "km"))


def test_fields_have_the_same_bits_in_any_block() -> None:
    centers = [np.arange(0.5, 7, 1.0), np.arange(0.1, 7, 0.2)]
    weights = make_weights(plain_grid(centers[0], centers[0]), plain_grid(centers[1], centers[1]), "bilinear")
    fields = np.random.default_rng(0).normal(size=(33, 7, 7))
    together = weights.apply(fields)
    for index in (0, 7, 32):
        np.testing.assert_array_equal(weights.apply(fields[index : index + 1])[0], together[index])


@pytest.mark.parametrize("method", ["bilinear", "nearest"])
def test_weights_of_the_same_grids_are_made_once(method: Method) -> None:
    grids = plain_grid(np.arange(4.0), np.arange(5.0)), plain_grid(np.arange(0, 3, 0.5), np.arange(0, 4, 0.5))
    assert make_weights(*grids, method) is make_weights(*grids, method)
