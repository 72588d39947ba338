"""The law of a cell given its interpolated value: reproduced where it is known, and on radar rain."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from climdiff.data.pairs import align
from climdiff.downscalers import pixel_law
from climdiff.downscalers.contract import Downscaler
from climdiff.downscalers.pixel_law import PixelLaw
from climdiff.errors import DataError
from climdiff.verification.probabilistic import crps_fair


@pytest.fixture(scope="module")
def gaussian(make_pairs):
    """Return pairs, one fine cell per coarse one in effect: fine = 2 guess + 1 + 0.5 e, all cells independent."""
    generator = np.random.default_rng(0)
    pairs = make_pairs({"tas": generator.normal(size=(600, 8, 8))}, 1)
    noisy = 2 * pairs.coarse["tas"] + 1 + 0.5 * generator.normal(size=(600, 8, 8))
    return align(pairs.coarse, pairs.fine.assign(tas=noisy.astype(np.float32).assign_attrs(units="K")))


def test_the_law_of_a_linear_gaussian_world_is_found(gaussian):
    method: Downscaler = PixelLaw(gaussian.select(slice(0, 500)), ["tas"])
    test = gaussian.select(slice(500, 600))
    made = method.downscale(test.coarse, members=range(40), seed=1)["tas"]
    expected = 2 * test.coarse["tas"].values + 1
    inner = np.abs(test.coarse["tas"].values) < 2
    assert np.abs(made.mean("realization").values - expected)[inner].mean() < 0.5 * np.sqrt(2 / np.pi / 40) * 1.15
    assert float(made.std("realization", ddof=1).values[inner].mean()) == pytest.approx(0.5, rel=0.05)
    # the fair CRPS of the true law is sigma / sqrt(pi)
    score = crps_fair(made.values, test.fine["tas"].values).mean()
    assert score == pytest.approx(0.5 / np.sqrt(np.pi), rel=0.03)


def test_dry_cells_rain_as_often_as_training_cells_did(rain):
    train = rain(400, 2)
    made = PixelLaw(train, ["pr"]).downscale(train.coarse, members=range(4), seed=0)["pr"]
    truth, guess = train.fine["pr"].values, train.guess(slice(None))["pr"].values
    low = guess < np.quantile(guess, 0.2)
    assert float(made.min()) >= 0
    assert (made.values[:, low] > 0).mean() == pytest.approx((truth[low] > 0).mean(), abs=0.01)
    assert float(made.mean()) == pytest.approx(float(truth.mean()), rel=0.01)


def test_a_member_depends_on_its_number_seed_and_date_alone(rain):
    method, coarse = PixelLaw(rain(50, 3), ["pr"]), rain(6, 4).coarse
    whole = method.downscale(coarse, members=range(5), seed=9)["pr"]
    part = method.downscale(coarse.isel(time=[4]), members=[3, 1], seed=9)["pr"]
    np.testing.assert_array_equal(part, whole.isel(realization=[3, 1], time=[4]))
    assert not np.array_equal(method.downscale(coarse, members=range(5), seed=8)["pr"], whole)
    assert method.downscale(coarse, members=[10**6], seed=9)["realization"].values.tolist() == [10**6]


def test_warmer_than_ever_is_warmer_than_ever(gaussian):
    method = PixelLaw(gaussian, ["tas"])
    made = method.downscale(gaussian.coarse.isel(time=[0]) * 0 + 20, members=range(20), seed=0)["tas"]
    assert float(made.min()) > float(gaussian.fine["tas"].max())


def test_missing_cells_are_neither_learned_from_nor_filled(rain):
    train = rain(60, 5)
    holes = train.fine["pr"].copy(deep=True)
    holes[:, :8] = np.nan
    made = PixelLaw(align(train.coarse, train.fine.assign(pr=holes)), ["pr"]).downscale(train.coarse, [0], 0)["pr"]
    assert bool(np.isfinite(made).all())
    dry = train.coarse.where(train.coarse["x"] > train.coarse["x"][1])
    assert bool(np.isnan(PixelLaw(train, ["pr"]).downscale(dry, [0], 0)["pr"][..., 0]).all())
    nothing = align(train.coarse, train.fine.assign(pr=holes * np.nan))
    with pytest.raises(DataError, match=r"CD-033 training data: variable 'pr' has no cell with both"):
        PixelLaw(nothing, ["pr"])


def test_more_training_cells_than_are_kept_are_thinned(rain, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pixel_law, "MOST_PAIRS", 5000)
    law = PixelLaw(rain(200, 6), ["pr"]).laws["pr"]
    assert 4500 < len(law.given) < 5500
    assert (np.diff(law.given) >= 0).all()


@pytest.mark.slow
def test_radar_rain_scores_as_computed_independently(real_data: Path):
    # 0.173 +- 0.015 mm/h with 16 members came with the data
    folder = real_data / "radar2km_dev"
    names = ("train_coarse", "train_fine", "test_coarse", "test_fine")
    train_coarse, train_fine, coarse, fine = (xr.open_dataset(folder / f"{name}.nc", chunks=None) for name in names)
    for values in (train_fine, fine):
        values["pr"].attrs["lower_bound"] = 0.0
    made = PixelLaw(align(train_coarse, train_fine), ["pr"]).downscale(coarse, members=range(16), seed=0)["pr"]
    assert crps_fair(made.values, fine["pr"].values).mean() == pytest.approx(0.173, abs=0.004)
