"""Training fields gathered by position."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from xarray.backends.common import BackendArray
from xarray.core import indexing

from climdiff.downscalers import training_fields
from climdiff.errors import DataError


def training(n_times: int = 30) -> xr.Dataset:
    values = np.arange(n_times)[:, None, None] + np.linspace(0, 0.5, 12).reshape(3, 4)
    coords = {
        "time": xr.date_range("2001-01-01", periods=n_times, freq="D", use_cftime=False),
        "y": ("y", np.arange(3) * 1000.0, {"units": "m"}),
        "x": ("x", np.arange(4) * 1000.0, {"units": "m"}),
        "event": ("time", np.arange(n_times)),
    }
    return xr.Dataset({"pr": (("time", "y", "x"), values, {"units": "mm/day"})}, coords)


def dates(n_times: int) -> xr.DataArray:
    return training(n_times)["time"] + np.timedelta64(3650, "D")


@pytest.mark.parametrize("read_bytes", [1, 7 * 48, 2**20])
def test_every_member_is_the_chosen_training_field(read_bytes: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(training_fields, "READ_BYTES", read_bytes)
    chosen = np.random.default_rng(1).integers(30, size=(5, 4))
    found = training_fields.gather(training(), chosen, [4, 3, 2, 1, 0], dates(4))
    assert found["pr"].dims == ("realization", "time", "y", "x") and found["pr"].dtype == np.float32
    assert found["pr"].attrs["units"] == "mm/day" and "event" not in found.coords
    np.testing.assert_allclose(found["pr"][:, :, 0, 0], chosen)
    np.testing.assert_array_equal(found["time"], dates(4))
    assert found["realization"].values.tolist() == [4, 3, 2, 1, 0]


class Counting(BackendArray):
    """Stored values that remember how many times were read."""

    def __init__(self, values: np.ndarray) -> None:
        self.stored, self.shape, self.dtype = values, values.shape, values.dtype
        self.n_read = 0

    def __getitem__(self, key: indexing.ExplicitIndexer) -> np.ndarray:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple) -> np.ndarray:
        self.n_read += len(np.atleast_1d(np.arange(self.shape[0])[key[0]]))
        return self.stored[np.ix_(*(np.arange(n)[k] for n, k in zip(self.shape, key, strict=True)))]


def test_only_the_chosen_fields_are_read_and_each_once():
    fine = training()
    store = Counting(fine["pr"].values)
    lazy = fine.assign(pr=(("time", "y", "x"), indexing.LazilyIndexedArray(store)))
    found = training_fields.gather(lazy, np.array([[3, 3], [7, 3]]), [0, 1], dates(2))
    assert store.n_read == 2
    np.testing.assert_allclose(found["pr"][:, :, 0, 0], [[3, 3], [7, 3]])


def test_more_members_than_training_times_are_refused():
    training_fields.check_enough([0, 29], 30)
    with pytest.raises(
        DataError, match="CD-033 training data: member 30 asked for, but members are distinct"
    ) as caught:
        training_fields.check_enough([30], 30)
    assert "Fix: ask for at most 30 members." in str(caught.value)


def test_dates_whose_fields_are_not_whole_are_left_out_and_what_is_always_missing_does_not_count(rain, monkeypatch):
    monkeypatch.setattr(training_fields, "BLOCK_TIMES", 4)
    train = rain(10, 0)
    holes = train.fine["pr"].copy(deep=True)
    holes[:, 0, :] = np.nan
    holes[2, 5, 5] = holes[9] = np.nan
    found = training_fields.with_whole_fields(replace(train, fine=train.fine.assign(pr=holes)))
    np.testing.assert_array_equal(found.times, train.times[[0, 1, 3, 4, 5, 6, 7, 8]])
    assert training_fields.with_whole_fields(train).n_times == 10
