"""Channels mean what their names say, and drawn fields come back in physical units."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from climdiff.data.encoder import Encoder, fit_encoder, fraction_of_year, scale_static
from climdiff.data.pairs import align
from climdiff.errors import DataError, MismatchError
from climdiff.transforms.pipeline import Pipeline
from climdiff.transforms.precipitation import Log1p
from climdiff.transforms.residual import Residual
from climdiff.transforms.scaling import Standardize

CHANNELS = ("pr", "orography", "season_sin", "season_cos", "position_y", "position_x")
EVERYTHING = slice(None)


def test_channels_are_named_counted_and_in_order(pairs, encoder):
    assert encoder.channel_names == CHANNELS
    assert (encoder.n_condition, encoder.n_target) == (6, 1)
    condition = encoder.condition(pairs.guess(slice(0, 3)))
    assert condition.shape == (3, 6, 10, 15)
    assert condition.dtype == torch.float32


def test_optional_channels_can_be_left_out(encoder):
    bare = replace(encoder, static=None, calendar=False, position=False)
    assert bare.channel_names == ("pr",)


def test_predictors_are_scaled_by_the_statistics_of_all_training_dates(pairs, encoder):
    guess = pairs.guess(EVERYTHING)
    condition = encoder.condition(guess)[:, 0].numpy()
    np.testing.assert_allclose([condition.mean(), condition.std()], [0.0, 1.0], atol=1e-5)
    values = guess["pr"].values
    np.testing.assert_allclose(condition, (values - values.mean()) / values.std(), atol=1e-5)


def test_the_order_of_variables_in_a_data_set_does_not_matter(fields):
    data = fields(names=("pr", "tas"))
    assert list(data.data_vars) == ["pr", "tas"]
    pairs = align(data, data)
    simple = Encoder(
        ("tas", "pr"), ("tas", "pr"), None, False, False, pairs.fine_grid, _Same(), xr.Dataset(), _Same(), xr.Dataset()
    )
    guess = pairs.guess(slice(0, 2))
    for order in (["pr", "tas"], ["tas", "pr"]):
        encoded = simple.condition(guess[order]), simple.target(guess[order], guess)
        for tensor in encoded:
            np.testing.assert_array_equal(tensor[:, 0], guess["tas"])
            np.testing.assert_array_equal(tensor[:, 1], guess["pr"])


def test_position_runs_from_minus_one_to_one_along_the_native_axes(pairs, encoder):
    condition = encoder.condition(pairs.guess(slice(0, 1)))[0]
    np.testing.assert_allclose(condition[4], np.broadcast_to(np.linspace(-1, 1, 10)[:, None], (10, 15)), atol=1e-6)
    np.testing.assert_allclose(condition[5], np.broadcast_to(np.linspace(-1, 1, 15), (10, 15)), atol=1e-6)


@pytest.mark.parametrize("calendar", ["standard", "noleap", "360_day", "julian"])
def test_the_season_starts_anew_each_year_in_every_calendar(calendar):
    times = xr.date_range("1999-01-01", "2001-12-30", calendar=calendar, use_cftime=calendar != "standard")
    fraction = fraction_of_year(xr.DataArray(times, dims="time"))
    assert fraction.min() == 0.0
    assert fraction.max() < 1.0
    year = {"noleap": [365, 365, 365], "360_day": [360, 360, 360]}.get(calendar, [365, 366, 365])
    expected = np.concatenate([np.arange(n) / n for n in year])[: len(fraction)]
    np.testing.assert_allclose(fraction, expected, atol=1e-9)


def test_the_season_channels_are_a_point_on_the_circle(pairs, encoder):
    condition = encoder.condition(pairs.guess(slice(0, 12)))
    angle = 2 * np.pi * np.arange(12) / 365
    np.testing.assert_allclose(condition[:, 2, 3, 3], np.sin(angle), atol=1e-6)
    np.testing.assert_allclose(condition[:, 3, 0, 0], np.cos(angle), atol=1e-6)


def test_static_fields_have_mean_zero_and_deviation_one(pairs, encoder):
    condition = encoder.condition(pairs.guess(slice(0, 1)))[0, 1].numpy()
    height = np.add.outer(np.arange(10.0), np.arange(15.0))
    np.testing.assert_allclose(condition, (height - height.mean()) / height.std(), atol=1e-6)
    assert encoder.static["orography"].attrs["mean"] == height.mean()


def test_missing_static_cells_become_the_mean():
    scaled = scale_static(xr.Dataset({"depth": (("y", "x"), [[1.0, np.nan], [3.0, 2.0]])}))
    np.testing.assert_allclose(scaled["depth"], np.array([[-1, 0], [1, 0]]) * np.sqrt(1.5), rtol=1e-6)


def test_constant_and_broken_static_fields_are_refused_together():
    flat = np.full((2, 2), 7.0)
    static = xr.Dataset(
        {"a": (("y", "x"), flat), "b": (("y", "x"), flat * np.nan), "c": (("y", "x"), [[0, 1], [2, 3]])}
    )
    with pytest.raises(DataError, match=r"CD-034 static: variable 'a' is constant \(7\)") as error:
        scale_static(static)
    assert [problem.code for problem in error.value.problems] == [34, 33]


def test_targets_keep_missing_values_and_conditions_do_not(pairs, encoder):
    guess, truth = pairs.guess(slice(0, 2)), pairs.truth(slice(0, 2))
    guess["pr"][0, 2, 2] = np.nan
    truth["pr"][1, 4, 4] = np.nan
    assert encoder.condition(guess)[0, 0, 2, 2] == 0.0
    target = encoder.target(truth, pairs.guess(slice(0, 2)))
    assert torch.isnan(target).sum() == 1
    assert torch.isnan(target[1, 0, 4, 4])


def test_infinite_values_are_refused_with_variable_and_date(pairs, encoder):
    guess, truth = pairs.guess(slice(0, 4)), pairs.truth(slice(0, 4))
    guess["pr"][2, 0, 0] = np.inf
    with pytest.raises(DataError, match="CD-033 data: variable 'pr' is infinite after its transform on 2001-01-03"):
        encoder.condition(guess)
    truth["pr"][1, 0, 0] = -np.inf
    with pytest.raises(DataError, match="2001-01-02"):
        encoder.target(truth, pairs.guess(slice(0, 4)))


def test_absent_variables_and_foreign_grids_are_refused(pairs, encoder):
    guess = pairs.guess(slice(0, 2))
    with pytest.raises(DataError, match="CD-036 predictors: predictors pr are absent; found rain"):
        encoder.condition(guess.rename(pr="rain"))
    with pytest.raises(MismatchError, match="CD-021 predictors"):
        encoder.condition(guess.isel(x=slice(4)))


def test_drawn_fields_are_the_inverse_of_targets_for_every_member(pairs, encoder):
    guess, truth = pairs.guess(slice(2, 5)), pairs.truth(slice(2, 5))
    x0 = encoder.target(truth, guess)
    drawn = encoder.to_dataset(torch.stack([x0, x0 + 1.0]).to(torch.float64), guess)
    assert drawn["pr"].dims == ("realization", "time", "y", "x")
    assert drawn["pr"].dtype == np.float32
    np.testing.assert_allclose(drawn["pr"][0], truth["pr"], atol=1e-5)
    spread = (truth["pr"] - guess["pr"]).values
    deviation = (pairs.truth(EVERYTHING)["pr"] - pairs.guess(EVERYTHING)["pr"]).values.std()
    np.testing.assert_allclose(drawn["pr"][1] - drawn["pr"][0], np.full_like(spread, deviation), rtol=1e-3)
    xr.testing.assert_equal(drawn.coords.to_dataset(), truth.coords.to_dataset())


def test_drawn_fields_carry_the_attributes_of_the_target(fields, fit):
    fine = fields(shape=(8, 12))
    fine["pr"].attrs = {"units": "mm day-1", "standard_name": "lwe_precipitation_rate"}
    pairs = align(fields(), fine)
    encoder, guess = fit(pairs), pairs.guess(slice(0, 1))
    drawn = encoder.to_dataset(torch.zeros(1, 1, 1, 8, 12, dtype=torch.bfloat16), guess)
    assert drawn["pr"].attrs == fine["pr"].attrs


def test_bounds_are_the_physical_limits_in_network_space(pairs, encoder):
    guess = pairs.guess(slice(0, 3))
    low, high = encoder.bounds(guess, {"pr": (0.0, np.inf)})
    assert low.shape == high.shape == (3, 1, 10, 15)
    assert torch.isinf(high).all()
    np.testing.assert_allclose(encoder.to_dataset(low[None], guess)["pr"], 0.0, atol=1e-5)


def test_variables_without_limits_are_unbounded(pairs, encoder):
    low, high = encoder.bounds(pairs.guess(slice(0, 1)), {})
    assert torch.isneginf(low).all()
    assert torch.isposinf(high).all()


def test_an_encoder_survives_a_trip_to_disk_bit_for_bit(pairs, encoder, tmp_path):
    for name, part in encoder.to_state().items():
        part.to_netcdf(tmp_path / f"{name}.nc")
    state = {}
    for name in ("channels", "static", "grid", "target_state", "predictor_state"):
        with xr.open_dataset(tmp_path / f"{name}.nc") as part:
            state[name] = part.load()
    again = Encoder.from_state(state, encoder.target_pipeline, encoder.predictor_pipeline)
    guess, truth = pairs.guess(slice(0, 4)), pairs.truth(slice(0, 4))
    assert again.channel_names == encoder.channel_names
    assert again.grid.hash() == encoder.grid.hash()
    assert torch.equal(again.condition(guess), encoder.condition(guess))
    assert torch.equal(again.target(truth, guess), encoder.target(truth, guess))


def test_a_state_whose_channels_changed_is_refused(encoder):
    state = encoder.to_state()
    state["static"] = state["static"].rename(orography="height")
    with pytest.raises(MismatchError, match="CD-036 saved channels"):
        Encoder.from_state(state, encoder.target_pipeline, encoder.predictor_pipeline)


def test_two_variables_on_a_rotated_grid_come_back_as_they_were(real_data: Path):
    folder = real_data / "iberia_racmo_eur44"
    names = ("coarse_historical_1983-2002.nc", "fine_historical_1983-2002.nc", "static_rotated.nc")
    coarse, fine, static = (xr.open_dataset(folder / name, chunks=None) for name in names)
    pairs = align(coarse, fine, static[["orog"]]).select(slice(0, 120))
    rain, scaled = (Log1p(1.0), Residual(), Standardize()), (Standardize(),)
    encoder = fit_encoder(
        pairs,
        Pipeline({"tas": (Residual(), Standardize()), "pr": rain}),
        Pipeline({"pr": (Log1p(1.0), Standardize()), "tas": scaled}),
        targets=("pr", "tas"),
        predictors=("tas", "pr"),
        calendar=True,
        position=False,
    )
    assert encoder.channel_names == ("tas", "pr", "orog", "season_sin", "season_cos")
    guess, truth = pairs.guess(slice(0, 8)), pairs.truth(slice(0, 8))
    drawn = encoder.to_dataset(encoder.target(truth, guess)[None], guess)
    xr.testing.assert_allclose(drawn.isel(realization=0), truth, atol=2e-5)
    assert drawn["tas"].attrs["units"] == "degC"
    assert drawn["pr"].attrs["grid_mapping"] == "rotated_pole"
    assert drawn["pr"].dims == ("realization", "time", "rlat", "rlon")
    for data in (coarse, fine, static):
        data.close()


class _Same:
    """A pipeline that changes nothing."""

    def apply(self, values, state, guess=None):
        return values

    def invert(self, values, state, guess=None):
        return values


def test_a_cell_without_guess_has_no_bounds(pairs, encoder):
    guess = pairs.guess(slice(0, 1)).copy(deep=True)
    name = encoder.targets[0]
    guess[name].values[0, 0, 0] = np.nan
    low, high = encoder.bounds(guess, {name: (0.0, 10.0)})
    assert (float(low[0, 0, 0, 0]), float(high[0, 0, 0, 0])) == (-np.inf, np.inf)
    assert np.isfinite(low[0, 0, 1:].numpy()).all()
