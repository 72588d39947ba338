"""A run is restartable, shareable and extendable, and its bytes do not tell how it came about."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import xarray as xr

from climdiff.errors import DataError, MismatchError, OutputError, RetryError
from climdiff.generation.integrity import check_store
from climdiff.generation.store import Store

POINTS = ["before-create", "after-create", "before-chunk", "after-chunk", "before-receipt", "after-receipt"]


@pytest.fixture(scope="module")
def whole(fakes: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Disk state of an undisturbed run of 4 members."""
    path = tmp_path_factory.mktemp("whole") / "ens.zarr"
    fakes.make(path)
    return fakes.disk_state(path)


def test_a_run_reports_progress_and_what_it_did(fakes: ModuleType, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    summary = fakes.make(tmp_path / "ens.zarr", progress=lambda done, total: seen.append((done, total)))
    assert seen == [(done, 6) for done in range(1, 7)]
    assert (summary.n_units, summary.n_written) == (6, 6) and summary.seconds > 0
    assert fakes.make(tmp_path / "ens.zarr").n_written == 0


def test_each_member_of_each_date_is_made_once(fakes: ModuleType, tmp_path: Path) -> None:
    downscaler = fakes.Repeat()
    fakes.make(tmp_path / "ens.zarr", downscaler=downscaler)
    assert len(downscaler.made) == len(set(downscaler.made)) == 7 * 4
    fakes.make(tmp_path / "ens.zarr", downscaler=downscaler)
    assert len(downscaler.made) == 7 * 4


@pytest.mark.parametrize("point", POINTS)
def test_a_run_killed_anywhere_continues_to_the_same_bytes(
    fakes: ModuleType, lives: Any, tmp_path: Path, whole: dict[str, str], point: str
) -> None:
    path = tmp_path / "out" / "ens.zarr"
    n_receipts = 0
    for count in (1,) if point.endswith("create") else (1, 3):
        assert lives({"path": path, "crash_at": f"{point}:{count}"}) == [137]
        n_before, n_receipts = n_receipts, len(list(path.glob(".climdiff/receipts/*.json")))
        assert n_receipts >= n_before
    assert lives({"path": path}) == [0]
    assert fakes.disk_state(path) == whole
    assert [entry.name for entry in path.parent.iterdir()] == ["ens.zarr"]


def test_a_run_killed_at_random_times_continues_to_the_same_bytes(
    fakes: ModuleType, lives: Any, tmp_path: Path, whole: dict[str, str]
) -> None:
    path = tmp_path / "ens.zarr"
    seed = np.random.SeedSequence().entropy
    rng = np.random.default_rng(seed)
    for _ in range(4):
        lives({"path": path, "pause_s": 0.01, "kill_after_s": float(rng.uniform(0.01, 0.15))})
    assert lives({"path": path}) == [0]
    assert fakes.disk_state(path) == whole, f"seed {seed}"


def test_processes_at_once_share_the_work_and_make_the_same_bytes(
    fakes: ModuleType, lives: Any, tmp_path: Path, whole: dict[str, str]
) -> None:
    path, tally = tmp_path / "ens.zarr", tmp_path / "tally"
    tally.mkdir()
    assert lives(*[{"path": path, "pause_s": 0.05, "tally": tally}] * 3) == [0, 0, 0]
    assert fakes.disk_state(path) == whole
    made = [tuple(one) for file in tally.iterdir() for one in json.loads(file.read_text())]
    assert len(made) == len(set(made)) == 7 * 4


def test_a_unit_held_too_long_by_a_stopped_process_is_made_by_another(
    fakes: ModuleType, tmp_path: Path, whole: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, order = tmp_path / "ens.zarr", []

    class Noting(fakes.Repeat):
        def downscale(self, coarse: xr.Dataset, members: Any, seed: int) -> xr.Dataset:
            order.append((str(coarse["time"].values[0])[:10], members[0]))
            return super().downscale(coarse, members, seed)

    monkeypatch.setattr("climdiff.generation.run._PATIENCE_S", 0.1)
    fakes.make(path, rank=5, world=6)
    code = "import fcntl, sys; f = open(sys.argv[1], 'r+b'); fcntl.lockf(f, 2, 1); print(); sys.stdin.read()"
    command = [sys.executable, "-c", code, str(path / ".climdiff" / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None and holder.stdout.readline()
        fakes.make(path, downscaler=Noting())
        assert holder.poll() is None
    assert order[-1] == ("2001-12-30", 0) and len(order) == 5
    assert fakes.disk_state(path) == whole


def test_ranks_make_their_share_and_together_the_whole(
    fakes: ModuleType, tmp_path: Path, whole: dict[str, str]
) -> None:
    path = tmp_path / "ens.zarr"
    assert [fakes.make(path, rank=rank, world=4).n_written for rank in (2, 0, 3, 1)] == [1, 2, 1, 2]
    assert fakes.disk_state(path) == whole


@pytest.mark.parametrize("members", [6, 5])
def test_members_added_later_leave_the_files_of_the_others_alone(
    fakes: ModuleType, tmp_path: Path, whole: dict[str, str], members: int
) -> None:
    path, straight = tmp_path / "ens.zarr", tmp_path / "straight.zarr"
    fakes.make(path)
    downscaler = fakes.Repeat()
    fakes.make(path, members, downscaler)
    assert {member for _, member in downscaler.made} == set(range(4, members))
    fakes.make(straight, members)
    assert fakes.disk_state(path) == fakes.disk_state(straight)
    old = {name for name in whole if "/c/" in name and not name.startswith("realization")}
    assert {name: whole[name] for name in old}.items() <= fakes.disk_state(path).items()
    assert xr.open_zarr(path).sizes["realization"] == members


def test_a_short_last_block_grows_and_keeps_its_values(
    fakes: ModuleType, tmp_path: Path, whole: dict[str, str]
) -> None:
    path = tmp_path / "ens.zarr"
    fakes.make(path, 3, fakes.Repeat(error=0.5))
    before = xr.open_zarr(path).load()
    downscaler = fakes.Repeat()
    fakes.make(path, 4, downscaler)
    assert {member for _, member in downscaler.made} == {3}
    xr.testing.assert_equal(xr.open_zarr(path).isel(realization=slice(3)).load(), before)
    assert check_store(path) == []
    other = tmp_path / "other.zarr"
    fakes.make(other, 3)
    fakes.make(other, 4)
    assert fakes.disk_state(other) == whole


@pytest.mark.parametrize(
    "crash", ["after-metadata:1", "after-metadata:4", "after-chunk:1", "before-receipt:2", "after-receipt:1"]
)
def test_growth_killed_anywhere_is_finished_by_the_same_command(
    fakes: ModuleType, lives: Any, tmp_path: Path, whole: dict[str, str], crash: str
) -> None:
    path = tmp_path / "ens.zarr"
    fakes.make(path, 3)
    assert lives({"path": path, "members": 4, "crash_at": crash}) == [137]
    fakes.make(path, 4)
    assert fakes.disk_state(path) == whole


def test_a_date_with_a_hole_fails_alone_and_is_made_once_the_input_is_whole(
    fakes: ModuleType, tmp_path: Path, whole: dict[str, str]
) -> None:
    path, coarse = tmp_path / "ens.zarr", fakes.coarse_world()
    coarse["pr"][4, 1, 1] = np.nan
    with pytest.raises(OutputError) as caught:
        fakes.make(path, coarse=coarse)
    assert caught.value.exit_code == 6 and [problem.code for problem in caught.value.problems] == [75, 75]
    what = "unit t000001-m0000: input is missing or not finite (variable 'pr', time 2002-01-03T00:00:00: 1 of 12 cells)"
    assert caught.value.problems[0].what == what
    assert int(xr.open_zarr(path)["pr"].isnull().sum()) == 3 * 4 * 48
    assert [problem.code for problem in check_store(path)] == [75, 75, 11]
    fakes.make(path)
    assert fakes.disk_state(path) == whole


def test_negative_rain_is_never_written(fakes: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"CD-081 .*variable 'pr': .* outside \[0.0, inf\]"):
        fakes.make(tmp_path / "ens.zarr", downscaler=fakes.Repeat(error=-500))
    assert not list((tmp_path / "ens.zarr").glob("pr/c/**/0"))


class Wrong:
    """Returns what was not asked for."""

    def __init__(self, change: Any, repeat: Any) -> None:
        self.change, self.repeat = change, repeat

    def downscale(self, coarse: xr.Dataset, members: Any, seed: int) -> xr.Dataset:
        return self.change(self.repeat.downscale(coarse, members, seed))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda made: made.drop_vars("tas"), "no variable 'tas'"),
        (lambda made: made.isel(rlat=slice(5)), r"'pr' has shape \(2, 3, 5, 8\), expected \(2, 3, 6, 8\)"),
        (lambda made: made.assign_coords(realization=[7, 8]), "other values of 'realization' than asked for"),
        (lambda made: made.drop_vars("realization"), "other values of 'realization' than asked for"),
        (lambda made: made.isel(time=slice(None, None, -1)), "other values of 'time' than asked for"),
    ],
)
def test_a_method_that_returns_something_else_is_refused(
    fakes: ModuleType, tmp_path: Path, change: Any, what: str
) -> None:
    with pytest.raises(OutputError, match=f"CD-081 .*Wrong returned .*{what}"):
        fakes.make(tmp_path / "ens.zarr", downscaler=Wrong(change, fakes.Repeat()))


def test_the_order_of_dimensions_is_the_store_s(fakes: ModuleType, tmp_path: Path, whole: dict[str, str]) -> None:
    turned = Wrong(lambda made: made.transpose("rlon", "time", ...), fakes.Repeat())
    fakes.make(tmp_path / "ens.zarr", downscaler=turned)
    assert fakes.disk_state(tmp_path / "ens.zarr") == whole


def test_a_full_disk_asks_for_another_try_and_keeps_what_is_done(
    fakes: ModuleType, tmp_path: Path, whole: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from climdiff.generation import store

    path, put_file, calls = tmp_path / "ens.zarr", store.put_file, []

    def full(*arguments: Any) -> None:
        calls.append(arguments)
        if len(calls) > 5:
            raise OSError(errno.ENOSPC, "No space left on device")
        put_file(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(store, "put_file", full)
        with pytest.raises(RetryError, match=r"CD-070 .*cannot write: No space left on device") as caught:
            fakes.make(path)
    assert caught.value.exit_code == 75
    assert len(list((path / ".climdiff" / "receipts").iterdir())) == 2
    fakes.make(path)
    assert fakes.disk_state(path) == whole


def test_input_without_times_is_refused_before_anything_is_made(fakes: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"CD-023 .*no coordinate 'time' or no times"):
        fakes.make(tmp_path / "ens.zarr", coarse=fakes.coarse_world().isel(time=slice(0)))
    assert not list(tmp_path.iterdir())


def test_another_seed_is_another_run(fakes: ModuleType, tmp_path: Path) -> None:
    fakes.make(tmp_path / "ens.zarr")
    with pytest.raises(MismatchError, match=r"store belongs to another run \(seed: store 1, asked 2\)"):
        fakes.make(tmp_path / "ens.zarr", seed=2)


def test_input_is_read_block_by_block_and_once(fakes: ModuleType, tmp_path: Path) -> None:
    sizes: list[int] = []

    class Counted(fakes.Repeat):
        def downscale(self, coarse: xr.Dataset, members: Any, seed: int) -> xr.Dataset:
            sizes.append(coarse.sizes["time"])
            return super().downscale(coarse, members, seed)

    fakes.make(tmp_path / "ens.zarr", downscaler=Counted())
    assert sizes == [3, 3, 3, 3, 1, 1]


def test_a_unit_is_written_while_the_next_one_is_drawn(
    fakes: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first write waits for the second drawing; were they one after the other it would wait in vain."""
    second_begins = threading.Event()
    write = Store.write

    def patient(self: Store, unit: Any, values: Any) -> None:
        assert second_begins.wait(timeout=20)
        write(self, unit, values)

    class Signals(fakes.Repeat):  # type: ignore[misc, name-defined]
        calls = 0

        def downscale(self, coarse: xr.Dataset, members: Any, seed: int) -> xr.Dataset:
            self.calls += 1
            if self.calls == 2:
                second_begins.set()
            return super().downscale(coarse, members, seed)

    monkeypatch.setattr(Store, "write", patient)
    summary = fakes.make(tmp_path / "ens.zarr", downscaler=Signals())
    assert summary.n_written == 6
    assert 0 < summary.drawing < summary.seconds and summary.writing > 0


def test_stopping_early_leaves_no_unit_half_written(fakes: ModuleType, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "ens.zarr"
    with pytest.raises(KeyboardInterrupt):
        fakes.make(path, progress=stop)
    assert len(list(path.glob(".climdiff/receipts/*.json"))) == 1
    assert not list(path.glob(".climdiff/work/*"))
    assert fakes.make(path).n_written == 5


def test_an_error_in_writing_is_told_and_claims_end(
    fakes: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ens.zarr"
    with monkeypatch.context() as patch:
        patch.setattr(Store, "write", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left")))
        with pytest.raises(RetryError, match="CD-070"):
            fakes.make(path)
    assert fakes.make(path).n_written == 6


def test_closing_one_claim_keeps_the_others(fakes: ModuleType, tmp_path: Path) -> None:
    """POSIX frees all locks of a process with the first file it closes; claims share one open file."""
    path = tmp_path / "ens.zarr"
    fakes.make(path)
    store = fakes.opened(path)
    first, second = store.plan.units[:2]
    with store.claim(first) as is_held:
        assert is_held
        with store.claim(second):
            pass
        code = f"import fcntl; f = open({str(path / '.climdiff' / 'lock')!r}, 'r+b')\n"
        code += "try: fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 0)\nexcept OSError: print('held')"
        assert (
            subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "held\n"
        )
    store.close()
