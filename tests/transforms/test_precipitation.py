"""Rain comes back exactly, is never negative, never infinite, and wet as often as before."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from climdiff.transforms.pipeline import Transform
from climdiff.transforms.precipitation import CubeRoot, Log1p, SquareRoot, WetDay

NOTHING = xr.Dataset()
STEPS = [Log1p(), Log1p(0.1), Log1p(25.0), SquareRoot(), CubeRoot()]
amounts = arrays(np.float64, 20, elements=st.floats(0.0, 3000.0, allow_subnormal=False))


@pytest.mark.parametrize("step", STEPS)
@settings(deadline=None, max_examples=30)
@given(values=amounts)
def test_rain_comes_back_to_one_in_a_million(step: Transform, values: np.ndarray) -> None:
    rain = xr.DataArray(values, dims="x")
    np.testing.assert_allclose(step.invert(step.apply(rain, NOTHING), NOTHING), values, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("step", STEPS)
def test_transforms_are_those_worked_out_by_hand(step: Transform) -> None:
    expected = {"log1p": np.log(1 + 8.0 / getattr(step, "scale", 1.0)), "sqrt": np.sqrt(8.0), "cbrt": 2.0}
    np.testing.assert_allclose(step.apply(xr.DataArray([8.0, 0.0]), NOTHING), [expected[step.name], 0.0], rtol=1e-14)


@pytest.mark.parametrize("step", [*STEPS, WetDay(0.1)])
@settings(deadline=None, max_examples=30)
@given(values=arrays(np.float32, 20, elements=st.floats(width=32, allow_nan=False)))
def test_whatever_comes_back_is_finite_and_not_negative(step: Transform, values: np.ndarray) -> None:
    values = values if step.name != "wet_day" else np.clip(values, -1e30, 1e30)
    back = step.invert(xr.DataArray(values.astype(np.float64), dims="x"), NOTHING).astype(np.float32)
    assert bool(np.isfinite(back).all())
    assert bool((back >= 0).all())


@pytest.mark.parametrize("step", [*STEPS, WetDay(0.1)])
def test_missing_values_pass_and_negative_rain_is_none(step: Transform) -> None:
    values = xr.DataArray([np.nan, -1e-9, 0.0])
    np.testing.assert_array_equal(step.apply(values, NOTHING), [np.nan, 0.0, 0.0])
    np.testing.assert_array_equal(step.invert(values, NOTHING), [np.nan, 0.0, 0.0])


@pytest.mark.parametrize("step", [*STEPS, WetDay(0.1)])
def test_more_rain_is_never_less_after_the_transform(step: Transform) -> None:
    rain = xr.DataArray(np.concatenate([[0.0], np.geomspace(1e-6, 1e6, 200)]))
    assert bool((np.diff(step.apply(rain, NOTHING)) >= 0).all())


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.7, 1.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_days_are_wet_as_often_after_the_inverse(threshold: float, dtype: type) -> None:
    tenths = np.random.default_rng(0).integers(0, 30, size=5000).astype(np.float64) / 10.0
    values = tenths.astype(dtype)
    rain = xr.DataArray(values.astype(np.float64), dims="x")
    wet_day, log1p = WetDay(threshold), Log1p(5.0)
    network = log1p.apply(wet_day.apply(rain, NOTHING), NOTHING).astype(np.float32)
    back = wet_day.invert(log1p.invert(network.astype(np.float64), NOTHING), NOTHING).values.astype(dtype)
    is_wet = values >= dtype(threshold)
    np.testing.assert_array_equal(back >= dtype(threshold), is_wet)
    np.testing.assert_array_equal(back[~is_wet], 0.0)
    np.testing.assert_allclose(back[is_wet], values[is_wet], rtol=1e-5)


def test_drizzle_of_the_network_is_none() -> None:
    back = WetDay(1.0).invert(xr.DataArray([0.99, 0.99995, 1.0, 7.0]), NOTHING)
    np.testing.assert_array_equal(back, [0.0, 1.0, 1.0, 7.0])
