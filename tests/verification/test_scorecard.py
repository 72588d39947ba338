"""The score card as a whole: exact scores, masks, weights, chunks, memory, and refusals."""

from __future__ import annotations

import json
import tracemalloc

import numpy as np
import pytest
import xarray as xr

from climdiff.errors import DataError, OutputError
from climdiff.grids.blocks import Blocks
from climdiff.verification import ensembles
from climdiff.verification.coarse import Coarse
from climdiff.verification.scorecard import Scores, scorecard

THRESHOLDS = {"pr": [0.1, 1.0]}


def pair(n_members: int = 5, n_times: int = 12, shape: tuple[int, int] = (10, 9)) -> tuple[xr.Dataset, xr.Dataset]:
    """Draw rain whose members and truth are exchangeable, and one temperature."""
    generator = np.random.default_rng(3)
    rain = np.maximum(generator.gamma(0.5, 2.0, (n_members + 1, n_times, *shape)) - 0.3, 0).astype(np.float32)
    warm = generator.normal(290, 3, (n_members + 1, n_times, *shape)).astype(np.float32)
    coords = {
        "time": xr.date_range("2000-12-25", periods=n_times, freq="D", use_cftime=False),
        "y": ("y", np.arange(shape[0]) * 2000.0, {"units": "m"}),
        "x": ("x", np.arange(shape[1]) * 2000.0, {"units": "m"}),
    }
    dims = ("realization", "time", "y", "x")
    variables = {"pr": (dims, rain, {"units": "mm h-1"}), "tas": (dims, warm, {"units": "K"})}
    both = xr.Dataset(variables, coords)
    return both.isel(realization=slice(1, None)), both.isel(realization=0)


def assert_same(first: Scores, second: Scores, tolerance: float = 1e-12) -> None:
    for name, found in first.variables.items():
        other = second[name]
        assert found.scalars == pytest.approx(dict(other.scalars), rel=tolerance, abs=tolerance, nan_ok=True)
        np.testing.assert_allclose(found.crps, other.crps, rtol=tolerance)
        np.testing.assert_allclose(found.rank_histogram, other.rank_histogram, rtol=tolerance, atol=tolerance)
        for threshold, table in found.reliability.items():
            np.testing.assert_allclose(table.frequency, other.reliability[threshold].frequency, rtol=tolerance)
        assert found.spectrum is not None and other.spectrum is not None
        np.testing.assert_allclose(found.spectrum.members, other.spectrum.members, rtol=tolerance)
        np.testing.assert_allclose(found.spectrum.truth, other.spectrum.truth, rtol=tolerance)


def test_every_score_is_there_and_plain_json():
    forecast, truth = pair()
    found = scorecard(forecast, truth, thresholds=THRESHOLDS)
    scores = json.loads(json.dumps(found.to_json(), allow_nan=False))
    common = {"crps_fair", "crps_ecdf", "mae", "rmse", "bias", "spread", "spread_skill", "n_members", "n_times"}
    common |= {"mean", "mean_truth", "spread_reliability", "energy_fair", "variogram_fair"}
    common |= {"lag1_correlation", "lag1_correlation_truth"}
    common |= {f"p{percent}{end}" for percent in ("50", "90", "95", "99", "99.9") for end in ("", "_truth")}
    common |= {"crps_fair_2x2", "crps_fair_4x4"}  # 10 x 9 cells hold no two blocks of 8 x 8
    kinds = ("brier", "brier_fair", "wet_fraction", "wet_fraction_truth", "twcrps", "roc_area")
    indices = ("intensity", "joint", "wet_spell", "dry_spell")
    kinds += tuple(f"{name}{end}" for name in indices for end in ("", "_truth"))
    events = {f"{kind}@{t}" for t in ("0.1", "1") for kind in (*kinds, *(f"fss_{width}" for width in (1, 3, 5, 9)))}
    assert set(scores["pr"]) == common | events | {"correlation_tas", "correlation_tas_truth"}
    assert set(scores["tas"]) == common | {"correlation_pr", "correlation_pr_truth"}
    assert scores["pr"]["n_members"] == 5 and scores["pr"]["n_times"] == 12
    assert found["pr"].units == "mm h-1"


