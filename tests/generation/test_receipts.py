"""A receipt is whole or absent, always the same bytes, and never overwritten."""

from __future__ import annotations

import resource
from dataclasses import replace
from pathlib import Path

import pytest

from climdiff.errors import OutputError
from climdiff.generation.plan import Plan, unit_files
from climdiff.generation.receipts import FOLDER, Receipt, Receipts, put_file, sha256

UNIT = Plan(7, 4, 3, 4).unit(1)


@pytest.fixture
def receipts(tmp_path: Path) -> Receipts:
    (tmp_path / FOLDER / "receipts").mkdir(parents=True)
    return Receipts(tmp_path, None)


def receipt(content: bytes = b"abc", n_members: int = 4) -> Receipt:
    return Receipt(UNIT.name, n_members, {"pr/c/0/1/0/0": (len(content), sha256(content))})


def test_a_receipt_reads_back_and_names_no_time_and_no_process() -> None:
    content = receipt().to_json()
    assert Receipt.from_json(content) == receipt()
    assert content == (
        b'{\n "files": {\n  "pr/c/0/1/0/0": {\n   "sha256": '
        b'"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",\n   "size": 3\n  }\n },\n'
        b' "members": 4,\n "unit": "t000001-m0000"\n}\n'
    )


ENTRY = b'{"pr/c/0/1/0/0": {"size": 3, "sha256": "' + b"a" * 64 + b'"}}'


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"[]", b"{}", b"null", b'{"unit": 1, "members": 2, "files": {"a": 3}}', b"\xff", b"[" * 100_000),
        b'{"unit": "t000001-m0000", "members": 4, "files": []}',
        b'{"unit": "t000001-m0000", "members": true, "files": ' + ENTRY + b"}",
        b'{"unit": "t000001-m0000", "members": 4, "files": ' + ENTRY.replace(b"3", b'"3"') + b"}",
        b'{"unit": "t000001-m0000", "members": 4, "files": ' + ENTRY.replace(b"pr/c", b"../pr/c") + b"}",
        b'{"unit": "t000001-m0000", "members": 2, "files": ' + ENTRY + b"}",
        b'{"unit": "t000000-m0000", "members": 4, "files": ' + ENTRY + b"}",
    ],
)
def test_fault_011_a_damaged_receipt_counts_as_none(receipts: Receipts, content: bytes) -> None:
    receipts.path(UNIT).write_bytes(content)
    assert receipts.find(UNIT) is None


def test_fault_011_a_receipt_of_other_files_than_the_unit_has_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / FOLDER / "receipts").mkdir(parents=True)
    receipts = Receipts(tmp_path, lambda unit: unit_files(unit, ["pr", "tas"], (4, 3, 5, 5), (5, 5)))
    path, of_both = "pr/c/0/1/0/0", {f"{name}/c/0/1/0/0": (3, sha256(b"abc")) for name in ("pr", "tas")}
    for files, is_whole in (({}, False), ({path: of_both[path]}, False), (of_both, True)):
        receipts.path(UNIT).write_bytes(Receipt(UNIT.name, 4, files).to_json())
        assert (receipts.find(UNIT) is not None) is is_whole
    shorter = replace(UNIT, members=slice(0, 2))
    receipts.path(shorter).write_bytes(Receipt(UNIT.name, 2, {path: of_both[path]}).to_json())
    assert receipts.find_shorter(UNIT) is None
    receipts.path(shorter).write_bytes(Receipt(UNIT.name, 2, of_both).to_json())
    assert receipts.find_shorter(UNIT) == Receipt(UNIT.name, 2, of_both)


def test_the_second_of_two_equal_receipts_says_nothing_and_a_different_one_is_refused(
    receipts: Receipts, tmp_path: Path
) -> None:
    receipts.add(UNIT, receipt(), tmp_path)
    receipts.add(UNIT, receipt(), tmp_path)
    with pytest.raises(OutputError, match=r"CD-068 .*t000001-m0000-n0004.json: two processes made different values"):
        receipts.add(UNIT, receipt(b"abd"), tmp_path)
    assert receipts.find(UNIT) == receipt() and receipts.count() == 1
    assert receipts.sample_sizes() == [3]
    assert [file.name for file in tmp_path.iterdir()] == [FOLDER]


def test_a_longer_receipt_takes_the_place_of_shorter_ones(receipts: Receipts, tmp_path: Path) -> None:
    short = Plan(7, 2, 3, 4).unit(1)
    receipts.add(short, receipt(n_members=2), tmp_path)
    assert receipts.find(UNIT) is None and receipts.find_shorter(UNIT) == receipt(n_members=2)
    receipts.add(UNIT, receipt(), tmp_path)
    assert receipts.find(short) is None and receipts.find(UNIT) == receipt()
    receipts.withdraw(UNIT)
    assert receipts.count() == 0


def test_a_file_is_put_in_place_over_an_old_one_and_leaves_nothing_behind(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    for content in (b"old", b"new"):
        put_file(tmp_path / "pr" / "c" / "0", content, work)
    assert (tmp_path / "pr" / "c" / "0").read_bytes() == b"new" and not list(work.iterdir())


def test_fault_070_a_file_without_room_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    put_file(tmp_path / "rows.json", b"old", tmp_path)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            put_file(tmp_path / "rows.json", bytes(2000), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.filename == str(tmp_path / "rows.json")
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"rows.json": b"old"}
