from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from climdiff.catalog.lazy import Source, lazy_variable
from climdiff.errors import DataError

DIMS = ("time", "y", "x")
FIRST = xr.Variable(DIMS, np.arange(24.0).reshape(4, 2, 3))
SECOND = xr.Variable(DIMS, np.arange(100.0, 118.0).reshape(3, 2, 3))
JOINED = np.concatenate([FIRST.values, SECOND.values])


@pytest.mark.parametrize(
    "key",
    [
        (slice(None), slice(None), slice(None)),
        (slice(2, 6), 1, slice(0, 3, 2)),
        (5, slice(None), 0),
        ([6, 0, 3], slice(None), [2, 0]),
        (slice(6, 1, -2), [1], 2),
        (slice(0, 0), slice(None), slice(None)),
        (0, 0, 0),
    ],
)
def test_any_selection_of_joined_files_equals_that_of_the_joined_numbers(key):
    order = np.array([4, 5, 6, 3, 2, 0, 1])
    lazy = lazy_variable([Source(FIRST), Source(SECOND)], DIMS, order)
    expected = xr.Variable(DIMS, JOINED[order].astype(np.float32))[key]
    assert lazy.dtype == np.float32 and lazy.shape == JOINED.shape
    xr.testing.assert_identical(lazy[key].load(), expected)


def test_each_file_is_converted_by_its_own_factors():
    lazy = lazy_variable([Source(FIRST, scale=2.0), Source(SECOND, offset=-100.0)], DIMS, np.arange(7))
    np.testing.assert_array_equal(lazy[3].values, 2.0 * FIRST[3].values)
    np.testing.assert_array_equal(lazy[4].values, SECOND[0].values - 100.0)


def test_dimensions_in_another_order_are_turned_when_read():
    turned = FIRST.transpose("x", "y", "time")
    lazy = lazy_variable([Source(turned)], DIMS, np.arange(4))
    np.testing.assert_array_equal(lazy[1:3, :, 2].values, FIRST.values[1:3, :, 2])


def test_sentinels_become_missing_before_units_are_converted():
    values = xr.Variable(("y", "x"), np.array([[-9999.0, 20.0]]))
    lazy = lazy_variable([Source(values, offset=273.15, missing=(-9999.0,))], ("y", "x"), None)
    np.testing.assert_array_equal(lazy.values, np.array([[np.nan, 293.15]], np.float32))


def test_a_mask_is_one_above_its_level_and_missing_where_the_source_is():
    values = xr.Variable(("y", "x"), np.array([[-1.0, 0.0, 2.0, np.nan]]))
    np.testing.assert_array_equal(
        lazy_variable([Source(values, above=0.0)], ("y", "x"), None)[0].values, [0, 0, 1, np.nan]
    )


def test_only_what_is_indexed_is_read():
    class Watched(Source):
        reads: list[int] = []  # noqa: RUF012

        def read(self, dims, key):
            values = super().read(dims, key)
            self.reads.append(values.size)
            return values

    lazy = lazy_variable([Watched(FIRST), Watched(SECOND)], DIMS, np.arange(7))
    assert Watched.reads == []
    lazy[3:5, 0].load()
    assert Watched.reads == [3, 3]


def test_the_chunks_of_the_first_file_are_told():
    first = FIRST.copy()
    first.encoding["preferred_chunks"] = {"time": 2, "y": 2, "x": 3}
    assert lazy_variable([Source(first), Source(SECOND)], DIMS, np.arange(7)).encoding == first.encoding
    assert not lazy_variable([Source(FIRST)], DIMS, np.arange(4)).encoding


@pytest.mark.parametrize("error", [RuntimeError("NetCDF: HDF error"), OSError("Zstd"), ValueError("blosc\nline two")])
def test_fault_005_a_file_found_damaged_when_it_is_read_is_named(error):
    class Damaged(BackendArray):
        shape, dtype = (4, 2, 3), np.dtype(float)

        def __getitem__(self, key):
            raise error

    lazy = lazy_variable(
        [Source(xr.Variable(DIMS, indexing.LazilyIndexedArray(Damaged())), where="rain.zarr")], DIMS, np.arange(4)
    )
    said = str(error).splitlines()[0]
    with pytest.raises(DataError, match=rf"CD-005 rain\.zarr: values cannot be read \({said}\)") as found:
        lazy[1:3].load()
    assert "line two" not in str(found.value)
