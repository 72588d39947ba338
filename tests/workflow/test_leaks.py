"""What one split may not know of another: copies are refused, memories told, and validation fits nothing."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

import climdiff
from climdiff import build, bundle_files
from climdiff.errors import DataError, MismatchError
from climdiff.recipe.load import load
from climdiff.verification.requirements import requirement
from climdiff.workflow.generation import generate
from climdiff.workflow.leaks import digests, duplicates, leaked, memories, memory_lines, not_compared
from climdiff.workflow.training import train
from climdiff.workflow.verification import verify, write


def copied(splits: dict, into: str, position: int = 3, of: int = 40) -> dict:
    """Return the splits with one fine training field copied into another split."""
    fine = splits[into].fine.copy(deep=True)
    fine["pr"][position] = splits["train"].fine["pr"].values[of]
    return {**splits, into: replace(splits[into], fine=fine)}


@pytest.fixture(scope="module")
def splits(minute_recipe):
    return build.open_splits(minute_recipe)


def test_the_splits_of_the_embedded_world_share_nothing(splits):
    assert duplicates(digests(splits)) == []


def test_a_copied_field_is_told_with_both_dates(splits):
    problems = duplicates(digests(copied(splits, "test")))
    assert [problem.code for problem in problems] == [43]
    assert "fine 'pr': 1 fields of 'test' (2001-02-04) are the same as fields of 'train' (1999-02-10)" in str(problems)


def test_fine_fields_of_a_huge_training_store_are_not_read_again(splits):
    found = copied(splits, "test")
    told, unsearched = leaked(found["train"], found["test"], held_bytes=2**30)
    assert len(told) == 1 and unsearched == []
    told, (line,) = leaked(found["train"], found["test"], held_bytes=0)
    assert told == []
    assert line.startswith("not searched for copies: fine 'pr', whose fields in 'train' take 0.000351 GiB (")


def test_training_on_leaking_splits_is_refused_before_it_begins(minute_recipe, splits, tmp_path, monkeypatch):
    monkeypatch.setattr(build, "open_splits", lambda recipe, wanted: copied(splits, "validation"))
    with pytest.raises(DataError, match=r"CD-043 .*: fine 'pr': 1 fields of 'validation' \(2000-02-04\) .*Fix:"):
        train(minute_recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_verdict_tells_of_a_leak_and_meets_no_requirement(trained, splits, tmp_path, monkeypatch):
    generate(climdiff.load(trained), tmp_path / "ensemble.zarr")
    monkeypatch.setattr(build, "open_splits", lambda recipe, wanted: copied(splits, "test"))
    lines = []
    verdict = verify(tmp_path / "ensemble.zarr", say=lines.append)
    assert verdict.sentences("pr")[-1].startswith("LEAK fine 'pr': 1 fields of 'test' (2001-02-04) are the same")
    assert verdict.unmet([requirement("crps_fair < bilinear")])[0].startswith("not met: LEAK")
    assert verdict.unmet([]) == []
    write(verdict, tmp_path)
    written = json.loads((tmp_path / "scores.json").read_text())
    assert len(written["leaks"]) == 1 and written["not_searched"] == [] == lines
    monkeypatch.setattr(build, "HELD_BYTES", 0)
    verdict = verify(tmp_path / "ensemble.zarr", overrides=["verify.baselines=[bilinear]"], say=lines.append)
    assert verdict.leaks == () and list(verdict.not_searched) == lines and "fine 'pr', whose fields" in lines[0]
    write(verdict, tmp_path)
    assert json.loads((tmp_path / "scores.json").read_text())["not_searched"] == lines


def test_an_embargo_shorter_than_the_memory_is_told_with_what_to_set(minute_recipe, splits):
    digest = digests({"train": splits["train"]})["train"]
    longest = max(memories(digest).values())
    assert len(memory_lines(minute_recipe, digest)) == 1
    data = minute_recipe.data.model_copy(update={"embargo_days": longest / 2})
    lines = memory_lines(minute_recipe.model_copy(update={"data": data}), digest)
    assert f"Set data.embargo_days to {int(longest) + 1} " in lines[1]


def test_patches_of_scenes_are_measured_by_scene(minute_recipe, splits):
    digest = digests({"train": splits["train"]})["train"]
    n = digest.times.size
    patches = np.repeat(np.arange(n), 3)
    times = xr.DataArray(np.datetime64("2000", "ns") + np.arange(3 * n).astype("timedelta64[ms]"), dims="time")
    scenes = digest.times.rename(time="t").values[patches]
    named = xr.DataArray(scenes, dims="time", coords={"valid_time": ("time", scenes)})
    means = {key: values[patches] for key, values in digest.means.items()}
    by_scene = replace(digest, times=times, scenes=named, means=means)
    assert memories(by_scene) == pytest.approx(memories(digest))
    few = replace(by_scene, means={key: values[:60] for key, values in means.items()}, times=times[:60])
    few = replace(few, scenes=named[:60])
    assert memory_lines(minute_recipe, few)[0].startswith("memory of the weather: not measured")


def test_spoiled_validation_and_test_data_change_nothing_that_is_fitted(minute_recipe, splits, tmp_path, monkeypatch):
    """Weights too, bit for bit, where validation has no checkpoints to choose from."""
    recipe = minute_recipe.model_copy(
        update={"train": minute_recipe.train.model_copy(update={"steps": 2, "validate_every": 2})}
    )
    generator = np.random.default_rng(0)
    spoiled = {
        name: pairs if name == "train" else replace(
            pairs,
            fine=pairs.fine * 7 + generator.random(pairs.fine["pr"].shape),
            coarse=pairs.coarse * -3,
        )
        for name, pairs in splits.items()
    }  # fmt: skip
    scores, hashes, learned = [], [], []
    for name, found in (("sound", splits), ("spoiled", spoiled)):
        monkeypatch.setattr(build, "open_splits", lambda recipe, wanted, found=found: found | {})
        about = bundle_files.read_about(train(recipe, tmp_path / name))
        scores.append(about.training["validation_score"])
        hashes.append(about.sha256)
        learned.append(about.model_dump(exclude={"training", "sha256"}))
    assert scores[0] != scores[1]
    assert hashes[0] == hashes[1]
    assert learned[0] == learned[1]


def test_fault_066_parts_fitted_on_other_dates_are_refused(trained, tmp_path):
    about = bundle_files.read_about(trained / "bundle")
    hashes = {name: xr.Dataset(attrs={"training_times_hash": about.training_times}) for name in bundle_files.FITTED}
    bundle_files.check_training_times(trained, about, hashes)
    other = {**hashes, "target_state": xr.Dataset(attrs={"training_times_hash": "f" * 64})}
    with pytest.raises(MismatchError, match=r"CD-066 .*target_state on ffffffff.*Fix: train again"):
        bundle_files.check_training_times(trained, about, other)


@pytest.mark.parametrize("name", ["radar", "iberia"])
def test_real_splits_share_no_field(name, real_data, monkeypatch):
    monkeypatch.setenv("CLIMDIFF_DATA", str(real_data))
    assert duplicates(digests(build.open_splits(load(f"recipes/{name}.yaml", ())))) == []


def test_a_variable_that_recurs_within_a_split_is_named_as_not_searched(splits):
    assert not_compared(digests(splits)) == []
    fine = splits["test"].fine.copy(deep=True)
    fine["pr"][1::2] = fine["pr"].values[0::2]
    found = digests({**splits, "test": replace(splits["test"], fine=fine)})
    assert duplicates(found) == []
    assert not_compared(found) == [
        "not searched for copies: fine 'pr', 100% of whose fields in 'test' are the same as another"
    ]
