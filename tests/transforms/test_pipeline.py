"""Pipelines: exact inverse, additive statistics, states that say what they were fitted on."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import cftime
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from climdiff.errors import DataError, MismatchError
from climdiff.transforms.pipeline import Block, Pipeline
from climdiff.transforms.precipitation import CubeRoot, Log1p, SquareRoot, WetDay
from climdiff.transforms.residual import Residual
from climdiff.transforms.scaling import Standardize
from climdiff.transforms.times import times_hash

RAIN = {"standard_name": "lwe_precipitation_rate", "units": "mm h-1", "lower_bound": np.float32(0)}
CHAINS = [
    (Log1p(0.1), Residual(), Standardize()),
    (WetDay(0.1), Log1p(), Residual(), Standardize(per_cell=True)),
    (SquareRoot(), Standardize(), Residual()),
    (CubeRoot(), Standardize(), Residual(), Standardize()),
    (Log1p(), Standardize()),
    (Standardize(),),
    (),
]


def weather(n_times: int = 12, seed: int = 0) -> xr.Dataset:
    generator = np.random.default_rng(seed)
    rain = generator.gamma(0.3, 8.0, size=(n_times, 4, 5)) * (generator.random((n_times, 4, 5)) < 0.7)
    warmth = 285.0 + 8.0 * generator.normal(size=rain.shape)
    times = np.datetime64("2000-01-01", "ns") + np.arange(n_times) * np.timedelta64(1, "D")
    dims = ("time", "y", "x")
    variables = {"pr": (dims, rain, RAIN), "tas": (dims, warmth, {"units": "K"})}
    return xr.Dataset(variables, coords={"time": times, "y": np.arange(4.0), "x": np.arange(5.0)})


def in_blocks(truth: xr.Dataset, guess: xr.Dataset | None, size: int = 5) -> Callable[[], Iterator[Block]]:
    def blocks() -> Iterator[Block]:
        for start in range(0, truth.sizes["time"], size):
            times = {"time": slice(start, start + size)}
            yield truth.isel(times), None if guess is None else guess.isel(times)

    return blocks


@pytest.mark.parametrize("chain", CHAINS)
def test_values_come_back_to_one_in_a_million(chain: tuple) -> None:
    truth, guess = weather(), weather(seed=1)
    truth["pr"] = truth["pr"].where((truth["pr"] == 0) | (truth["pr"] > 0.1), 0.0).assign_attrs(RAIN)
    pipeline = Pipeline({"pr": chain})
    state = pipeline.fit(in_blocks(truth, guess), truth["time"])
    back = pipeline.invert(pipeline.apply(truth, state, guess), state, guess)
    np.testing.assert_allclose(back["pr"], truth["pr"], rtol=1e-6, atol=1e-12)
    assert list(back) == ["pr"]
    assert back["pr"].attrs == RAIN


@settings(deadline=None, max_examples=10)
@given(values=arrays(np.float32, (3, 4, 5), elements=st.floats(0, 1000, width=32)), chain=st.sampled_from(CHAINS[:5]))
def test_float32_rain_comes_back_to_one_in_a_million_of_its_scale(values: np.ndarray, chain: tuple) -> None:
    guess = weather(3, seed=1).astype(np.float32)
    truth = guess.assign(pr=guess["pr"].copy(data=values))
    pipeline = Pipeline({"pr": tuple(step for step in chain if step.name != "wet_day")})
    state = pipeline.fit(in_blocks(weather(), weather(seed=2)), weather()["time"])
    scores = pipeline.apply(truth, state, guess)
    back = pipeline.invert(scores, state, guess)
    assert scores["pr"].dtype == back["pr"].dtype == np.float32
    # One float32 rounding of a score x moves rain by at most that times d(rain)/d(score), of order (1 + rain).
    np.testing.assert_allclose(back["pr"], values, rtol=5e-6, atol=5e-6)


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("sigma", [-50.0, 50.0])
def test_rain_is_finite_and_not_negative_whatever_the_network_says(chain: tuple, sigma: float) -> None:
    truth, guess = weather(), weather(seed=1)
    pipeline = Pipeline({"pr": chain})
    state = pipeline.fit(in_blocks(truth, guess), truth["time"])
    scores = xr.full_like(truth[["pr"]].astype(np.float32), sigma).expand_dims(realization=3)
    rain = pipeline.invert(scores, state, guess)["pr"]
    assert rain.dtype == np.float32
    assert rain.dims == ("realization", "time", "y", "x")
    assert bool(np.isfinite(rain).all())
    assert bool((rain >= 0).all())


def test_values_are_held_within_the_bounds_they_had_when_fitted() -> None:
    humidity = weather()[["tas"]].rename(tas="hurs")
    humidity["hurs"].attrs = {"units": "%", "lower_bound": 0.0, "upper_bound": 100.0}
    humidity["hurs"].values = np.clip(humidity["hurs"].values - 230, 0, 100)
    pipeline = Pipeline({"hurs": (Standardize(),)})
    state = pipeline.fit(in_blocks(humidity, None), humidity["time"])
    back = pipeline.invert(xr.full_like(humidity, 50.0), state)
    assert float(back["hurs"].max()) == 100.0
    assert float(pipeline.invert(xr.full_like(humidity, -50.0), state)["hurs"].min()) == 0.0


@pytest.mark.parametrize("size", [2, 5, 12])
def test_blocks_do_not_change_the_state(size: int) -> None:
    truth, guess = weather(), weather(seed=1)
    pipeline = Pipeline({"pr": CHAINS[3], "tas": (Residual(), Standardize(per_cell=True))})
    whole = pipeline.fit(lambda: [(truth, guess)], truth["time"])
    state = pipeline.fit(in_blocks(truth, guess, size), truth["time"])
    xr.testing.assert_allclose(state, whole, rtol=1e-12, atol=1e-12)
    assert state.attrs == whole.attrs


def test_statistics_are_those_of_the_transformed_residual() -> None:
    truth, guess = weather(), weather(seed=1)
    pipeline = Pipeline({"pr": (Log1p(2.0), Residual(), Standardize())})
    state = pipeline.fit(in_blocks(truth, guess), truth["time"])
    left = np.log1p(truth["pr"].values / 2.0) - np.log1p(guess["pr"].values / 2.0)
    np.testing.assert_allclose(state["pr__2_standardize__mean"], left.mean(), rtol=1e-12)
    np.testing.assert_allclose(state["pr__2_standardize__std"], left.std(), rtol=1e-12)
    expected = (left - left.mean()) / left.std()
    np.testing.assert_allclose(pipeline.apply(truth, state, guess)["pr"], expected, rtol=1e-10, atol=1e-12)


def test_missing_values_count_for_nothing_and_stay_missing() -> None:
    truth, guess = weather(), weather(seed=1)
    truth["pr"][2, 1, 1] = np.nan
    pipeline = Pipeline({"pr": (Log1p(), Residual(), Standardize())})
    state = pipeline.fit(in_blocks(truth, guess), truth["time"])
    assert int(state["pr__2_standardize__count"]) == truth["pr"].size - 1
    back = pipeline.invert(pipeline.apply(truth, state, guess), state, guess)
    np.testing.assert_array_equal(back["pr"].isnull(), truth["pr"].isnull())


def test_limits_are_carried_to_where_the_scores_are() -> None:
    truth, guess = weather(), weather(seed=1)
    pipeline = Pipeline({"pr": (Log1p(), Residual(), Standardize()), "tas": (Standardize(),)})
    state = pipeline.fit(in_blocks(truth, guess), truth["time"])
    low, high = pipeline.bounds({"pr": (0.0, 90.0)}, state, guess)
    assert low["pr"].dims == high["tas"].dims == ("time", "y", "x")
    assert low["pr"].dtype == np.float32
    np.testing.assert_allclose(pipeline.invert(low, state, guess)["pr"], 0.0, atol=1e-5)
    np.testing.assert_allclose(pipeline.invert(high, state, guess)["pr"], 90.0, rtol=1e-5)
    assert bool(np.isneginf(low["tas"]).all() and np.isposinf(high["tas"]).all())
    low, high = Pipeline({"tas": (Standardize(),)}).bounds({"tas": (200.0, 330.0)}, tas_state(truth))
    assert low["tas"].dims == ()
    np.testing.assert_allclose(high["tas"], (330.0 - truth["tas"].mean()) / truth["tas"].std(), rtol=1e-6)


def tas_state(truth: xr.Dataset) -> xr.Dataset:
    return Pipeline({"tas": (Standardize(),)}).fit(in_blocks(truth, None), truth["time"])


def test_the_state_says_what_it_was_fitted_on() -> None:
    truth = weather()
    state = tas_state(truth)
    assert state.attrs["training_times_hash"] == times_hash(truth["time"])
    assert state.attrs["training_first"] == "2000-01-01T00:00:00.000000"
    assert state.attrs["training_last"] == "2000-01-12T00:00:00.000000"
    assert state.attrs["n_times"] == 12
    assert state.attrs["steps"] == '{"tas": ["Standardize(per_cell=False)"]}'
    np.testing.assert_array_equal(state["training_time"], truth["time"])
    assert all(re.fullmatch("[A-Za-z][A-Za-z0-9_]*", str(name)) for name in state.variables)


@pytest.mark.parametrize("calendar", ["datetime64", "360_day", "milliseconds"])
@pytest.mark.parametrize("engine", ["netcdf", "zarr"])
def test_the_state_survives_a_file(calendar: str, engine: str, tmp_path: Path) -> None:
    truth, guess = weather(), weather(seed=1)
    if calendar == "360_day":
        times = xr.DataArray([cftime.Datetime360Day(2000, 2, 19 + day) for day in range(12)], dims="time")
        truth, guess = truth.assign_coords(time=times), guess.assign_coords(time=times)
    if calendar == "milliseconds":
        times = truth["time"] + np.arange(12) * np.timedelta64(1, "ms")
        truth, guess = truth.assign_coords(time=times), guess.assign_coords(time=times)
    pipeline = Pipeline({"pr": (Log1p(), Residual(), Standardize(per_cell=True)), "tas": (Standardize(),)})
    state = pipeline.fit(in_blocks(truth, guess), truth["time"])
    if engine == "netcdf":
        state.to_netcdf(tmp_path / "state.nc")
        saved = xr.load_dataset(tmp_path / "state.nc")
    else:
        state.to_zarr(tmp_path / "state.zarr", consolidated=False)
        saved = xr.open_zarr(tmp_path / "state.zarr", consolidated=False, chunks=None)
    assert times_hash(saved["training_time"]) == saved.attrs["training_times_hash"]
    xr.testing.assert_identical(pipeline.apply(truth, saved, guess), pipeline.apply(truth, state, guess))
    xr.testing.assert_identical(pipeline.invert(truth, saved, guess), pipeline.invert(truth, state, guess))


def test_dask_arrays_stay_lazy() -> None:
    truth, guess = weather(), weather(seed=1)
    pipeline = Pipeline({"pr": CHAINS[1]})
    state = pipeline.fit(in_blocks(truth, guess), truth["time"])
    lazy = pipeline.invert(pipeline.apply(truth.chunk(time=4), state, guess.chunk(time=4)), state, guess.chunk(time=4))
    assert lazy["pr"].chunks is not None
    np.testing.assert_allclose(
        lazy["pr"].compute(scheduler="synchronous"),
        pipeline.invert(pipeline.apply(truth, state, guess), state, guess)["pr"],
    )


def test_all_constant_and_empty_variables_are_named_at_once() -> None:
    truth = weather()
    truth["pr"][:] = 0.0
    truth["tas"][:] = np.nan
    pipeline = Pipeline({"pr": (Log1p(), Standardize()), "tas": (Standardize(),)})
    with pytest.raises(DataError) as raised:
        pipeline.fit(in_blocks(truth, None), truth["time"], "train.nc")
    assert [problem.code for problem in raised.value.problems] == [34, 33]
    assert "CD-034 train.nc: variable 'pr' is constant (0 after the steps before)" in str(raised.value)
    with pytest.raises(DataError, match=r"CD-033 train.nc: variable 'pr' has no dates at all"):
        pipeline.fit(list, truth["time"], "train.nc")


def test_an_absent_variable_or_guess_is_refused() -> None:
    truth = weather()
    with pytest.raises(DataError, match=r"CD-036 .*variable 'hurs' is not among \['pr', 'tas'\]"):
        Pipeline({"hurs": ()}).fit(in_blocks(truth, None), truth["time"])
    for guess in (None, truth[["tas"]]):
        with pytest.raises(DataError, match=r"CD-036 coarse data: variable 'pr' is to be a residual.*Fix: add pr to"):
            Pipeline({"pr": (Residual(), Standardize())}).fit(in_blocks(truth, guess), truth["time"])


def test_a_state_of_other_steps_is_refused() -> None:
    truth = weather()
    with pytest.raises(MismatchError, match=r"CD-054 transform state: .*Standardize.*Log1p.*Fix"):
        Pipeline({"tas": (Log1p(), Standardize())}).apply(truth, tas_state(truth))