def test_scores_agree_with_plain_formulas():
    forecast, truth = pair()
    found = scorecard(forecast, truth, thresholds=THRESHOLDS)["pr"].scalars
    x, y = forecast["pr"].values.astype(float), truth["pr"].values.astype(float)
    differences = np.abs(x[:, None] - x).sum(axis=(0, 1)) / (2 * 5 * 4)
    assert found["crps_fair"] == pytest.approx((np.abs(x - y).mean(axis=0) - differences).mean(), rel=1e-6)
    assert found["mae"] == pytest.approx(np.abs(x.mean(axis=0) - y).mean())
    assert found["rmse"] == pytest.approx(np.sqrt(((x.mean(axis=0) - y) ** 2).mean()))
    assert found["bias"] == pytest.approx(x.mean() - y.mean())
    assert found["spread"] == pytest.approx(np.sqrt(x.var(axis=0, ddof=1).mean()))
    probability, seen = (x >= 1).mean(axis=0), y >= 1
    assert found["brier@1"] == pytest.approx(((probability - seen) ** 2).mean())
    assert found["wet_fraction@1"] == pytest.approx(probability.mean())
    assert found["wet_fraction_truth@1"] == pytest.approx(seen.mean())


def test_one_field_has_its_mean_absolute_error_as_crps():
    forecast, truth = pair()
    found = scorecard(forecast.isel(realization=0, drop=True), truth)
    assert found["pr"].scalars["crps_fair"] == pytest.approx(found["pr"].scalars["mae"], rel=1e-6)
    assert found.to_json()["pr"]["spread_skill"] is None


def test_the_cut_into_blocks_does_not_change_a_score(monkeypatch: pytest.MonkeyPatch):
    forecast, truth = pair()
    truth["pr"][3, 2, 2] = np.nan
    area = xr.DataArray(np.random.default_rng(5).random((10, 9)), dims=("y", "x"))
    whole = scorecard(forecast, truth, thresholds=THRESHOLDS, area=area)
    for n_times in (1, 5):
        monkeypatch.setattr(ensembles, "BLOCK_BYTES", n_times * 5 * 90 * 4)
        assert_same(scorecard(forecast, truth, thresholds=THRESHOLDS, area=area), whole)
    assert_same(scorecard(forecast.chunk(time=4, y=3), truth, thresholds=THRESHOLDS, area=area), whole)


def test_missing_truth_is_left_out_of_every_score():
    forecast, truth = pair()
    holes = truth.copy(deep=True)
    holes["pr"][2] = np.nan
    holes["tas"][2] = np.nan
    rest = np.delete(np.arange(12), 2)
    expected = scorecard(forecast.isel(time=rest), truth.isel(time=rest), thresholds=THRESHOLDS)["pr"]
    found = scorecard(forecast, holes, thresholds=THRESHOLDS)["pr"]
    ignored = {"n_times"}
    assert {k: v for k, v in found.scalars.items() if k not in ignored} == pytest.approx(
        {k: v for k, v in expected.scalars.items() if k not in ignored}, nan_ok=True
    )
    assert np.isnan(found.crps[2]) and found.weight[2] == 0
    np.testing.assert_allclose(found.rank_histogram, expected.rank_histogram)
    assert found.spectrum is not None and found.spectrum.n_fields == 11


def test_cells_without_weight_do_not_count():
    forecast, truth = pair()
    area = xr.DataArray(np.ones((9, 10)), dims=("x", "y"))
    area[4:] = 0
    found = scorecard(forecast, truth, thresholds=THRESHOLDS, area=area)["pr"].scalars
    expected = scorecard(forecast.isel(x=slice(0, 4)), truth.isel(x=slice(0, 4)), thresholds=THRESHOLDS)["pr"].scalars
    assert {name: found[name] for name in expected} == pytest.approx(dict(expected), nan_ok=True)


def test_the_series_and_its_weights_average_to_the_score():
    forecast, truth = pair()
    truth["pr"][0, :5] = np.nan
    found = scorecard(forecast, truth)["pr"]
    assert np.average(found.crps, weights=found.weight) == pytest.approx(found.scalars["crps_fair"], rel=1e-12)


