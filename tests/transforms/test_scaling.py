"""Statistics are those of one pass, whatever the blocks."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from climdiff.transforms.scaling import Standardize


def series(values: np.ndarray) -> xr.DataArray:
    return xr.DataArray(values, dims=("time", "y", "x"), name="tas")


def merged(step: Standardize, values: xr.DataArray, cuts: list[int]) -> xr.Dataset:
    edges = [0, *sorted(set(cuts)), values.sizes["time"]]
    states = [step.fit(values[start:stop]) for start, stop in pairwise(edges) if stop > start]
    total = states[0]
    for state in states[1:]:
        total = step.merge(total, state)
    return total


@settings(deadline=None, max_examples=8)
@given(
    cuts=st.lists(st.integers(1, 39), max_size=6),
    level=st.sampled_from([0.0, 285.0, 101325.0]),
    per_cell=st.booleans(),
    share_missing=st.sampled_from([0.0, 0.3]),
)
def test_blocks_of_any_size_give_the_statistics_of_one_pass(
    cuts: list[int], level: float, per_cell: bool, share_missing: float
) -> None:
    generator = np.random.default_rng(0)
    values = level + 8.0 * generator.normal(size=(40, 3, 4))
    values[generator.random(values.shape) < share_missing] = np.nan
    state = merged(Standardize(per_cell), series(values), cuts)
    axis = 0 if per_cell else None
    np.testing.assert_array_equal(state["count"], np.sum(~np.isnan(values), axis=axis))
    np.testing.assert_allclose(state["mean"], np.nanmean(values, axis=axis), rtol=1e-12, atol=1e-12 * 8)
    # A deviation far from 0 is known to the rounding of the level over it (Chan et al., 1983: the condition number).
    rounding = 4 * np.finfo(np.float64).eps * level / 8.0
    np.testing.assert_allclose(state["std"], np.nanstd(values, axis=axis), rtol=1e-12 + rounding)


def test_scores_have_zero_mean_and_unit_spread_and_come_back() -> None:
    values = series(np.random.default_rng(0).normal(285.0, 8.0, size=(50, 3, 4)))
    for step in (Standardize(), Standardize(per_cell=True)):
        state = step.fit(values)
        scores = step.apply(values, state)
        np.testing.assert_allclose(scores.mean(), 0.0, atol=1e-12)
        np.testing.assert_allclose(scores.std(), 1.0, rtol=1e-12)
        np.testing.assert_allclose(step.invert(scores, state), values, rtol=1e-14)


def test_a_cell_that_is_always_missing_stays_missing_and_spoils_no_other() -> None:
    values = series(np.random.default_rng(0).normal(size=(50, 3, 4)))
    values[:, 1, 1] = np.nan
    step = Standardize(per_cell=True)
    state = merged(step, values, [10, 20])
    assert step.check(state, "tas", "f.nc") == []
    assert int(step.apply(values, state).isnull().sum()) == 50


@pytest.mark.parametrize("level", [0.0, 3.3, 101325.0])
def test_a_constant_field_is_refused(level: float) -> None:
    step = Standardize()
    values = series(np.full((50, 3, 4), level, dtype=np.float32))
    (problem,) = step.check(merged(step, values, [7, 23]), "tas", "train.nc")
    assert str(problem).startswith(f"CD-034 train.nc: variable 'tas' is constant ({level:g} after the steps before)")
    assert "Fix: leave the variable out" in str(problem)


def test_constant_cells_are_counted_where_each_cell_has_its_own_statistics() -> None:
    values = series(np.random.default_rng(0).normal(size=(50, 3, 4)))
    values[:, 0, :2] = 0.0
    step = Standardize(per_cell=True)
    (problem,) = step.check(step.fit(values), "pr", "train.nc")
    assert "in 2 of 12 cells" in str(problem)


def test_missing_and_infinite_variables_are_refused() -> None:
    step = Standardize()
    (problem,) = step.check(step.fit(series(np.full((5, 3, 4), np.nan))), "tas", "train.nc")
    assert str(problem).startswith("CD-033 train.nc: variable 'tas' is missing everywhere")
    values = np.random.default_rng(0).normal(size=(5, 3, 4))
    values[2, 1, 1] = np.inf
    with np.errstate(invalid="ignore"):
        state = step.fit(series(values))
    (problem,) = step.check(state, "tas", "train.nc")
    assert str(problem).startswith("CD-033 train.nc: variable 'tas' has infinite values")
