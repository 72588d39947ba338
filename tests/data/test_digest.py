"""Sketches of fields: copies are found, exact or rounded; other fields and dry days are not."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from climdiff.data.digest import N_NUMBERS, digest, shared_fields
from climdiff.data.pairs import Pairs, align

FINE, COARSE = ("fine", "pr"), ("coarse", "pr")


def rain(seed: int, n_times: int, start: str = "2001-01-01") -> np.ndarray:
    generator = np.random.default_rng(seed)
    return np.maximum(generator.gamma(0.4, 6.0, (n_times, 24, 24)) - 2, 0)


def split(fine: np.ndarray, start: str) -> Pairs:
    times = xr.date_range(start, periods=len(fine), use_cftime=False)
    attrs = {"units": "km"}

    def fields(values: np.ndarray) -> xr.Dataset:
        step = 24 / values.shape[1]
        axes = {dim: (dim, (np.arange(values.shape[1]) + 0.5) * step, attrs) for dim in ("y", "x")}
        return xr.Dataset({"pr": (("time", "y", "x"), values)}, {"time": times, **axes})

    means = fine.reshape(len(fine), 6, 4, 6, 4).mean(axis=(2, 4))
    return align(fields(means), fields(fine))


def found_in(train: np.ndarray, test: np.ndarray) -> dict:
    digests = (digest(split(fields, start)) for fields, start in ((train, "1990-01-01"), (test, "2001-01-01")))
    return {key: [each.tolist() for each in at] for key, at in shared_fields(*digests).items()}


def test_fields_of_other_dates_are_not_the_same():
    assert found_in(rain(0, 300), rain(1, 300)) == {}


@pytest.mark.parametrize("change", ["exact", "packed", "noise", "float16"])
def test_copies_are_found_with_their_positions_though_rounded(change: str):
    train, test = rain(0, 50), rain(1, 40)
    copies = train[[7, 30]]
    match change:
        case "packed":
            copies = np.round(copies / 0.01) * 0.01
        case "noise":
            copies = copies + 1e-3 * np.random.default_rng(2).normal(size=copies.shape)
        case "float16":
            copies = copies.astype(np.float16).astype(float)
    test[[5, 9]] = copies
    assert found_in(train, test) == {COARSE: [[7, 30], [5, 9]], FINE: [[7, 30], [5, 9]]}


def test_a_copy_of_the_fine_field_alone_is_found():
    train, test = rain(0, 20), rain(1, 20)
    one, other = digest(split(train, "1990-01-01")), digest(split(test, "2001-01-01"))
    assert shared_fields(one, other) == {}
    test[3] = train[4]
    other = digest(split(test, "2001-01-01"), fine=False)
    assert list(shared_fields(one, other)) == [COARSE]


def test_dry_constant_missing_and_nearly_dry_days_are_not_copies():
    train, test = rain(0, 20), rain(1, 20)
    for fields in (train, test):
        fields[3], fields[4], fields[5] = 0.0, 2.5, np.nan
        fields[6] = 0.0
        fields[6, 2, 2:7] = 0.1
    assert found_in(train, test) == {}


def test_fields_at_their_upper_bound_nearly_everywhere_are_not_copies():
    train, test = rain(0, 20), rain(1, 20)
    for fields in (train, test):
        fields[6:9] = 100.0
        fields[6:9, 2, 2:7] = 99.0
    assert found_in(train, test) == {}


@pytest.mark.parametrize("years", [1, 3])
def test_a_function_of_the_date_alone_tells_no_copies(years: int):
    days, slope = np.arange(365 * years), np.linspace(0, 1, 24)[:, None] * np.ones(24)
    declination = np.sin(2 * np.pi * days / 365.25)[:, None, None]
    insolation = 300 + 150 * declination * slope - 50 * slope
    assert found_in(insolation, insolation[:365]) == {}
    assert found_in(rain(0, 1).repeat(300, axis=0), rain(0, 1).repeat(200, axis=0)) == {}


def test_a_few_copies_within_a_split_hide_no_copies_between_splits():
    train, test = rain(0, 100), rain(1, 100)
    train[50], test[[20, 21, 22]] = train[51], train[7]
    at = [[7, 7, 7], [20, 21, 22]]
    assert found_in(train, test) == {COARSE: at, FINE: at}


def test_the_same_shape_on_another_level_is_another_field():
    train, test = rain(0, 20), rain(1, 20)
    test[0] = train[0] + 1.0
    test[1] = 1.1 * train[1]
    assert found_in(train, test) == {}


def test_a_sketch_keeps_distances():
    fields = rain(3, 200)
    sketches = digest(split(fields, "2001-01-01")).sketches[FINE]
    assert sketches.shape == (200, N_NUMBERS)
    true = np.sqrt(((fields[1:] - fields[:-1]) ** 2).mean(axis=(1, 2)))
    kept = np.sqrt(((sketches[1:] - sketches[:-1]) ** 2).sum(axis=1))
    assert np.mean(kept**2 / true**2) == pytest.approx(1, abs=0.1)


def test_blocks_do_not_matter_and_means_and_ranges_are_those_of_the_fields():
    fields = rain(4, 30)
    pairs = split(fields, "2001-01-01")
    whole, pieces = digest(pairs), digest(pairs, block_times=7)
    np.testing.assert_array_equal(whole.sketches[FINE], pieces.sketches[FINE])
    np.testing.assert_allclose(whole.means[FINE], fields.mean(axis=(1, 2)), rtol=1e-6)
    assert whole.ranges == pieces.ranges
    assert whole.ranges[FINE] == pytest.approx((fields.min(), fields.max()), rel=1e-6)
