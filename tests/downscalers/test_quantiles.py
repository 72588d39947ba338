"""Maps between distributions: exact where they are known, and as xsdba makes them where it can."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from climdiff.downscalers import quantiles as module
from climdiff.downscalers.quantiles import LEVELS, QuantileMap, fit_maps, quantiles


def field(values: np.ndarray) -> xr.Dataset:
    times = xr.date_range("1990-01-01", periods=len(values), freq="D", use_cftime=False)
    return xr.Dataset({"v": (("time", "y", "x"), values.astype(np.float32))}, {"time": times})


def fitted(given: np.ndarray, found: np.ndarray) -> QuantileMap:
    read = [lambda span, side=side: field(side).isel(time=span) for side in (given, found)]
    return fit_maps(len(given), given.shape[1:], ["v"], *read)["v"]


def test_quantiles_are_those_of_numpy_without_what_is_missing():
    values = np.random.default_rng(0).normal(size=(57, 2, 3))
    np.testing.assert_allclose(quantiles(values), np.quantile(values, LEVELS, axis=0), rtol=1e-6)
    values[::3, 1, 2] = np.nan
    np.testing.assert_allclose(quantiles(values)[:, 1, 2], np.nanquantile(values[:, 1, 2], LEVELS), rtol=1e-6)
    assert np.isnan(quantiles(np.full((5, 1, 1), np.nan))).all()


def test_training_values_get_the_training_distribution():
    generator = np.random.default_rng(1)
    given, found = generator.normal(size=(2000, 2, 2)), 5 + generator.gamma(2.0, size=(2000, 2, 2))
    mapped = fitted(given, found)(given.astype(np.float32))
    inside = LEVELS[1:-1]
    np.testing.assert_allclose(np.quantile(mapped, inside, axis=0), np.quantile(found, inside, axis=0), rtol=1e-3)
    assert (np.argsort(mapped, axis=0) == np.argsort(given, axis=0)).all()


def test_a_shift_and_a_scale_are_mapped_exactly_and_continued_beyond_the_ends():
    given = np.linspace(-3, 3, 601)[:, None, None]
    mapped = fitted(given, 2 * given + 7)
    inner = np.array([-3, -1.234, 0, 2.9999, 3.0], np.float32)[:, None, None]
    np.testing.assert_allclose(mapped(inner), 2 * inner + 7, rtol=1e-5)
    # the correction of the end, 3 + 7, is kept
    np.testing.assert_allclose(mapped(np.full((1, 1, 1), 10, np.float32)), 20, rtol=1e-6)


def test_dry_values_stay_dry_where_the_truth_is_drier_and_get_its_middle_where_not():
    wet = np.linspace(0.1, 1, 500)
    given = np.concatenate([np.zeros(500), wet])[:, None, None]
    drier = np.concatenate([np.zeros(700), wet[:300]])[:, None, None]
    wetter = np.concatenate([np.zeros(100), np.linspace(0.1, 1, 900)])[:, None, None]
    zero = np.zeros((1, 1, 1), np.float32)
    assert fitted(given, drier)(zero).item() == 0
    assert fitted(given, wetter)(zero).item() == pytest.approx(np.quantile(wetter, 0.25), abs=0.01)


def test_cells_without_values_stay_without_and_blocks_of_rows_change_nothing(monkeypatch: pytest.MonkeyPatch):
    generator = np.random.default_rng(2)
    given, found = generator.normal(size=(2, 300, 5, 4))
    found[:, 2, 1] = np.nan
    whole = fitted(given, found)
    monkeypatch.setattr(module, "BLOCK_BYTES", 1)
    monkeypatch.setattr(module, "BLOCK_TIMES", 70)
    cut = fitted(given, found)
    np.testing.assert_array_equal(cut.found, whole.found)
    mapped = cut(given.astype(np.float32))
    assert np.isnan(mapped[:, 2, 1]).all() and np.isfinite(np.delete(mapped.reshape(300, 20), 9, axis=1)).all()


@pytest.mark.slow
def test_maps_without_ties_are_those_of_xsdba():
    xsdba = pytest.importorskip("xsdba")
    generator = np.random.default_rng(3)
    given, found = generator.normal(size=(500, 2, 2)), 3 * generator.normal(size=(500, 2, 2)) + 4
    sides = [field(side)["v"].assign_attrs(units="1") for side in (found, given)]
    trained = xsdba.EmpiricalQuantileMapping.train(*sides, nquantiles=100, group="time", kind="+")
    expected = trained.adjust(sides[1], interp="linear", extrapolation="constant").transpose("time", "y", "x").values
    inner = np.abs(given) < 2
    np.testing.assert_allclose(fitted(given, found)(given.astype(np.float32))[inner], expected[inner], atol=0.02)
