"""Nearest training days: exact, in order, in any blocks."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from climdiff.downscalers import analogs
from climdiff.downscalers.analogs import Analogs, find_nearest
from climdiff.downscalers.contract import Downscaler
from climdiff.errors import DataError
from climdiff.verification.probabilistic import crps_fair


def coarse_fields(n_times: int, seed: int, start: str = "1990-01-01") -> xr.Dataset:
    generator = np.random.default_rng(seed)
    coords = {
        "time": xr.date_range(start, periods=n_times, freq="D", use_cftime=False),
        "y": ("y", np.arange(3) * 8000.0, {"units": "m"}),
        "x": ("x", np.arange(4) * 8000.0, {"units": "m"}),
    }
    psl = (1e5 + 1000 * generator.normal(size=(n_times, 3, 4))).astype(np.float32)
    tas = (280 + 5 * generator.normal(size=(n_times, 3, 4))).astype(np.float32)
    return xr.Dataset({"psl": (("time", "y", "x"), psl), "tas": (("time", "y", "x"), tas)}, coords)


def fine_fields(n_times: int) -> xr.Dataset:
    """Return fields that all hold the position of their time."""
    values = np.broadcast_to(np.arange(n_times, dtype=np.float32)[:, None, None], (n_times, 6, 8))
    times = xr.date_range("1990-01-01", periods=n_times, freq="D", use_cftime=False)
    return xr.Dataset({"pr": (("time", "y", "x"), values.copy())}, {"time": times})


def positions(found: xr.Dataset) -> np.ndarray:
    return found["pr"].values[:, :, 0, 0].astype(int)


def test_analogs_are_the_nearest_days_by_brute_force():
    train, test = coarse_fields(200, 1), coarse_fields(7, 2, "2001-01-01")
    distance = sum(
        np.square((test[v].values[:, None] - train[v].values.astype(float)) / train[v].values.astype(float).std()).sum(
            (2, 3)
        )
        for v in ("psl", "tas")
    )
    method: Downscaler = Analogs(fine_fields(200), train, ["psl", "tas"])
    found = method.downscale(test, members=range(10), seed=0)
    np.testing.assert_array_equal(positions(found), np.argsort(distance, axis=1)[:, :10].T)
    np.testing.assert_array_equal(found["time"], test["time"])


def test_a_training_day_is_its_own_first_analog():
    train = coarse_fields(50, 3)
    found = Analogs(fine_fields(50), train, ["tas"]).downscale(train, members=[0], seed=0)
    np.testing.assert_array_equal(positions(found)[0], np.arange(50))


def test_member_i_is_the_ith_analog_however_members_are_asked_for():
    train, test = coarse_fields(80, 4), coarse_fields(5, 5, "2001-01-01")
    method = Analogs(fine_fields(80), train, ["psl"])
    whole = positions(method.downscale(test, members=range(12), seed=0))
    np.testing.assert_array_equal(positions(method.downscale(test, members=[9, 2], seed=1)), whole[[9, 2]])
    np.testing.assert_array_equal(
        positions(method.downscale(test.isel(time=[3]), members=range(12), seed=0)), whole[:, [3]]
    )


def test_blocks_do_not_change_the_analogs(monkeypatch: pytest.MonkeyPatch):
    train, test = coarse_fields(90, 6), coarse_fields(6, 7, "2001-01-01")
    whole = positions(Analogs(fine_fields(90), train, ["psl", "tas"]).downscale(test, members=range(9), seed=0))
    for rows in (1, 7):
        monkeypatch.setattr(analogs, "BLOCK_BYTES", 8 * 24 * rows)
        cut = positions(Analogs(fine_fields(90), train, ["psl", "tas"]).downscale(test, members=range(9), seed=0))
        np.testing.assert_array_equal(cut, whole)


def test_statistics_of_blocks_are_those_of_the_whole(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(analogs, "BLOCK_BYTES", 8 * 12 * 7)
    train = coarse_fields(60, 8)
    values = train["psl"].values.astype(float)
    assert Analogs(fine_fields(60), train, ["psl"])._mean_std["psl"] == pytest.approx((values.mean(), values.std()))


def test_equal_days_come_in_stored_order_in_any_blocks():
    generator = np.random.default_rng(9)
    rows = np.zeros((40, 5))
    rows[::4] = generator.normal(size=(10, 5))
    queries = np.zeros((2, 5))
    dry = [i for i in range(40) if i % 4][:7]
    for step in (3, 8, 40):
        blocks = (rows[i : i + step] for i in range(0, 40, step))
        np.testing.assert_array_equal(find_nearest(queries, blocks, 7), [dry, dry])


def test_nearly_equal_distances_are_told_apart():
    # the matrix product alone rounds at 1e-16 times the squared norm of 1e8 and cannot see these differences of 1e-12
    rows = 1e4 + np.array([[3e-6], [1e-6], [2e-6], [0.0]])
    np.testing.assert_array_equal(find_nearest(np.array([[1e4]]), [rows], 4), [[3, 1, 2, 0]])


def test_training_and_forecast_times_are_matched_by_date():
    train, fine = coarse_fields(50, 10), fine_fields(50)
    order = np.random.default_rng(11).permutation(50)
    found = Analogs(fine, train.isel(time=order), ["tas"]).downscale(train, members=[0], seed=0)
    np.testing.assert_array_equal(positions(found)[0], np.arange(50))


def test_training_days_with_missing_cells_are_never_chosen():
    train = coarse_fields(20, 12)
    train["tas"][4, 1, 1] = np.nan
    found = Analogs(fine_fields(20), train, ["tas"]).downscale(coarse_fields(3, 13), members=range(19), seed=0)
    assert 4 not in positions(found)
    with pytest.raises(DataError, match=r"CD-033 training data: member 19 asked for, .* there are 19"):
        Analogs(fine_fields(20), train, ["tas"]).downscale(coarse_fields(3, 13), members=range(20), seed=0)


def test_missing_predictors_are_refused_with_their_dates():
    test = coarse_fields(3, 14, "2001-01-01")
    test["tas"][1] = np.nan
    with pytest.raises(DataError, match=r"CD-075 coarse data: predictors \['tas'\] miss cells at 2001-01-02"):
        Analogs(fine_fields(20), coarse_fields(20, 15), ["tas"]).downscale(test, members=[0], seed=0)


def test_a_constant_predictor_is_refused():
    train = coarse_fields(20, 16)
    train["psl"][:] = 1e5
    with pytest.raises(
        DataError, match="CD-034 coarse training data: variable 'psl' is missing or the same everywhere"
    ):
        Analogs(fine_fields(20), train, ["psl"]).downscale(train, members=[0], seed=0)


def test_unknown_predictors_are_refused():
    with pytest.raises(DataError, match=r"CD-036 coarse training data: no variable \['hus'\] among \['psl', 'tas'\]"):
        Analogs(fine_fields(20), coarse_fields(20, 17), ["hus"])
    method = Analogs(fine_fields(20), coarse_fields(20, 17), ["psl"])
    with pytest.raises(DataError, match=r"CD-036 coarse data: no variable \['psl'\]"):
        method.downscale(coarse_fields(3, 18)[["tas"]], members=[0], seed=0)


def test_another_coarse_grid_is_refused():
    test = coarse_fields(3, 19)
    test = test.assign_coords(x=test["x"] + 4000)
    with pytest.raises(DataError, match="CD-021 coarse data"):
        Analogs(fine_fields(20), coarse_fields(20, 20), ["psl"]).downscale(test, members=[0], seed=0)


def test_memory_is_bounded_by_blocks(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(analogs, "BLOCK_BYTES", 2**18)
    rows, queries = np.random.default_rng(21).normal(size=(20_000, 8)), np.zeros((100, 8))
    tracemalloc.start()
    find_nearest(queries, (rows[i : i + 1000] for i in range(0, len(rows), 1000)), 5)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 6 * 2**18


@pytest.mark.slow
def test_twenty_analogs_of_radar_rain_score_about_as_computed_independently(real_data: Path):
    # 0.248 mm/h on the test patches is the reference that came with the data; its distance is not documented
    folder = real_data / "radar2km_dev"
    names = ("train_fine", "train_coarse", "test_fine", "test_coarse")
    train_fine, train_coarse, truth, coarse = (xr.open_dataset(folder / f"{name}.nc", chunks=None) for name in names)
    forecast = Analogs(train_fine, train_coarse, ["pr"]).downscale(coarse, members=range(20), seed=0)
    assert crps_fair(forecast["pr"].values, truth["pr"].values).mean() == pytest.approx(0.248, rel=0.02)
