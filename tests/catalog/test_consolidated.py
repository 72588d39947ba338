"""Consolidated metadata are found as zarr writes them, in either format."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from climdiff.catalog.consolidated import is_consolidated

FIELD = xr.Dataset({"pr": ("x", np.arange(3.0))})


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("wanted", [True, False])
@pytest.mark.filterwarnings("ignore:Consolidated metadata is currently not part")
def test_stores_of_either_format_are_told_apart(tmp_path, zarr_format, wanted):
    FIELD.to_zarr(tmp_path / "a.zarr", zarr_format=zarr_format, consolidated=wanted)
    assert is_consolidated(tmp_path / "a.zarr") is wanted


@pytest.mark.filterwarnings("ignore:Consolidated metadata is currently not part")
def test_a_group_is_opened_by_the_metadata_of_the_root(tmp_path):
    FIELD.to_zarr(tmp_path / "a.zarr", group="inner", zarr_format=3, consolidated=True)
    assert is_consolidated(tmp_path / "a.zarr")
    opened = xr.open_dataset(tmp_path / "a.zarr", engine="zarr", group="inner", consolidated=True)
    xr.testing.assert_equal(opened, FIELD)


@pytest.mark.parametrize("text", ["", "{", "[]", "\xff", '{"consolidated_metadata": null}'])
def test_what_is_no_metadata_has_none(tmp_path, text):
    (tmp_path / "zarr.json").write_text(text, encoding="latin-1")
    assert not is_consolidated(tmp_path)
