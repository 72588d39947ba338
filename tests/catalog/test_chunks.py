"""A chunk that is not there is a gap where it is read as missing, and refused where it is read as a number."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
import zarr

from climdiff.catalog.chunks import absent_chunks

TIMES = np.arange("2000-01-01", "2000-01-11", dtype="datetime64[D]").astype("datetime64[ns]")
FIELDS = xr.Dataset({"pr": (("time", "x"), np.ones((10, 6), "f4"))}, {"time": TIMES, "x": np.arange(6.0)})


def lacking(path, chunk, dataset=FIELDS, **options):
    dataset.to_zarr(path, **options)
    assert found(path) == []
    (path / "pr" / chunk).unlink()
    return found(path)


def found(path):
    content = xr.open_zarr(path, chunks=None)
    return absent_chunks(path, content, content.variables)


def test_fault_003_a_chunk_read_as_a_number_is_missed_with_its_dates(tmp_path):
    encoding = {"pr": {"chunks": (4, 3), "_FillValue": None}}
    (problem,) = lacking(tmp_path / "a.zarr", "2.1", zarr_format=2, encoding=encoding)
    assert str(problem).startswith(
        f"CD-003 {tmp_path / 'a.zarr'}: variable 'pr' lacks 1 chunks, the first is (2, 1), time 2000-01-09 00:00:00 "
        "to 2000-01-10 00:00:00, x 3.0 to 5.0; they would be read as 0. Fix: copy the store again, or"
    )


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_chunk_read_as_missing_is_a_gap(tmp_path, zarr_format):
    chunk = {2: "0.0", 3: "c/0/0"}[zarr_format]
    assert lacking(tmp_path / "a.zarr", chunk, zarr_format=zarr_format) == []
    packed = {"pr": {"_FillValue": -1, "dtype": "i2", "scale_factor": 0.5}}
    assert lacking(tmp_path / "b.zarr", "0.0", zarr_format=2, encoding=packed) == []


def test_fault_003_shards_in_a_group_are_looked_for(tmp_path):
    root = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=3).create_group("inner")
    array = root.create_array("pr", shape=(8, 4), chunks=(2, 2), shards=(4, 4), dtype="f4", dimension_names=["y", "x"])
    array[...] = 1
    content = xr.open_zarr(tmp_path / "a.zarr", group="inner", chunks=None, consolidated=False)
    assert absent_chunks(tmp_path / "a.zarr", content, ["pr"], "inner") == []
    (tmp_path / "a.zarr" / "inner" / "pr" / "c" / "1" / "0").unlink()
    (problem,) = absent_chunks(tmp_path / "a.zarr", content, ["pr"], "inner")
    assert "the first is (1, 0); they would be read as 0.0" in problem.what


@pytest.mark.parametrize("group", ["inner", "/inner", "inner/", "/inner/"])
def test_fault_003_a_group_is_looked_into_however_its_path_is_spelled(tmp_path, group):
    root = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=3).create_group("inner")
    array = root.create_array("pr", shape=(4,), chunks=(2,), dtype="f4", dimension_names=["x"])
    array[...] = 1
    content = xr.open_zarr(tmp_path / "a.zarr", group=group, chunks=None, consolidated=False)
    assert absent_chunks(tmp_path / "a.zarr", content, ["pr"], group) == []
    (tmp_path / "a.zarr" / "inner" / "pr" / "c" / "1").unlink()
    assert len(absent_chunks(tmp_path / "a.zarr", content, ["pr"], group)) == 1


def test_fault_003_chunks_behind_a_link_are_there_and_those_behind_a_broken_link_are_not(tmp_path):
    array = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=3).create_array(
        "pr", shape=(4,), chunks=(2,), dtype="f4", dimension_names=["x"]
    )
    array[...] = 1
    folder = tmp_path / "a.zarr" / "pr" / "c"
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    content = xr.open_zarr(tmp_path / "a.zarr", chunks=None, consolidated=False)
    assert absent_chunks(tmp_path / "a.zarr", content, ["pr"]) == []
    (folder / "1").unlink()
    (folder / "1").symlink_to(tmp_path / "nowhere")
    (problem,) = absent_chunks(tmp_path / "a.zarr", content, ["pr"])
    assert "lacks 1 chunks, the first is (1); they would be read as 0.0" in problem.what


PACKED = {"dtype": "i2", "scale_factor": 0.5, "add_offset": 3.0, "_FillValue": -32768}


@pytest.mark.parametrize(("encoding", "number"), [({"dtype": "i4", "_FillValue": None}, "0"), (PACKED, "3.0")])
def test_whole_numbers_without_a_chunk_are_its_fill_and_told_once(tmp_path, caplog, encoding, number):
    dry = FIELDS.copy(deep=True)
    dry["pr"][4:8] = float(number)
    path, encoding = tmp_path / "a.zarr", {"pr": {"chunks": (4, 3), **encoding}}
    dry.to_zarr(path, zarr_format=3, encoding=encoding, write_empty_chunks=False)
    assert found(path) == []
    (said,) = caplog.messages
    assert said == (
        f"{path}: variable 'pr' lacks 2 chunks, the first is (1, 0), time 2000-01-05 00:00:00 to 2000-01-08 00:00:00, "
        f"x 0.0 to 2.0; they are read as {number}. If they got lost, copy the store again"
    )
    assert (xr.open_zarr(path)["pr"][4:8] == float(number)).all()


def test_flags_and_single_values_that_are_all_zero_have_no_chunks(tmp_path):
    dataset = xr.Dataset({"flag": ("x", np.zeros(4, "i4")), "height": 0.0, "level": ("level", [0.0])})
    encoding = {name: {"_FillValue": None} for name in ("height", "level")}
    dataset.to_zarr(tmp_path / "a.zarr", zarr_format=2, encoding=encoding, write_empty_chunks=False)
    assert not (tmp_path / "a.zarr" / "flag" / "0").exists()
    assert not (tmp_path / "a.zarr" / "level" / "0").exists()
    assert found(tmp_path / "a.zarr") == []
