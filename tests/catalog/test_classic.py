"""A classic netCDF file promises the size of a whole one, whatever is in it, and so more than a cut one has."""

from __future__ import annotations

import io

import numpy as np
import pytest
import xarray as xr

from climdiff.catalog.classic import least_size


def content(path, dataset, **options):
    dataset.to_netcdf(path, engine="netcdf4", **options)
    return path.read_bytes()


def promised(content):
    return least_size(io.BytesIO(content), len(content))


@pytest.mark.parametrize("kind", ["NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA"])
@pytest.mark.parametrize("records", [[], ["time"]])
@pytest.mark.parametrize("types", [["f4"], ["i1"], ["i2", "i1", "f8"]])
def test_a_whole_file_has_the_size_it_promises_but_for_padding(tmp_path, kind, records, types):
    fields = {f"v{each}": (("time", "y", "x"), np.ones((3, 3, 5), each), {"units": "odd"}) for each in types}
    dataset = xr.Dataset({**fields, "scalar": 1.0}, {"y": [1.0, 2.0, 3.0]}, {"title": "five"})
    found = content(tmp_path / "a.nc", dataset, format=kind, unlimited_dims=records)
    assert len(found) - 4 < promised(found) <= len(found)


def test_a_file_without_records_yet_or_with_as_many_as_there_are_promises_the_rest(tmp_path):
    dataset = xr.Dataset({"pr": (("time", "x"), np.ones((4, 3), "f4"))})
    found = content(tmp_path / "a.nc", dataset, format="NETCDF3_CLASSIC", unlimited_dims=["time"])
    assert promised(found) == len(found)
    for n_records in (b"\0\0\0\0", b"\xff\xff\xff\xff"):
        assert promised(found[:4] + n_records + found[8:]) == len(found) - 4 * 3 * 4


def test_every_cut_is_seen(tmp_path):
    found = content(tmp_path / "a.nc", xr.Dataset({"pr": ("x", np.ones(8, "f4"))}), format="NETCDF3_CLASSIC")
    for size in range(4, len(found)):
        try:
            assert promised(found[:size]) == len(found)
        except EOFError:
            continue


def test_what_is_no_header_ends_at_once():
    for head in (b"CDF\x01", b"CDF\x05"):
        with pytest.raises(EOFError):
            promised(head + b"\xff" * 1000)
    with pytest.raises(ValueError, match="no type 99"):
        promised(b"CDF\x01" + bytes(4 + 8) + b"\0\0\0\x0c\0\0\0\x01" + bytes(4) + b"\0\0\0\x63" + bytes(8))
