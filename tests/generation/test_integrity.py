"""Every damage to a store is found, named, and mended by making that unit again."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from climdiff.errors import MismatchError
from climdiff.generation.integrity import check_store

CHUNK = Path("pr") / "c" / "1" / "2" / "0" / "0"


@pytest.fixture
def path(fakes: ModuleType, tmp_path: Path) -> Path:
    fakes.make(tmp_path / "ens.zarr")
    return tmp_path / "ens.zarr"


def flip(file: Path, bit: int) -> None:
    content = bytearray(file.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    file.write_bytes(content)


def test_a_whole_store_has_no_problems(path: Path) -> None:
    assert check_store(path) == []


@pytest.mark.parametrize(
    ("code", "what"), [(1, "content differs"), (3, "missing chunk"), (4, "chunk is empty"), (5, "chunk is truncated")]
)
def test_damage_names_array_chunk_dates_and_members_and_repair_makes_only_that_unit(
    fakes: ModuleType, path: Path, code: int, what: str
) -> None:
    before, file = fakes.disk_state(path), path / CHUNK
    content = file.read_bytes()
    if code == 3:
        file.unlink()
    elif code == 1:
        flip(file, 1000)
    else:
        file.write_bytes(content[: {4: 0, 5: len(content) // 2}[code]])
    (problem,) = check_store(path)
    assert problem.code == code and problem.where == str(file)
    assert problem.what.startswith(
        f"variable 'pr', chunk (1, 2, 0, 0), realization 2 to 3, time 2002-01-05T00:00:00 to 2002-01-05T00:00:00, "
        f"rlat -2 to 2, rlon -3 to 3: {what}"
    )
    downscaler = fakes.Repeat()
    fakes.make(path, downscaler=downscaler, repair=True)
    assert downscaler.made == [("2002-01-05", 2), ("2002-01-05", 3)]
    assert fakes.disk_state(path) == before


def test_any_flipped_bit_of_any_chunk_is_found(path: Path) -> None:
    rng = np.random.default_rng(0)
    files = sorted(
        file for name in ("pr", "tas", "lat", "time") for file in (path / name / "c").rglob("*") if file.is_file()
    )
    for _ in range(20):
        file = files[rng.integers(len(files))]
        bit = int(rng.integers(8 * file.stat().st_size))
        flip(file, bit)
        (problem,) = check_store(path)
        assert problem.where == str(file)
        flip(file, bit)


def test_a_flipped_bit_is_an_error_for_xarray_too(path: Path) -> None:
    import xarray as xr

    flip(path / CHUNK, 500)
    with pytest.raises((ValueError, RuntimeError)):
        xr.open_zarr(path)["pr"].load()


def test_a_store_copied_in_part_says_how_many_units_are_missing(fakes: ModuleType, path: Path) -> None:
    for receipt in sorted((path / ".climdiff" / "receipts").iterdir())[1:3]:
        receipt.unlink()
    (problem,) = check_store(path)
    assert problem.code == 11
    assert problem.what == "2 of 6 units are not made yet (t000000-m0001, t000001-m0000)"
    assert "generate command again" in problem.fix


@pytest.mark.parametrize("harm", ["no files", "one file", "no receipt"])
def test_fault_011_a_receipt_that_covers_less_than_its_unit_is_none_and_the_unit_made_again(
    fakes: ModuleType, path: Path, harm: str
) -> None:
    before = fakes.disk_state(path)
    file = path / ".climdiff" / "receipts" / "t000001-m0000-n0002.json"
    content = json.loads(file.read_bytes())
    files = dict(list(content["files"].items())[:1]) if harm == "one file" else {}
    file.write_text("7" if harm == "no receipt" else json.dumps({**content, "files": files}))
    (problem,) = check_store(path)
    assert problem.code == 11 and "1 of 6 units are not made yet (t000001-m0000)" in problem.what
    fakes.make(path)
    assert fakes.disk_state(path) == before


@pytest.mark.parametrize("members", [10**12, [4], "4"])
def test_fault_006_a_changed_plan_is_refused_at_once_by_verify_and_generate(
    fakes: ModuleType, path: Path, members: object
) -> None:
    plan = path / ".climdiff" / "plan.json"
    plan.write_text(json.dumps(json.loads(plan.read_bytes()) | {"members": members}))
    for use in (check_store, fakes.make):
        with pytest.raises(MismatchError, match=r"CD-006 .*plan\.json: not the record .* members Input should be "):
            use(path)


@pytest.mark.parametrize("name", ["zarr.json", "pr/zarr.json", "lon/c/0/0"])
def test_damaged_metadata_and_coordinates_are_named(path: Path, name: str) -> None:
    flip(path / name, 77)
    (problem,) = check_store(path)
    assert problem.code == 6 and problem.where == str(path / name)
    (path / name).unlink()
    (problem,) = check_store(path)
    assert problem.code == 6 and "is missing" in problem.what


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MismatchError, match=r"CD-044 .*: nothing there, expected a climdiff store"):
        check_store(tmp_path / "absent")
