"""A skeleton is the same bytes for the same plan, and says how it differs from another."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import pytest

from climdiff.errors import MismatchError
from climdiff.generation.plan import Plan
from climdiff.generation.receipts import to_bytes
from climdiff.generation.skeleton import PLAN_FILE, Skeleton, build_skeleton, differences, read_record


def build(fakes: ModuleType, members: int = 4, **provenance: object) -> Skeleton:
    template, times = fakes.rotated_template(), fakes.coarse_world()["time"]
    return build_skeleton(template, times, Plan(7, members, 3, 2), None, fakes.PROVENANCE | provenance)


def test_a_skeleton_is_the_same_bytes_each_time_and_ends_with_root_and_plan(fakes: ModuleType) -> None:
    files = build(fakes).all_files()
    assert files == build(fakes).all_files()
    assert list(files)[-2:] == ["zarr.json", PLAN_FILE]


def test_fields_are_compressed_and_checksummed_one_unit_a_chunk_and_missing_is_nan(fakes: ModuleType) -> None:
    metadata = json.loads(build(fakes).files["pr/zarr.json"])
    assert [codec["name"] for codec in metadata["codecs"]] == ["bytes", "zstd", "crc32c"]
    assert metadata["chunk_grid"]["configuration"]["chunk_shape"] == [2, 3, 6, 8]
    assert metadata["shape"] == [4, 7, 6, 8] and metadata["fill_value"] == "NaN"
    assert metadata["dimension_names"] == ["realization", "time", "rlat", "rlon"]


def test_the_root_holds_the_metadata_of_every_array(fakes: ModuleType) -> None:
    files = build(fakes).files
    inside = json.loads(files["zarr.json"])["consolidated_metadata"]["metadata"]
    assert inside == {
        name[: -len("/zarr.json")]: json.loads(files[name]) for name in files if name.endswith("/zarr.json")
    }
    assert set(inside) == {"pr", "tas", "realization", "time", "rlat", "rlon", "lat", "lon", "rotated_pole"}


def test_more_members_change_only_sizes(fakes: ModuleType) -> None:
    small, large = build(fakes, 4).all_files(), build(fakes, 6).all_files()
    changed = {name for name in large if small.get(name) != large[name]}
    assert changed == {
        "pr/zarr.json",
        "tas/zarr.json",
        "realization/zarr.json",
        "realization/c/0",
        "zarr.json",
        PLAN_FILE,
    }


def test_differences_list_every_key_but_the_version(fakes: ModuleType) -> None:
    recorded = build(fakes, 6).record
    assert differences(recorded, build(fakes, 8, version="9").record) == []
    assert differences(recorded, build(fakes, 4, guidance=2.0, sampler="heun").record) == [
        "guidance: store 1.0, asked 2.0",
        "sampler: store ddim, asked heun",
        "members: store 6, asked 4",
    ]
    narrowed = build(fakes, 6, guidance_interval="[0.2, 5.0]").record
    assert differences(recorded, narrowed) == ["guidance_interval: store none, asked [0.2, 5.0]"]


def test_nothing_and_an_empty_folder_have_no_record(tmp_path: Path) -> None:
    assert read_record(tmp_path / "absent") is None and read_record(tmp_path) is None


def test_what_is_not_a_store_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("mine")
    with pytest.raises(MismatchError, match=r"CD-044 .*notes.txt: output path is a file"):
        read_record(file)
    with pytest.raises(MismatchError, match=r"CD-044 .*: folder is not empty and has no .climdiff/plan.json"):
        read_record(tmp_path)


ODD_FORMATS = [f'{{"format": {value}}}' for value in ("1", '"1"', "1e400", "2.5", "null")]


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", "null", *ODD_FORMATS, '{"a":' * 100_000])
def test_fault_006_a_damaged_record_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / ".climdiff").mkdir()
    (tmp_path / PLAN_FILE).write_text(content)
    with pytest.raises(MismatchError, match=r"CD-006 .*plan.json: not the record of a climdiff store"):
        read_record(tmp_path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("members", value) for value in (8, 0, -1, 10**12, 10**40, 4.0, "4", None, True)),
        *(("identity", value) for value in ({}, [], None)),
        *(("attributes", value) for value in ({}, [], "a")),
        *(("files", value) for value in ({}, [], {"pr/zarr.json": 1}, None)),
        ("format", "1"),
    ],
)
@pytest.mark.parametrize("is_old", [False, True])
def test_fault_006_a_plan_that_was_changed_is_refused(
    fakes: ModuleType, tmp_path: Path, key: str, value: object, is_old: bool
) -> None:
    (tmp_path / ".climdiff").mkdir()
    record = dict(build(fakes).record)
    if is_old:
        del record["sha256"]
    (tmp_path / PLAN_FILE).write_bytes(to_bytes(record))
    assert read_record(tmp_path) == record
    (tmp_path / PLAN_FILE).write_bytes(to_bytes({**record, key: value}))
    if is_old and value in (8, {}) and key != "identity":
        return  # a store from before plans had a hash
    with pytest.raises(MismatchError) as caught:
        read_record(tmp_path)
    (problem,) = caught.value.problems
    assert problem.code == 6 and "\n" not in str(problem)


def test_a_store_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".climdiff").mkdir()
    (tmp_path / PLAN_FILE).write_text('{"format": 99}')
    with pytest.raises(MismatchError, match="store has format 99, this climdiff reads format 1"):
        read_record(tmp_path)
