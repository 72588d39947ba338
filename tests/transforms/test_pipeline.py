"""Pipelines: exact inverse, additive statistics, states that say what they were fitted on."""

from __future__ import annotations

import numpy as np
import xarray as xr

from climdiff.transforms.pipeline import Pipeline
from climdiff.transforms.precipitation import Log1p
from climdiff.transforms.residual import Residual
from climdiff.transforms.scaling import Standardize


def rain(n_times: int = 12, seed: int = 0, dtype: type = np.float64) -> xr.Dataset:
    values = np.random.default_rng(seed).gamma(0.3, 8.0, size=(n_times, 4, 5))
    attrs = {"standard_name": "lwe_precipitation_rate", "units": "mm h-1", "lower_bound": np.float32(0)}
    times = np.datetime64("2000-01-01", "ns") + np.arange(n_times) * np.timedelta64(1, "D")
    coords = {"time": times, "y": np.arange(4.0), "x": np.arange(5.0)}
    return xr.Dataset({"pr": (("time", "y", "x"), values.astype(dtype), attrs)}, coords=coords)


def test_residual_rain_comes_back_after_inversion() -> None:
    truth, guess = rain(), rain(seed=1)
    pipeline = Pipeline({"pr": (Log1p(0.1), Residual(), Standardize())})
    state = pipeline.fit(lambda: [(truth, guess)], truth["time"])
    scores = pipeline.apply(truth, state, guess)
    assert abs(float(scores["pr"].mean())) < 1e-12
    assert abs(float(scores["pr"].std()) - 1) < 1e-12
    xr.testing.assert_allclose(pipeline.invert(scores, state, guess), truth, rtol=1e-6)
    low, high = pipeline.bounds({"pr": (0.0, 200.0)}, state, guess)
    assert low["pr"].shape == truth["pr"].shape
    assert bool((low["pr"] <= scores["pr"] + 1e-6).all() and (scores["pr"] <= high["pr"]).all())