def test_the_map_of_the_crps_is_the_mean_over_the_times_with_a_truth():
    forecast, truth = pair()
    truth["pr"][:, 0, 0] = np.nan
    truth["pr"][3:, 2, 1] = np.nan
    found = scorecard(forecast, truth)["pr"].tables["crps_fair_by_cell"]
    x, y = forecast["pr"].values.astype(float), truth["pr"].values.astype(float)
    crps = np.abs(x - y).mean(axis=0) - np.abs(x[:, None] - x).sum(axis=(0, 1)) / (2 * 5 * 4)
    assert np.isnan(found.values[0, 0])
    assert found.values[2, 1] == pytest.approx(crps[:3, 2, 1].mean(), rel=1e-5)
    assert found.values[1:] == pytest.approx(np.nanmean(crps[:, 1:], axis=0), rel=1e-5)


def test_exchangeable_members_get_the_verdict_calibrated():
    forecast, truth = pair(n_members=4, n_times=60, shape=(24, 24))
    found = scorecard(forecast, truth)["pr"]
    assert found.scalars["spread_skill"] == pytest.approx(1, abs=0.03)
    assert found.rank_histogram == pytest.approx(0.2, abs=0.02)
    assert found.spectrum is not None and found.spectrum.ratio == pytest.approx(1, abs=0.15)
    assert found.spectrum.wavelength_km == pytest.approx(2 * found.spectrum.wavelength_cells)


def test_stations_are_scored_without_a_spectrum():
    forecast, truth = (ds.isel(y=0, drop=True).drop_vars("x").rename(x="station") for ds in pair())
    found = scorecard(forecast, truth)["tas"]
    assert found.spectrum is None and np.isfinite(found.scalars["crps_fair"])


def test_wavelengths_have_no_length_where_coordinates_have_none():
    forecast, truth = (ds.drop_vars(["y", "x"]) for ds in pair())
    found = scorecard(forecast, truth)["tas"].spectrum
    assert found is not None and np.isnan(found.wavelength_km).all()


def test_an_incomplete_ensemble_is_refused_and_its_times_named():
    forecast, truth = pair()
    forecast["pr"][1, 4, 0, 0] = np.nan
    forecast["pr"][2, 7] = np.nan
    with pytest.raises(OutputError) as caught:
        scorecard(forecast, truth)
    assert caught.value.exit_code == 6
    text = "CD-011 forecast: variable 'pr': members miss cells, or are infinite, "
    text += "at 2 times (2000-12-29T00:00:00, 2001-01-01T00:00:00)"
    assert str(caught.value).startswith(text) and "Fix: complete the ensemble" in str(caught.value)


def test_cells_that_nobody_has_are_masked():
    forecast, truth = pair()
    forecast["pr"][:, :, 0, 0] = np.nan
    truth["pr"][:, 0, 0] = np.nan
    found = scorecard(forecast, truth)["pr"]
    assert np.isfinite(found.scalars["crps_fair"]) and found.spectrum is None


def test_the_data_given_are_left_as_they_were():
    forecast, truth = pair()
    truth["pr"][0, 0, 0] = np.nan
    before = forecast.copy(deep=True), truth.copy(deep=True)
    scorecard(forecast, truth)
    xr.testing.assert_identical(forecast, before[0])
    xr.testing.assert_identical(truth, before[1])


def test_an_infinite_or_absent_truth_is_refused():
    forecast, truth = pair()
    infinite = truth.copy(deep=True)
    infinite["pr"][5, 1, 1] = np.inf
    with pytest.raises(DataError, match="CD-033 truth: variable 'pr': infinite values at 2000-12-30"):
        scorecard(forecast, infinite)
    with pytest.raises(DataError, match="CD-033 truth: variable 'pr': the truth is missing in every cell"):
        scorecard(forecast, truth.where(False))


def test_thresholds_of_an_unknown_variable_are_refused():
    forecast, truth = pair()
    with pytest.raises(DataError, match=r"CD-036 thresholds: thresholds for \['rain'\], but the variables scored are"):
        scorecard(forecast, truth, thresholds={"rain": [1.0]})


