"""A store opens with xarray, belongs to one run, and grows without touching what it has."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import xarray as xr
import zarr

from climdiff.errors import MismatchError, OutputError, RecipeError
from climdiff.generation.store import Store, open_store


def open_small(fakes: ModuleType, path: Path, members: int = 4, **options: object) -> Store:
    template, times = fakes.rotated_template(), fakes.coarse_world()["time"]
    sizes = {"times_per_unit": 3, "members_per_unit": 2} | options
    provenance = sizes.pop("provenance", fakes.PROVENANCE)
    return open_store(path, template, times, members, provenance, **sizes)


def fields(n_members: int = 2, n_times: int = 3) -> dict[str, np.ndarray]:
    values = np.random.default_rng(0).normal(size=(n_members, n_times, 6, 8)).astype(np.float32)
    return {"pr": values, "tas": -values}


def test_a_store_opens_with_plain_xarray_without_a_warning(fakes: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "ens.zarr"
    fakes.make(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ensemble = xr.open_zarr(path)
    template, coarse = fakes.rotated_template(), fakes.coarse_world()
    assert ensemble["pr"].dims == ("realization", "time", "rlat", "rlon") and ensemble["pr"].dtype == np.float32
    assert list(ensemble["realization"].values) == [0, 1, 2, 3]
    np.testing.assert_array_equal(ensemble["time"].values, coarse["time"].values)
    for name in ("rlat", "rlon", "lat", "lon"):
        np.testing.assert_array_equal(ensemble.coords[name].values, template.coordinates[name].values)
        assert ensemble[name].attrs == template.coordinates[name].attrs
    assert ensemble["rotated_pole"].attrs["grid_north_pole_longitude"] == -162.0
    assert ensemble.attrs["climdiff_seed"] == 1
    np.testing.assert_array_equal(ensemble["pr"][2, :, ::2, ::2].values, coarse["pr"].values + np.float32(102))
    np.testing.assert_array_equal(ensemble["pr"].values, -ensemble["tas"].values)


def test_a_unit_reads_back_and_unwritten_cells_are_nan(fakes: ModuleType, tmp_path: Path) -> None:
    store = open_small(fakes, tmp_path / "ens.zarr")
    unit = store.plan.units[3]
    store.write(unit, fields())
    store.close()
    np.testing.assert_array_equal(store.read(unit)["tas"], fields()["tas"])
    assert store.is_done(unit, thorough=True) and not store.is_done(store.plan.units[2])
    ensemble = xr.open_zarr(tmp_path / "ens.zarr")
    assert int(ensemble["pr"].count()) == fields()["pr"].size


def test_chunk_files_are_the_bytes_zarr_itself_would_write(fakes: ModuleType, tmp_path: Path) -> None:
    chunks = {"realization": 1, "time": 3, "rlat": 4}
    store = open_small(fakes, tmp_path / "ours.zarr", 3, chunks=chunks, times_per_unit=6)
    open_small(fakes, tmp_path / "zarr.zarr", 3, chunks=chunks, times_per_unit=6)
    for unit in store.plan.units:
        values = fields(unit.n_members, unit.n_times)
        store.write(unit, values)
        array = zarr.open_group(tmp_path / "zarr.zarr", mode="r+")["pr"]
        array[unit.members, unit.times] = values["pr"]
    ours, theirs = (fakes.disk_state(tmp_path / name / "pr") for name in ("ours.zarr", "zarr.zarr"))
    assert ours == theirs and len(ours) == 1 + 3 * 3 * 2


def test_a_unit_of_fill_values_is_still_written(fakes: ModuleType, tmp_path: Path) -> None:
    store = open_small(fakes, tmp_path / "ens.zarr")
    nothing = {name: np.full_like(values, np.nan) for name, values in fields().items()}
    store.write(store.plan.units[0], nothing)
    assert (store.path / "pr" / "c" / "0" / "0" / "0" / "0").is_file() and store.is_done(store.plan.units[0])


def test_a_unit_already_there_is_compared_and_not_written(fakes: ModuleType, tmp_path: Path) -> None:
    store = open_small(fakes, tmp_path / "ens.zarr")
    unit = store.plan.units[0]
    store.write(unit, fields())
    before = fakes.disk_state(store.path)
    store.write(unit, fields())
    with pytest.raises(OutputError, match="CD-068"):
        store.write(unit, {"pr": fields()["pr"] + 1, "tas": fields()["tas"]})
    assert fakes.disk_state(store.path) == before


def test_a_disk_that_loses_bytes_is_noticed_before_the_receipt(
    fakes: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_small(fakes, tmp_path / "ens.zarr")

    def lossy(path: Path, content: bytes, work: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content[:-9])

    monkeypatch.setattr("climdiff.generation.store.put_file", lossy)
    with pytest.raises(OutputError, match=r"CD-001 .*unit t000000-m0000 does not read back as written"):
        store.write(store.plan.units[0], fields())
    assert store.receipts.count() == 0


@pytest.mark.parametrize(
    ("change", "listed"),
    [
        ({"provenance": {"seed": 2}}, "seed: store 1, asked 2"),
        ({"provenance": {"bundle": "ef"}}, "bundle: store cdcd"),
        ({"times_per_unit": 2}, "times_per_unit: store 3, asked 2"),
        ({"members_per_unit": 4}, "members_per_unit: store 2, asked 4"),
        ({"members": 3}, "members: store 4, asked 3"),
    ],
)
def test_a_store_of_another_run_is_refused_with_the_difference_and_left_alone(
    fakes: ModuleType, tmp_path: Path, change: dict, listed: str
) -> None:
    path = tmp_path / "ens.zarr"
    fakes.make(path)
    before = fakes.disk_state(path)
    other = {**change, "provenance": fakes.PROVENANCE | {"seed": 1} | change.get("provenance", {})}
    with pytest.raises(MismatchError) as caught:
        open_small(fakes, path, **other)
    (problem,) = caught.value.problems
    assert problem.code == 44 and listed in problem.what and caught.value.exit_code == 4
    assert fakes.disk_state(path) == before


def test_another_grid_or_other_times_are_another_run(fakes: ModuleType, tmp_path: Path) -> None:
    store = open_small(fakes, tmp_path / "ens.zarr")
    store.close()
    template, times = fakes.rotated_template(), fakes.coarse_world()["time"]
    shifted = template.coordinates.assign_coords(rlat=template.coordinates["rlat"] + 0.1)
    template = type(template)(template.variables, shifted, "rlat", "rlon", template.title)
    with pytest.raises(MismatchError, match=r"grid: store .* times: store"):
        open_store(store.path, template, times + np.timedelta64(1, "h"), 4, fakes.PROVENANCE)


def test_what_is_not_ours_is_never_touched(fakes: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    before = fakes.disk_state(tmp_path)
    for path in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(MismatchError, match="climdiff deletes nothing it did not make"):
            open_small(fakes, path)
    assert fakes.disk_state(tmp_path) == before


def test_an_empty_folder_is_taken(fakes: ModuleType, tmp_path: Path) -> None:
    open_small(fakes, tmp_path).close()
    assert (tmp_path / "zarr.json").is_file()


def test_sizes_left_out_are_those_of_the_store(fakes: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "ens.zarr"
    open_small(fakes, path, chunks={"rlat": 3}).close()
    store = open_small(fakes, path, 40, times_per_unit=None, members_per_unit=None)
    assert (store.plan.times_per_unit, store.plan.members_per_unit) == (3, 2)
    assert store.skeleton.chunks == (2, 3, 3, 8) and store.plan.n_members == 40


def test_misfit_chunks_leave_nothing_on_the_disk(fakes: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="CD-072"):
        open_small(fakes, tmp_path / "ens.zarr", chunks={"time": 2})
    assert not list(tmp_path.iterdir())


def test_another_version_continues_with_a_warning_and_the_first_one_stays_named(
    fakes: ModuleType, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "ens.zarr"
    open_small(fakes, path).close()
    with caplog.at_level(logging.WARNING):
        open_small(fakes, path, 6, provenance=fakes.PROVENANCE | {"version": "2.0"}).close()
    assert "was begun with climdiff 1.2.3, this is 2.0" in caplog.text
    assert xr.open_zarr(path).attrs["climdiff_version"] == "1.2.3"


def test_metadata_that_were_damaged_are_written_anew(fakes: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "ens.zarr"
    fakes.make(path)
    before = fakes.disk_state(path)
    (path / "zarr.json").write_bytes(b"{")
    (path / "lat" / "c" / "0" / "0").unlink()
    fakes.make(path)
    assert fakes.disk_state(path) == before


def test_a_copy_that_lost_its_empty_folders_still_continues(fakes: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "ens.zarr"
    fakes.make(path)
    before = fakes.disk_state(path)
    for folder in ("work", "failed"):
        (path / ".climdiff" / folder).rmdir()
    (path / ".climdiff" / "lock").unlink()
    fakes.make(path)
    assert fakes.disk_state(path) == before


def test_provenance_of_any_plain_kind_is_recognized_again(fakes: ModuleType, tmp_path: Path) -> None:
    provenance = {"sizes": (1, 2), "guidance": np.float32(1.5), "flag": True, "nothing": None}
    for _ in range(2):
        open_small(fakes, tmp_path / "ens.zarr", provenance=provenance).close()
