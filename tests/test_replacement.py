"""A file is replaced whole or stays as it was, whoever else writes it, and its own name is told."""

from __future__ import annotations

import os
import resource
import socket
from pathlib import Path

import pytest

from climdiff.replacement import is_abandoned, process_name, replacing


def content(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in folder.iterdir()}


def test_a_file_is_replaced_when_all_went_well_and_only_then(tmp_path: Path) -> None:
    target = tmp_path / "new" / "rows.json"
    for text in ("old", "new"):
        with replacing(target) as building:
            building.write_text(text)
    with pytest.raises(KeyError), replacing(target) as building:
        building.write_text("half")
        raise KeyError
    assert content(target.parent) == {"rows.json": "new"}


def test_two_processes_that_write_the_same_file_do_not_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with replacing(tmp_path / "rows.json") as ours:
        ours.write_text("ours")
        with monkeypatch.context() as other:
            other.setattr(os, "getpid", os.getppid)
            with replacing(tmp_path / "rows.json") as theirs:
                theirs.write_text("theirs")
        assert content(tmp_path) == {"rows.json": "theirs", ours.name: "ours"}
    assert content(tmp_path) == {"rows.json": "ours"}


def test_fault_052_a_file_without_room_is_told_by_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text("old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(OSError, match="File too large") as caught, replacing(tmp_path / "rows.json") as building:
            building.write_text("x" * 2000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.filename == str(tmp_path / "rows.json")
    assert content(tmp_path) == {"rows.json": "old"}


def test_another_file_keeps_its_name_and_another_trouble_its_text(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught, replacing(tmp_path / "rows.json") as building:
        building.write_text((tmp_path / "absent").read_text())
    assert str(caught.value.filename) == str(tmp_path / "absent")
    with pytest.raises(OSError, match=r"^no encoder$"), replacing(tmp_path / "picture.png"):
        raise OSError("no encoder")


def test_a_file_is_on_the_disk_before_it_gets_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[bool] = []
    monkeypatch.setattr(os, "fsync", lambda number: flushed.append((tmp_path / "rows.json").exists()))
    with replacing(tmp_path / "rows.json") as building:
        building.write_text("new")
    assert flushed == [False] and content(tmp_path) == {"rows.json": "new"}


def test_what_a_killed_process_left_goes_and_what_others_wrote_stays(tmp_path: Path) -> None:
    child = os.posix_spawn("/bin/true", ["true"], {})
    os.waitpid(child, 0)
    host = socket.gethostname()
    kept = {f".rows[1].json.{host}-{os.getppid()}", f".rows[1].json.elsewhere-{child}", f".rows1.json.{host}-{child}"}
    for name in {*kept, f".rows[1].json.{host}-{child}"}:
        (tmp_path / name).write_text("half")
    with replacing(tmp_path / "rows[1].json") as building:
        building.write_text("new")
    assert set(content(tmp_path)) == {*kept, "rows[1].json"}


def test_only_what_an_ended_process_of_this_host_left_is_abandoned() -> None:
    child = os.posix_spawn("/bin/true", ["true"], {})
    os.waitpid(child, 0)
    host = socket.gethostname()
    assert is_abandoned(f"{host}-{child}") and is_abandoned(process_name())
    assert not is_abandoned(f"{host}-{os.getppid()}")
    assert not is_abandoned(f"another-{child}") and not is_abandoned("photos") and not is_abandoned(f"{host}-x")
