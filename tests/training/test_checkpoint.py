"""Checkpoints appear whole, are found by their step, and refuse what was not saved."""

from __future__ import annotations

import errno
import json
import os
import resource

import pytest
import torch
from safetensors import SafetensorError

from climdiff.errors import MismatchError, RetryError
from climdiff.training import checkpoint

IDENTITY = {"recipe": "abc"}


def parts(value):
    return {name: {"weight": torch.full((3,), value)} for name in checkpoint.PARTS}


def test_what_is_saved_is_loaded(tmp_path):
    checkpoint.save(tmp_path, 7, parts(2.5), IDENTITY, score=0.5)
    (found,) = checkpoint.complete(tmp_path)
    assert (found.step, found.score, found.identity) == (7, 0.5, IDENTITY)
    for name in checkpoint.PARTS:
        assert checkpoint.load(found, name)["weight"].tolist() == [2.5, 2.5, 2.5]


def test_order_is_by_step_and_not_by_name(tmp_path):
    for step in (100, 9, 10):
        checkpoint.save(tmp_path, step, parts(0.0), IDENTITY, score=None)
    (tmp_path / "step-00000009").rename(tmp_path / "step-99")
    assert [found.step for found in checkpoint.complete(tmp_path)] == [9, 10, 100]


def test_a_directory_without_meta_is_not_a_checkpoint(tmp_path):
    path = checkpoint.save(tmp_path, 1, parts(0.0), IDENTITY, score=None)
    (path / "meta.json").unlink()
    assert checkpoint.complete(tmp_path) == []


def test_the_best_and_the_newest_are_kept(tmp_path):
    for step, score in ((1, 0.9), (2, 0.3), (3, 0.4), (4, None), (5, None)):
        checkpoint.save(tmp_path, step, parts(0.0), IDENTITY, score)
        checkpoint.retain(tmp_path, newest=2)
    assert [found.step for found in checkpoint.complete(tmp_path)] == [2, 4, 5]
    assert checkpoint.best(checkpoint.complete(tmp_path)).step == 2


def test_of_equal_scores_the_later_is_best(tmp_path):
    for step in (1, 2):
        checkpoint.save(tmp_path, step, parts(0.0), IDENTITY, score=0.5)
    assert checkpoint.best(checkpoint.complete(tmp_path)).step == 2


@pytest.mark.parametrize("position", [0, 20, -1])
def test_fault_049_a_flipped_bit_is_refused(tmp_path, position):
    path = checkpoint.save(tmp_path, 1, parts(1.0), IDENTITY, score=None)
    file = path / "weights.safetensors"
    damaged = bytearray(file.read_bytes())
    damaged[position] ^= 1
    file.write_bytes(damaged)
    with pytest.raises(MismatchError, match=r"CD-049 .*weights\.safetensors: SHA-256 is .* Fix:"):
        checkpoint.load(checkpoint.complete(tmp_path)[0], "weights")


def test_an_absent_file_is_refused(tmp_path):
    path = checkpoint.save(tmp_path, 1, parts(1.0), IDENTITY, score=None)
    (path / "average.safetensors").unlink()
    with pytest.raises(MismatchError, match=r"CD-048 .*the file is absent"):
        checkpoint.load(checkpoint.complete(tmp_path)[0], "average")


def test_a_truncated_meta_is_refused(tmp_path):
    path = checkpoint.save(tmp_path, 1, parts(1.0), IDENTITY, score=None)
    (path / "meta.json").write_text('{"step": 1')
    with pytest.raises(MismatchError, match=r"CD-050 .*cannot be read"):
        checkpoint.complete(tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda meta: None, "it: Input should be a valid dictionary"),
        (lambda meta: {**meta, "step": "60"}, "step: Input should be a valid integer"),
        (lambda meta: {**meta, "format": "1"}, "format: Input should be a valid integer"),
        (lambda meta: {**meta, "score": "low"}, "score: Input should be a valid number"),
        (lambda meta: {key: value for key, value in meta.items() if key != "identity"}, "identity: Field required"),
    ],
)
def test_a_meta_of_another_kind_is_refused(tmp_path, change, said):
    path = checkpoint.save(tmp_path, 1, parts(1.0), IDENTITY, score=None)
    meta = json.loads((path / "meta.json").read_text())
    (path / "meta.json").write_text(json.dumps(change(meta)))
    with pytest.raises(MismatchError, match=rf"CD-050 .*is no record of a checkpoint \({said}"):
        checkpoint.complete(tmp_path)


def test_a_part_that_meta_does_not_name_is_refused(tmp_path):
    path = checkpoint.save(tmp_path, 1, parts(1.0), IDENTITY, score=None)
    found = checkpoint.complete(tmp_path)[0]
    meta = json.loads((path / "meta.json").read_text())
    del meta["sha256"]["average.safetensors"]
    (path / "meta.json").write_text(json.dumps(meta))
    with pytest.raises(MismatchError, match=r"CD-050 .*lacks the SHA-256 of average\.safetensors"):
        checkpoint.load(found, "average")


def test_fault_055_a_newer_format_says_to_upgrade(tmp_path):
    path = checkpoint.save(tmp_path, 1, parts(1.0), IDENTITY, score=None)
    meta = json.loads((path / "meta.json").read_text())
    (path / "meta.json").write_text(json.dumps({**meta, "format": 99}))
    with pytest.raises(MismatchError, match=r"CD-055 .*format 99 .*install a newer climdiff"):
        checkpoint.complete(tmp_path)


def test_leftovers_of_an_interrupted_save_are_swept(tmp_path):
    checkpoint.save(tmp_path, 1, parts(1.0), IDENTITY, score=None)
    (tmp_path / ".saving-abc").mkdir()
    checkpoint.sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]


def fill(monkeypatch, code):
    def full(tensors, file):
        file.write_text("half")
        raise SafetensorError(f"Error while serializing: I/O error: {os.strerror(code)} (os error {code})")

    monkeypatch.setattr(checkpoint, "save_file", full)


def test_fault_052_a_disk_that_is_full_says_how_much_is_missing(tmp_path, monkeypatch):
    checkpoint.save(tmp_path, 1, parts(1.0), IDENTITY, score=None)
    fill(monkeypatch, errno.ENOSPC)
    expected = (
        r"CD-052 .*step-00000002: cannot be written \(No space left on device\): 36 bytes needed, [0-9,]+ free\. "
        r"Fix: free space, then .*--resume: that of step 1 is kept\."
    )
    with pytest.raises(RetryError, match=expected):
        checkpoint.save(tmp_path, 2, parts(2.0), IDENTITY, score=None)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]


def test_fault_052_no_checkpoint_is_promised_where_none_was_saved(tmp_path, monkeypatch):
    fill(monkeypatch, errno.ENOSPC)
    with pytest.raises(RetryError, match=r"then run the same command again: none is kept yet\.$"):
        checkpoint.save(tmp_path, 1, parts(1.0), IDENTITY, score=None)
    assert not list(tmp_path.iterdir())


def test_fault_052_a_limit_on_the_size_of_files_is_no_matter_of_free_space(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    large = {name: {"weight": torch.zeros(10_000)} for name in checkpoint.PARTS}
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(RetryError) as caught:
            checkpoint.save(tmp_path, 1, large, IDENTITY, score=None)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    (problem,) = caught.value.problems
    assert problem.what == "cannot be written (File too large): 120,000 bytes needed"
    assert problem.fix.startswith("raise the limit on the size of files (ulimit -f), then ")
