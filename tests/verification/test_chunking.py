"""The whole score card is the same however its data are cut, stored and read."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from climdiff.grids.blocks import Blocks
from climdiff.verification import ensembles, scorecard
from climdiff.verification.coarse import Coarse

N_MEMBERS, N_TIMES, SHAPE = 3, 210, (10, 12)
THRESHOLDS = {"pr": [0.1, 2.0], "tas": [285.0]}
AREA = np.linspace(0.5, 1.5, SHAPE[0])[:, None] * np.ones(SHAPE)


def data() -> tuple[xr.Dataset, xr.Dataset]:
    """Draw rain and temperature of winters with missing cells, a missing day, dry days, and a cell that nobody has."""
    generator = np.random.default_rng(7)
    shape = (N_MEMBERS + 1, N_TIMES, *SHAPE)
    rain = np.maximum(generator.gamma(0.5, 2.0, shape) - 0.3, 0).astype(np.float32)
    rain[:, 20:23] = 0
    warm = (generator.normal(285, 3, shape) + rain).astype(np.float32)
    rain[0, 5, :3], rain[0, 60], warm[0, 100, 4, 4] = np.nan, np.nan, np.nan
    rain[:, :, 9, 11] = np.nan
    days = xr.date_range("2000-12-01", periods=900, freq="D", use_cftime=False)
    times = days[days.month.isin([12, 1, 2])][:N_TIMES]
    axes = {"y": ("y", np.arange(10) * 2000.0, {"units": "m"}), "x": ("x", np.arange(12) * 2000.0, {"units": "m"})}
    dims = ("realization", "time", "y", "x")
    fields = {"pr": (dims, rain, {"units": "mm day-1"}), "tas": (dims, warm, {"units": "K"})}
    both = xr.Dataset(fields, {"time": times, **axes})
    return both.isel(realization=slice(1, None)), both.isel(realization=0)


FORECAST, TRUTH = data()
BLOCKS = Blocks((2, 2), AREA, (False, False))


def scored(forecast: xr.Dataset, truth: xr.Dataset) -> scorecard.Scores:
    given = xr.DataArray(BLOCKS.mean(TRUTH["tas"].fillna(285).values), dims=("time", "Y", "X"))
    return scorecard.scorecard(
        forecast,
        truth,
        thresholds=THRESHOLDS,
        area=xr.DataArray(AREA, dims=("y", "x")),
        by_season=True,
        regions={"west": xr.DataArray(np.arange(12) < 5, dims="x").broadcast_like(truth["pr"][0]).transpose("y", "x")},
        coarse={"tas": Coarse(given.assign_coords(time=TRUTH["time"]), BLOCKS)},
    )


@pytest.fixture(scope="module")
def whole() -> scorecard.Scores:
    return scored(FORECAST, TRUTH)


def test_every_kind_of_score_takes_part(whole: scorecard.Scores):
    names = {name.partition("@")[0] for name in whole["tas"].scalars}
    wanted = {"crps_fair_4x4", "fss_5", "twcrps", "energy_fair", "variogram_fair", "lag1_correlation", "annual_maximum"}
    wanted |= {"wet_spell", "correlation_pr", "coarse_rmse", "DJF:crps_fair", "west:brier", "p99.9", "roc_area"}
    assert wanted <= names
    unknown = {name for name, value in whole["tas"].scalars.items() if not np.isfinite(value)}
    assert unknown == set()


@pytest.mark.slow
@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    chunks=st.none()
    | st.fixed_dictionaries(
        {
            "time": st.integers(1, N_TIMES),
            "y": st.integers(1, 10),
            "x": st.integers(1, 12),
            "realization": st.integers(1, N_MEMBERS),
        }
    ),
    block_times=st.integers(1, N_TIMES),
    piece_times=st.integers(1, N_TIMES),
    order=st.permutations(["realization", "time", "y", "x"]),
    backwards=st.booleans(),
)
def test_no_cut_or_order_changes_a_score(whole, monkeypatch, chunks, block_times, piece_times, order, backwards):
    with monkeypatch.context() as patch:
        cells = N_MEMBERS * SHAPE[0] * SHAPE[1]
        patch.setattr(ensembles, "BLOCK_BYTES", 4 * cells * block_times)
        patch.setattr(scorecard, "PIECE_VALUES", cells * piece_times)
        forecast = FORECAST.transpose(*order)
        forecast = forecast.isel(time=slice(None, None, -1)) if backwards else forecast
        found = scored(forecast if chunks is None else forecast.chunk(chunks), TRUTH)
    for name in ("pr", "tas"):
        assert found[name].scalars == pytest.approx(dict(whole[name].scalars), rel=1e-12, abs=1e-12, nan_ok=True)
        xr.testing.assert_allclose(found.to_dataset(), whole.to_dataset(), rtol=1e-12, atol=1e-12)
