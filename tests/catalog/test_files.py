from __future__ import annotations

from pathlib import Path

import pytest

from climdiff.catalog import files
from climdiff.errors import RecipeError, SecurityError

VALID = """
title: A set
licence: CC-BY
source: somewhere
citation: someone
description: something
parts:
  fine:
    urlpath: set/fine.nc
    variables:
      pr: {standard_name: precipitation_flux, units: mm day-1, valid_range: [0, 500]}
"""


def entry_file(folder: Path, text: str) -> Path:
    path = folder / "my-set.yaml"
    path.write_text(text)
    return path


def test_a_valid_file_is_an_entry_named_after_it(tmp_path):
    entry = files.read(entry_file(tmp_path, VALID))
    assert (entry.name, entry.parts["fine"].variables["pr"].valid_range) == ("my-set", (0.0, 500.0))


def test_fault_037_all_problems_come_at_once_with_the_nearest_key(tmp_path):
    text = VALID.replace("licence: CC-BY", "licenze: CC-BY").replace("units:", "unit:").replace("urlpath", "urlpth")
    path = entry_file(tmp_path, text)
    with pytest.raises(RecipeError) as caught:
        files.read(path)
    message = str(caught.value)
    assert f"CD-037 {path}: licenze: unknown key. Fix: did you mean 'licence'." in message
    assert "licence: field required" in message
    assert "parts.fine.variables.pr.unit: unknown key. Fix: did you mean 'units'." in message
    assert "parts.fine.urlpth: unknown key. Fix: did you mean 'urlpath'." in message


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("units: mm day-1", "units: 3", "parts.fine.variables.pr.units: input should be a valid string"),
        ("urlpath: set/fine.nc", "engine: netcdf4", "give either urlpath or subsets"),
        ("urlpath: set/fine.nc", "subsets: {a: x.nc}\n    default_subset: b", "default_subset 'b' is not one of"),
        ("urlpath: set/fine.nc", "urlpath: x.nc\n    coordinates_from: fine", "coordinates_from of 'fine' is 'fine'"),
        ("title: A set", "name: other", "name: unknown key"),
        ("title: A set", "title: [", "not YAML"),
        ("title: A set", "title: A set\ntitle: B", "not YAML"),
        (VALID, "- a\n- b\n", "not a mapping"),
    ],
)
def test_fault_037_what_is_wrong_names_file_and_key(tmp_path, old, new, message):
    path = entry_file(tmp_path, VALID.replace(old, new))
    with pytest.raises(RecipeError) as caught:
        files.read(path)
    assert f"CD-037 {path}: " in str(caught.value) and message in str(caught.value)


def test_fault_039_a_tag_is_refused_before_anything_is_made(tmp_path):
    marker = tmp_path / "marker"
    path = entry_file(tmp_path, f"title: !!python/object/apply:os.system ['touch {marker}']\n")
    with pytest.raises(SecurityError, match=rf"CD-039 {path}:1: tag"):
        files.read(path)
    assert not marker.exists()


@pytest.mark.parametrize(
    "text",
    ["a: &x [1, 2]\nb: 3\n", "a: &x {b: 1}\nc: *x\n", "a: " + "[" * 30 + "]" * 30, "a: " + "b" * 1_100_000],
    ids=["anchor", "alias", "deep", "large"],
)
def test_fault_040_anchors_depth_and_size_are_refused(tmp_path, text):
    with pytest.raises(SecurityError, match="CD-040"):
        files.read(entry_file(tmp_path, text))


def test_a_file_that_is_no_text_is_named(tmp_path):
    path = tmp_path / "my-set.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecipeError, match=rf"CD-012 {path}: cannot be read"):
        files.read(path)


def test_own_entries_come_before_shipped_ones(tmp_path, monkeypatch):
    named, here = tmp_path / "named", tmp_path / "data_catalog"
    for folder, names in ((named, ["my-set"]), (here, ["my-set", "world", "Not A Name"])):
        folder.mkdir()
        for name in names:
            (folder / f"{name}.yaml").write_text(VALID)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLIMDIFF_CATALOG", str(named))
    paths = files.paths()
    assert paths["my-set"] == named / "my-set.yaml"
    assert paths["world"].resolve() == here / "world.yaml"
    assert "radar2km" in paths and "Not A Name" not in paths
