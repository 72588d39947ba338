"""The files of a bundle: whole or not there, each with its hash."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess

import numpy as np
import pytest
import torch
import xarray as xr

from climdiff import bundle_files
from climdiff.bundle_files import Calibration
from climdiff.data.netcdf import write_netcdf
from climdiff.errors import MismatchError, RetryError
from climdiff.recipe.schema import Sample


@pytest.fixture
def path(trained, tmp_path):
    return shutil.copytree(trained / "bundle", tmp_path / "run" / "bundle")


def test_what_fails_while_it_is_built_leaves_the_old_bundle(path):
    before = {file.name: file.read_bytes() for file in path.iterdir()}
    with pytest.raises(RuntimeError), bundle_files.put(path) as building:
        (building / "half").write_text("half")
        raise RuntimeError
    assert {file.name: file.read_bytes() for file in path.iterdir()} == before
    assert [entry.name for entry in path.parent.iterdir()] == ["bundle"]
    with bundle_files.put(path) as building:
        (building / "new").write_text("new")
    assert [file.name for file in path.iterdir()] == ["new"]
    assert [entry.name for entry in path.parent.iterdir()] == ["bundle"]


@pytest.mark.parametrize("least", [True, False])
def test_fault_052_a_bundle_without_room_leaves_nothing_and_says_so_in_one_line(path, least):
    """With the least room a copy of what was there fails already, else what is added to it."""
    before = {file.name: file.read_bytes() for file in path.iterdir()}
    largest = max(map(len, before.values()))
    kept = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000 if least else largest, kept[1]))
    own = bundle_files.identity(bundle_files.read_about(path))
    try:
        with pytest.raises(RetryError) as caught:
            bundle_files.add_one_step(path, {"weight": torch.zeros(largest)}, own)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, kept)
    (problem,) = caught.value.problems
    assert (problem.code, problem.where, problem.what) == (52, str(path), "cannot be written (File too large)")
    assert "ulimit -f" in problem.fix and "--resume" in problem.fix
    assert {file.name: file.read_bytes() for file in path.iterdir()} == before
    assert [entry.name for entry in path.parent.iterdir()] == ["bundle"]


def test_fault_052_a_state_without_room_is_told_as_weights_are(path):
    grid, kept = xr.Dataset({"lat": (("y", "x"), np.ones((200, 200)))}), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, kept[1]))
    try:
        with pytest.raises(RetryError, match=r"CD-052 .*File too large"), bundle_files.put(path) as building:
            write_netcdf(grid, building / "grid.nc")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, kept)
    assert [entry.name for entry in path.parent.iterdir()] == ["bundle"]


def test_a_one_step_network_is_one_more_file_with_its_hash(path):
    before = bundle_files.read_about(path)
    own = bundle_files.identity(bundle_files.read_about(path))
    bundle_files.add_one_step(path, {"weight": torch.ones(3)}, own)
    after = bundle_files.read_about(path)
    bundle_files.check_files(path, after)
    assert set(after.sha256) - set(before.sha256) == {bundle_files.ONE_STEP}
    assert bundle_files.identity(after) == bundle_files.identity(before)
    first = bundle_files.identity(after, bundle_files.ONE_STEP)
    bundle_files.add_one_step(path, {"weight": torch.zeros(3)}, own)
    second = bundle_files.identity(bundle_files.read_about(path), bundle_files.ONE_STEP)
    assert len({first, second, bundle_files.identity(before)}) == 3


def test_a_network_taught_by_another_model_is_not_added(path):
    with pytest.raises(MismatchError, match=r"CD-044 .*another one than when this distillation began"):
        bundle_files.add_one_step(path, {"weight": torch.ones(3)}, "0" * 64)
    assert not (path / bundle_files.ONE_STEP).exists()


def test_fault_049_a_changed_file_is_noticed(path):
    own = bundle_files.identity(bundle_files.read_about(path))
    bundle_files.add_one_step(path, {"weight": torch.ones(3)}, own)
    (path / bundle_files.ONE_STEP).write_bytes(b"other")
    with pytest.raises(MismatchError, match=r"CD-049 .*one_step\.safetensors"):
        bundle_files.check_files(path, bundle_files.read_about(path))


def test_fault_050_an_index_without_the_weights_is_refused(path):
    about = json.loads((path / "bundle.json").read_text())
    del about["sha256"]["weights.safetensors"]
    (path / "bundle.json").write_text(json.dumps(about))
    with pytest.raises(MismatchError, match=r"CD-050 .*names no hash of weights\.safetensors"):
        bundle_files.read_about(path)


def test_a_bundle_that_a_kill_left_aside_is_put_back(path):
    """Replacing takes two renames; between them the old bundle lies in `.retired-*`."""
    before = {file.name: file.read_bytes() for file in path.iterdir()}
    (path.parent / ".retired-x").mkdir()
    path.replace(path.parent / ".retired-x" / "bundle")
    with pytest.raises(RuntimeError), bundle_files.put(path):
        raise RuntimeError
    assert {file.name: file.read_bytes() for file in path.iterdir()} == before


@pytest.mark.parametrize("give", [lambda path: path.parent, lambda path: path])
def test_fault_051_a_reader_says_how_a_bundle_that_a_kill_left_aside_is_put_back(path, give):
    run = path.parent.rename(path.parent.parent / "a run")
    path = run / "bundle"
    assert bundle_files.locate(give(path)) == path
    (run / ".retired-x").mkdir()
    path.replace(run / ".retired-x" / "bundle")
    with pytest.raises(MismatchError, match=r"CD-050 .*killed while it replaced the bundle") as caught:
        bundle_files.locate(give(path))
    command = caught.value.problems[0].fix.split("`")[1]
    subprocess.run(command, shell=True, check=True)
    assert bundle_files.locate(give(path)) == path


def test_what_is_no_run_is_left_to_the_reader(tmp_path):
    assert bundle_files.locate(tmp_path) == tmp_path
    assert bundle_files.locate(tmp_path / "nothing") == tmp_path / "nothing"


def calibrated(path):
    sample = Sample().model_dump()
    empty = {"settings": {}, "evaluations": 1, "seconds": 1.0, "scores": {}, "difference": (0.0, 0.0, 0.0)}
    return Calibration(
        climdiff="0.1.0",
        bundle_hash=bundle_files.identity(bundle_files.read_about(path)),
        recipe=sample,
        sample={**sample, "steps": 7, "spread": 1.2},
        seed=0,
        members=4,
        dates_chosen=8,
        dates_held_out=8,
        tried=(empty,),
        held_out=(empty, empty),
        notes=(),
    )


def test_a_calibration_is_one_more_file_and_the_model_stays_the_same(path):
    before = bundle_files.read_about(path)
    assert bundle_files.read_calibration(path, before) is None
    found = calibrated(path)
    bundle_files.add_calibration(path, found)
    after = bundle_files.read_about(path)
    bundle_files.check_files(path, after)
    assert bundle_files.identity(after) == bundle_files.identity(before)
    assert bundle_files.read_calibration(path, after) == found
    assert found.settings == {"steps": 7, "spread": 1.2}


def test_fault_054_the_calibration_of_another_model_is_refused(path):
    found = calibrated(path).model_copy(update={"bundle_hash": "0" * 64})
    with pytest.raises(MismatchError, match=r"CD-044 .*the bundle is another one than when this calibration began"):
        bundle_files.add_calibration(path, found)
    bundle_files.add_calibration(path, calibrated(path))
    write(path, found.model_dump_json())
    with pytest.raises(MismatchError, match=r"CD-054 .*is the calibration of another model.*climdiff calibrate"):
        bundle_files.read_calibration(path, bundle_files.read_about(path))
    write(path, "{}")
    with pytest.raises(MismatchError, match=r"CD-050 .*cannot be read"):
        bundle_files.read_calibration(path, bundle_files.read_about(path))


def test_fault_049_a_damaged_calibration_is_told_where_it_is_read_and_is_no_matter_elsewhere(path):
    bundle_files.add_calibration(path, calibrated(path))
    about = bundle_files.read_about(path)
    (path / bundle_files.CALIBRATION).write_text("{}")
    bundle_files.check_files(path, about)
    with pytest.raises(MismatchError, match=r"CD-049 .*calibration\.json.*Fix: calibrate again"):
        bundle_files.read_calibration(path, about)
    (path / bundle_files.CALIBRATION).unlink()
    bundle_files.check_files(path, about)
    with pytest.raises(MismatchError, match=r"CD-050 .*calibration\.json.*Fix: calibrate again"):
        bundle_files.read_calibration(path, about)


def write(path, text):
    bundle_files._add(path, bundle_files.CALIBRATION, lambda file: file.write_text(text))
