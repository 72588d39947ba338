from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.special import gamma, ndtri

from climdiff.catalog.landscape import make_landscape
from climdiff.catalog.law import WEIBULL_SHAPE, Conditional, Interpolation, Law, correlation

LAW = Law.on(make_landscape((32, 48), 8, 12.0, seed=3))


def uniform_rain(mean: float, probability: float) -> Conditional:
    return Conditional(np.array(mean), np.array(probability), np.array(280.0))


def stratified_normal(n: int) -> np.ndarray:
    return ndtri((np.arange(n) + 0.5) / n)


def test_interpolation_hits_a_linear_function_between_outer_centers_and_holds_beyond():
    rows = Interpolation.nested(4, 4)
    values = rows.apply(np.arange(4.0)[:, None], axis=0)[:, 0]
    np.testing.assert_allclose(values[2:-2], (np.arange(2, 14) + 0.5) / 4 - 0.5)
    assert (values[:2] == 0.0).all() and (values[-2:] == 3.0).all()


@pytest.mark.parametrize(("mean", "probability"), [(0.5, 0.1), (3.0, 0.5), (40.0, 0.97)])
def test_rain_has_the_mean_wet_frequency_and_tail_of_the_law(mean, probability):
    law = uniform_rain(mean, probability)
    values = law.rain(stratified_normal(2_000_000))
    assert np.mean(values) == pytest.approx(mean, rel=2e-3)
    assert np.mean(values > 0.0) == pytest.approx(probability, abs=1e-6)
    for threshold in (0.1, 1.0, mean, 5 * mean):
        assert np.mean(values > threshold) == pytest.approx(float(law.exceedance(threshold)), abs=2e-6)


def test_exceedance_is_the_weibull_tail_of_scipy():
    scale = 3.0 / 0.5 / gamma(1 + 1 / WEIBULL_SHAPE)
    expected = 0.5 * stats.weibull_min(WEIBULL_SHAPE, scale=scale).sf(7.0)
    assert float(uniform_rain(3.0, 0.5).exceedance(7.0)) == pytest.approx(expected, rel=1e-12)


def test_no_expected_rain_is_no_rain_at_all():
    dry = uniform_rain(0.0, 0.0)
    np.testing.assert_array_equal(dry.rain(np.array([-3.0, 0.0, 8.0])), 0.0)
    assert float(dry.exceedance(0.1)) == 0.0


def test_rain_grows_with_the_gaussian_field_and_stays_finite():
    values = uniform_rain(3.0, 0.5).rain(np.linspace(-8, 60, 1000))
    assert (np.diff(values) >= 0).all() and np.isfinite(values).all()


def test_gaussian_fields_have_unit_variance_and_the_correlation_of_the_law():
    rng = np.random.default_rng(0)
    pairs = [LAW.gaussian_fields(rng) for _ in range(300)]
    g, other = (np.stack(fields) for fields in zip(*pairs, strict=True))
    assert g.mean() == pytest.approx(0.0, abs=0.05) and g.var() == pytest.approx(1.0, abs=0.05)
    for lag in (1, 5, 12):
        for pair in ((g[:, lag:], g[:, :-lag]), (g[:, :, lag:], g[:, :, :-lag])):
            assert np.mean(pair[0] * pair[1]) == pytest.approx(float(correlation(lag)), abs=0.05)
    assert np.mean(g * other) == pytest.approx(0.0, abs=0.05)
    assert float(correlation(5.37)) == pytest.approx(np.exp(-1), abs=0.01)


def test_opposite_sides_of_the_domain_are_not_neighbors_on_the_torus():
    rng = np.random.default_rng(1)
    g = np.stack([LAW.gaussian_fields(rng)[0] for _ in range(500)])
    assert abs(np.mean(g[:, 0] * g[:, -1])) < 0.08
    assert abs(np.mean(g[:, :, 0] * g[:, :, -1])) < 0.08


def test_wind_up_a_slope_brings_more_rain_than_wind_down():
    coarse = {"pr": np.full((4, 6), 5.0), "uas": np.full((4, 6), 8.0), "tas": np.full((4, 6), 285.0)}
    coarse["vas"] = np.zeros((4, 6))
    mean = LAW.given(coarse).mean
    steep = np.abs(LAW.land.slope_east) > 0.01
    up = LAW.land.slope_east > 0
    assert mean[steep & up].min() > 5.0 > mean[steep & ~up].max()
    assert mean.min() > 0.0


def test_temperature_falls_with_height_around_its_interpolated_value():
    coarse = {name: np.full((4, 6), value) for name, value in (("pr", 0.0), ("uas", 0.0), ("vas", 0.0), ("tas", 285.0))}
    temperature = LAW.given(coarse).temperature
    slope, offset = np.polyfit(LAW.relative_height_m.ravel(), temperature.ravel(), 1)
    assert (slope, offset) == (pytest.approx(-6.5e-3), pytest.approx(285.0))


def test_rain_cools():
    rng = np.random.default_rng(2)
    coarse = {name: np.full((4, 6), value) for name, value in (("pr", 9.0), ("uas", 3.0), ("vas", 0.0), ("tas", 285.0))}
    law = LAW.given(coarse)
    days = [LAW.sample(law, rng) for _ in range(60)]
    is_wet = np.stack([day["pr"] > 0 for day in days])
    anomaly = np.stack([day["tas"] for day in days]) - law.temperature
    assert anomaly[is_wet].mean() < -0.1 < 0.1 < anomaly[~is_wet].mean()
