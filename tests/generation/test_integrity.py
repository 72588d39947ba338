"""Every damage to a store is found, named, and mended by making that unit again."""

from __future__ import annotations

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
