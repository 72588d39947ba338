"""Regression with resampled residuals: the true law of a linear Gaussian world, and Iberian winters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from climdiff import build
from climdiff.data.pairs import align
from climdiff.downscalers.contract import Downscaler
from climdiff.downscalers.regression import Regression
from climdiff.errors import DataError
from climdiff.recipe.load import load
from climdiff.transforms.pipeline import Pipeline
from climdiff.transforms.precipitation import CubeRoot
from climdiff.transforms.residual import Residual
from climdiff.transforms.scaling import Standardize
from climdiff.verification.probabilistic import crps_fair

PLAIN = (Standardize(per_cell=False),)


@pytest.fixture(scope="module")
def gaussian(make_pairs):
    """Return 3000 pairs and the matrix A of tas = A guess + e; e is 0.5 times one number a day times a pattern."""
    generator = np.random.default_rng(0)
    base = make_pairs({"tas": generator.normal(size=(3000, 6, 6))}, 3)
    matrix = generator.normal(size=(36, 4))
    pattern = np.sign(generator.normal(size=36))
    predicted = base.coarse["tas"].values.reshape(3000, 4) @ matrix.T
    noise = 0.5 * generator.normal(size=(3000, 1)) * pattern
    fine = base.fine.assign(tas=(("time", "y", "x"), (predicted + noise).reshape(3000, 6, 6).astype(np.float32)))
    return align(base.coarse, fine), matrix, pattern


def fitted(train, n_alike: int | None = None) -> Regression:
    return Regression(train, Pipeline({"tas": PLAIN}), Pipeline({"tas": PLAIN}), calendar=False, n_alike=n_alike)


def test_the_law_of_a_linear_gaussian_world_is_found(gaussian):
    pairs, matrix, pattern = gaussian
    test = pairs.select(slice(2000, 3000))
    method: Downscaler = fitted(pairs.select(slice(0, 2000)))
    made = method.downscale(test.coarse, members=range(16), seed=3)["tas"].values.reshape(16, 1000, 36)
    errors = made - test.coarse["tas"].values.reshape(1000, 4) @ matrix.T
    assert errors.std() == pytest.approx(0.5, rel=0.03)
    np.testing.assert_allclose(np.corrcoef(errors.reshape(-1, 36).T), np.outer(pattern, pattern), atol=0.02)
    score = crps_fair(made, test.fine["tas"].values.reshape(1000, 36)).mean()
    assert score == pytest.approx(0.5 / np.sqrt(np.pi), rel=0.05)


def test_fewer_dates_than_predictors_are_fitted_by_fewer_components(make_pairs):
    pairs = make_pairs({"tas": np.random.default_rng(1).normal(size=(40, 20, 20))}, 2)
    method = fitted(pairs.select(slice(0, 30)))
    assert len(method.fits["tas"].coefficients) < 15
    made = method.downscale(pairs.select(slice(30, 40)).coarse, members=range(2), seed=0)
    assert np.isfinite(made["tas"].values).all()


@pytest.mark.slow
def test_residuals_of_a_small_training_set_are_as_large_as_errors_outside_it(gaussian):
    pairs = gaussian[0]
    spreads = []
    for start in range(0, 1000, 25):
        method = fitted(pairs.select(slice(start, start + 25)))
        residuals = next(method._residuals(np.arange(25)))[1]["tas"] * float(
            method.target_state["tas__0_standardize__std"]
        )
        spreads.append(np.square(residuals).mean())
    # without leverages this is (1 - 5 / 25) of the true variance
    assert np.mean(spreads) == pytest.approx(0.25, rel=0.12)


def test_components_of_noise_are_not_used(make_pairs):
    generator = np.random.default_rng(1)
    train = make_pairs({"tas": generator.normal(size=(300, 10, 10))}, 1)
    noise = train.fine.assign(tas=(("time", "y", "x"), generator.normal(size=(300, 10, 10)).astype(np.float32)))
    assert len(fitted(align(train.coarse, noise)).fits["tas"].coefficients) < 10
    assert len(fitted(train).fits["tas"].coefficients) == 101


def rainy(train, n_alike: int | None = 20) -> Regression:
    steps = (CubeRoot(), Residual(), Standardize(per_cell=False))
    return Regression(train, Pipeline({"pr": steps}), Pipeline({"pr": (CubeRoot(), *PLAIN)}), n_alike=n_alike)


def test_rain_is_never_negative_and_wet_days_err_more(rain):
    train, test = rain(300, 2), rain(60, 3)
    method = rainy(train)
    made = method.downscale(test.coarse, members=range(10), seed=0)["pr"]
    assert float(made.min()) >= 0
    spread = made.std("realization").mean(("y", "x")).values
    amount = test.coarse["pr"].mean(("y", "x")).values
    assert np.corrcoef(spread, amount)[0, 1] > 0.8
    blind = rainy(train, None).downscale(test.coarse, members=range(10), seed=0)["pr"]
    dry = amount < np.quantile(amount, 0.2)
    assert spread[dry].mean() < float(blind.std("realization").mean(("y", "x"))[dry].mean())


def test_a_member_depends_on_its_number_seed_and_date_alone(rain):
    method, coarse = rainy(rain(60, 4)), rain(8, 5).coarse
    whole = method.downscale(coarse, members=range(5), seed=9)["pr"]
    part = method.downscale(coarse.isel(time=[6]), members=[4, 0], seed=9)["pr"]
    np.testing.assert_array_equal(part, whole.isel(realization=[4, 0], time=[6]))
    assert not np.array_equal(method.downscale(coarse, members=range(5), seed=8)["pr"], whole)


def test_cells_that_are_always_missing_stay_missing(rain):
    train = rain(60, 6)
    sea = train.fine["pr"].where(train.fine["x"] > 8000)
    made = rainy(align(train.coarse, train.fine.assign(pr=sea))).downscale(train.coarse, [0], 0)["pr"]
    np.testing.assert_array_equal(np.isnan(made[0]), np.isnan(sea))


def test_predictors_that_miss_cells_or_are_absent_are_refused(rain):
    train = rain(40, 7)
    broken = train.coarse.copy(deep=True)
    broken["pr"][3, 0, 0] = np.nan
    with pytest.raises(DataError, match=r"CD-075 training predictors: .* miss cells at 1990-01-04"):
        rainy(align(broken, train.fine))
    with pytest.raises(DataError, match=r"CD-075 coarse data: predictors \['pr'\] miss cells at 1990-01-04"):
        rainy(train).downscale(broken, [0], 0)
    with pytest.raises(DataError, match=r"CD-036 coarse data: no variable \['pr'\]"):
        rainy(train).downscale(train.coarse.rename(pr="rain"), [0], 0)


@pytest.mark.slow
def test_iberian_winters_score_about_as_computed_independently(real_data: Path, monkeypatch: pytest.MonkeyPatch):
    # 0.485 mm/day and 0.193 K came with the data
    monkeypatch.setenv("CLIMDIFF_DATA", str(real_data))
    recipe = load(Path("recipes/iberia.yaml"))
    splits = build.open_splits(recipe, ["train", "test"])
    test = splits["test"]
    made = Regression(splits["train"], *build.pipelines(recipe)).downscale(test.coarse, members=range(16), seed=0)
    scores = {name: crps_fair(made[name].values, test.fine[name].values).mean() for name in ("pr", "tas")}
    assert scores["pr"] == pytest.approx(0.485, rel=0.01)
    assert scores["tas"] == pytest.approx(0.193, rel=0.01)