def test_an_area_that_does_not_fit_is_refused():
    forecast, truth = pair()
    with pytest.raises(DataError, match="CD-021 area: area has sizes"):
        scorecard(forecast, truth, area=xr.DataArray(np.ones((3, 9)), dims=("y", "x")))
    with pytest.raises(DataError, match=r"CD-021 area: area has sizes .*Fix: select one place along x"):
        scorecard(forecast, truth, area=xr.DataArray(np.ones(10), dims="y"))
    with pytest.raises(DataError, match="CD-033 area: area is negative"):
        scorecard(forecast, truth, area=xr.DataArray(-np.ones((10, 9)), dims=("y", "x")))


def test_a_coarse_field_of_other_times_is_refused():
    forecast, truth = pair()
    times = truth["time"].values + np.timedelta64(1, "D")
    field = xr.DataArray(np.ones((12, 5, 3)), {"time": times}, ("time", "Y", "X"))
    coarse = {"pr": Coarse(field, Blocks((2, 3), np.ones((10, 9)), (False, False)))}
    with pytest.raises(DataError, match="CD-023 coarse: variable 'pr': the coarse field has other times"):
        scorecard(forecast, truth, coarse=coarse)


def test_what_is_skipped_says_why_and_leaves_no_number():
    forecast, truth = pair()
    truth = truth.assign_coords(valid_time=truth["time"])
    found = scorecard(forecast, truth, thresholds=THRESHOLDS)
    assert "scenes" in found["pr"].skipped["series"]
    assert found.to_dataset()["pr_score"].attrs["skipped_series"] == found["pr"].skipped["series"]
    assert not [name for name in found["pr"].scalars if "spell" in name or "lag1" in name]


def test_a_threshold_given_twice_counts_once():
    forecast, truth = pair()
    found = scorecard(forecast, truth, thresholds={"pr": [1, 1.0, 2]})
    assert list(found["pr"].reliability) == [1.0, 2.0]


@pytest.mark.parametrize("n_members", [1, 2])
def test_rain_that_never_falls_has_no_undefined_error(n_members: int):
    forecast, truth = (ds[["pr"]] * 0 for ds in pair(n_members))
    for ds in (forecast, truth):
        ds["pr"].attrs["units"] = "mm"
    with np.errstate(all="raise"):
        found = scorecard(forecast, truth, thresholds={"pr": [0.1]})["pr"].scalars
    for name in ("crps_fair", "crps_fair_4x4", "twcrps@0.1", "energy_fair", "variogram_fair", "p99", "bias"):
        assert found[name] == pytest.approx(0, abs=1e-12)
    undefined = ("fss_3@0.1", "roc_area@0.1", "intensity@0.1", "joint@0.1", "wet_spell@0.1", "lag1_correlation")
    assert np.isnan([found[name] for name in undefined]).all()
    assert found["dry_spell@0.1"] == found["dry_spell_truth@0.1"] == 12


def test_progress_counts_the_times_of_all_variables():
    forecast, truth = pair()
    seen: list[tuple[int, int]] = []
    scorecard(forecast, truth, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (24, 24) and seen == sorted(seen)


def test_the_dataset_holds_all_parts():
    forecast, truth = pair()
    found = scorecard(forecast, truth, thresholds=THRESHOLDS)
    dataset = found.to_dataset()
    assert dataset["pr_crps_fair"].dims == ("time",) and dataset["pr_crps_fair"].attrs["units"] == "mm h-1"
    assert float(dataset["pr_score"].sel(pr_score_name="mae")) == found["pr"].scalars["mae"]
    assert dict(dataset["pr_reliability_weight"].sizes) == {"pr_threshold": 2, "pr_probability": 6}
    assert dataset["tas_rank_histogram"].size == 6 and dataset["pr_spectrum_truth"].size == 4


def test_memory_does_not_grow_with_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ensembles, "BLOCK_BYTES", 2**17)

    def peak(n_times: int) -> int:
        forecast, truth = pair(4, n_times, (12, 12))
        tracemalloc.start()
        scorecard(forecast[["pr"]], truth[["pr"]])
        _, found = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return found

    assert peak(512) < 1.1 * peak(64)
