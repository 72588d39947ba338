"""The command line: what it prints, its exit codes, and that nothing is half written after an error."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

import climdiff
from climdiff import bundle_files, cli
from climdiff.errors import ClimdiffError
from climdiff.workflow.selftest import Check

RECIPES = Path(__file__).parents[1] / "recipes"
runner = CliRunner()


def run(*arguments):
    result = runner.invoke(cli.app, [str(argument) for argument in arguments], catch_exceptions=True)
    if result.exception is not None and not isinstance(result.exception, SystemExit | ClimdiffError):
        raise result.exception
    return result


def exits(monkeypatch, capsys, *arguments):
    """Return exit code and stderr of the whole command line, errors caught as for a user."""
    monkeypatch.setattr(sys, "argv", ["climdiff", *(str(argument) for argument in arguments)])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    return stopped.value.code, capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["train", "no-such.yaml"], 2, "no-such.yaml"),
        (["train", RECIPES / "tiny.yaml", "train.stpes=5"], 2, "did you mean 'steps'"),
        (["train", RECIPES / "tiny.yaml", "data.predictors=[pr, pls]"], 2, "no variable 'pls'"),
        (["train", RECIPES / "tiny.yaml", "data.split.validation=[2002-01-01, 2003-06-30]"], 2, "CD-043"),
        (["train", RECIPES / "radar.yaml"], 3, "CLIMDIFF_DATA"),
        (["generate", "no-such-run"], 4, "holds no bundle.json"),
        (["verify", "no-such.zarr"], 3, "no such file or store"),
        (["verify", "no-such.zarr", "--out", ""], 2, "the argument after '--out' is empty"),
        (["verify", "no-such.zarr", "--out="], 2, "'--out=' is empty"),
        (["verify", "no-such.zarr", "--out", RECIPES / "tiny.yaml"], 3, "CD-012 "),
        (
            ["verify", "no-such.zarr", "--out", RECIPES / "tiny.yaml" / "scores"],
            3,
            "tiny.yaml: is a file, expected a folder",
        ),
        (["ladder", RECIPES / "radar.yaml", "--out", RECIPES / "tiny.yaml"], 3, "is a file, expected a folder"),
        (["verify", "no-such.zarr", "--require", "crps > analogs"], 2, "not of the form [variable:] score < baseline"),
        (["verify", "no-such.zarr", "--require", "crps < analogs"], 2, "did you mean 'crps_fair'"),
    ],
)
def test_bad_input_is_one_clear_line_and_leaves_nothing(monkeypatch, capsys, tmp_path, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CLIMDIFF_DATA", raising=False)
    found, text = exits(monkeypatch, capsys, *arguments)
    assert found == code
    assert message in text
    assert "Fix: " in text
    assert "Traceback" not in text
    assert all(line.startswith("CD-") for line in text.splitlines())
    assert list(tmp_path.iterdir()) == []


def test_the_version_is_a_command_and_an_option(monkeypatch, capsys):
    for asked in ("version", "--version"):
        monkeypatch.setattr(sys, "argv", ["climdiff", asked])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        assert not stopped.value.code
        assert capsys.readouterr().out == f"{climdiff.__version__}\n"


def test_errors_as_json(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    code, text = exits(monkeypatch, capsys, "--json-errors", "generate", "no-such-run")
    assert code == 4
    assert json.loads(text)["code"] == 50


@pytest.mark.parametrize(
    ("arguments", "what", "fix"),
    [
        (["train", "--foo"], "No such option: --foo", "see `climdiff train --help`"),
        (["train"], "Missing argument 'RECIPE'", "see `climdiff train --help`"),
        (["data", "lits"], "No such command 'lits'", "see `climdiff data --help`"),
        (["generate", "run", "--members", "0"], "Invalid value for '--members'", "generate --help"),
        ([], "Usage: climdiff", "see `climdiff --help`"),
    ],
)
def test_usage_errors_as_json(monkeypatch, capsys, arguments, what, fix):
    code, text = exits(monkeypatch, capsys, "--json-errors", *arguments)
    assert code == 2
    found = json.loads(text)
    assert (found["code"], found["where"]) == (37, "command line")
    assert what in found["what"] and fix in found["fix"]
    code, text = exits(monkeypatch, capsys, *arguments)
    assert code == 2 and text.startswith("Usage: climdiff")


def test_exit_codes_are_the_same_with_errors_as_json(monkeypatch, capsys):
    assert exits(monkeypatch, capsys, "--json-errors", "--help")[0] == 0
    assert exits(monkeypatch, capsys, "--json-errors", "data", "list")[0] in (0, None)
    monkeypatch.setattr("climdiff.workflow.selftest.checks", lambda: [Check("never", 1.0, 2.0, 0.1)])
    assert exits(monkeypatch, capsys, "--json-errors", "selftest")[0] == 1


def test_a_run_prints_its_table(minute, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    result = run("run", RECIPES / "tiny.yaml", *minute, "train.steps=2", "train.validate_every=2")
    assert result.exit_code == 0, result.output
    for word in ("diffusion", "bilinear", "oracle", "fair CRPS", "report.html"):
        assert word in result.output
    folder = tmp_path / "runs" / "minute"
    generated = run("generate", folder, "--members", 5).output
    assert ": 3 units are new, 6 were there; " in generated
    assert generated.endswith(f"how good it is: climdiff verify {folder / 'ensemble.zarr'}\n")
    verified = run("verify", folder / "ensemble.zarr", "--require", "pr: crps_fair < oracle")
    assert verified.output.count("bilinear (a single field: its CRPS is its MAE)") == 1
    assert sum(line.startswith("pr: ") for line in verified.output.splitlines()) >= 4
    assert verified.exit_code == 1, "nothing is better than the law itself"
    assert verified.stderr.splitlines()[-1].startswith("not met: pr: crps_fair < oracle: pr: ")
    assert "is ready" in run("train", RECIPES / "tiny.yaml", *minute, "name=other", "train.steps=1").output


def test_fault_060_a_signal_saves_and_says_how_to_go_on(minute, tmp_path):
    """SIGTERM in the middle of a training: exit 75, a checkpoint, and --resume goes on."""
    command = [sys.executable, "-c", "from climdiff.cli import main; main()", "train", RECIPES / "tiny.yaml", *minute]
    command += ["train.steps=100000", "train.log_every=1"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    log = tmp_path / "runs" / "minute" / "log.jsonl"
    deadline = time.monotonic() + 120
    while process.poll() is None and not (log.exists() and log.read_text().count("\n") > 3):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.terminate()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 75, errors
    assert "CD-060" in errors
    assert "--resume" in errors
    assert len(list((tmp_path / "runs" / "minute" / "checkpoints").glob("step-*/meta.json"))) >= 1


def test_fault_070_trouble_of_the_file_system_is_one_line(monkeypatch, capsys, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.chdir(tmp_path)
    code, text = exits(monkeypatch, capsys, "train", RECIPES / "tiny.yaml", "--runs", tmp_path / "file")
    assert code == 75
    assert text.splitlines()[-1].startswith("CD-012 ")
    assert "Fix: check path" in text
    assert "Traceback" not in text


def own_data(folder, coarse_units="mm day-1", shift_days=0):
    """Write a catalog entry `mine` with 120 days of coarse (4 x 4) and fine (16 x 16) rain, one side spoiled."""
    generator = np.random.default_rng(0)
    (folder / "catalog").mkdir()
    for part, n, units, start in (("coarse", 4, coarse_units, shift_days), ("fine", 16, "mm day-1", 0)):
        times = np.datetime64("2001-01-01", "ns") + np.arange(start, start + 120) * np.timedelta64(1, "D")
        step = 8.0 / n
        centers = 40.0 + step * (np.arange(n) + 0.5)
        rain = generator.gamma(0.5, 6.0, (120, n, n)).astype("f4")
        coords = {"time": times, "lat": ("lat", centers, {"units": "degrees_north"})}
        coords["lon"] = ("lon", centers, {"units": "degrees_east"})
        xr.Dataset({"pr": (("time", "lat", "lon"), rain, {"units": units})}, coords).to_netcdf(folder / f"{part}.nc")
    parts = [
        f"  {part}:\n    engine: netcdf4\n    urlpath: {part}.nc\n    calendar: proleptic_gregorian\n    variables:\n"
        "      pr: {standard_name: lwe_precipitation_rate, units: mm day-1, valid_range: [0, 500], lower_bound: 0}\n"
        for part in ("coarse", "fine")
    ]
    head = "title: Rain\nlicence: CC0-1.0\nsource: a test\ncitation: nobody\ndescription: Rain.\nparts:\n"
    (folder / "catalog" / "mine.yaml").write_text(head + "".join(parts))
    (folder / "mine-recipe.yaml").write_text(
        "name: mine\ndata:\n  coarse: mine/coarse\n  fine: mine/fine\n  predictors: [pr]\n  targets: [pr]\n"
        "  split:\n    train: [2001-01-01, 2001-02-28]\n    validation: [2001-03-10, 2001-03-20]\n"
        "    test: [2001-04-01, 2001-04-20]\n"
        "train: {steps: 1}\n"
    )


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        ({"coarse_units": "furlong"}, "coarse.nc: variable 'pr' has units 'furlong'"),
        ({"shift_days": 3}, "CD-023 mine/coarse and mine/fine"),
    ],
)
def test_wrong_units_and_misaligned_times_are_one_line(monkeypatch, capsys, tmp_path, spoil, message):
    own_data(tmp_path, **spoil)
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLIMDIFF_DATA", str(tmp_path))
    monkeypatch.setenv("CLIMDIFF_CATALOG", str(tmp_path / "catalog"))
    code, text = exits(monkeypatch, capsys, "train", tmp_path / "mine-recipe.yaml")
    assert code == 3
    assert message in text
    assert "Fix: " in text
    assert "Traceback" not in text
    assert sorted(tmp_path.rglob("*")) == before


def test_own_data_train(monkeypatch, tmp_path):
    own_data(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLIMDIFF_DATA", str(tmp_path))
    monkeypatch.setenv("CLIMDIFF_CATALOG", str(tmp_path / "catalog"))
    assert "nothing wrong" in run("data", "check", "mine").output
    sizes = ["model.size=tiny", "model.channels=16", "train.batch_size=4", "train.validation_members=2"]
    assert "is ready" in run("train", tmp_path / "mine-recipe.yaml", *sizes).output


def test_the_selftest_prints_a_line_a_check_and_json():
    assert "44 of 44 checks passed" in run("selftest").output
    rows = [json.loads(line) for line in run("selftest", "--json").output.splitlines()]
    assert len(rows) == 44
    assert set(rows[0]) == {"name", "expected", "found", "tolerance", "passed"}


def test_pictures_are_drawn_with_a_sentence_each(tmp_path):
    out = tmp_path / "pictures"
    assert run("explain", "kernel", "--out", out).output == (
        f"{out / 'kernel.png'}: One jump by the kernel q(z_t | x) lands where t small steps land.\n"
    )
    assert [path.name for path in out.iterdir()] == ["kernel.png"]
    refused = run("explain", "kernels", "--out", out)
    assert refused.exit_code == 2
    assert "'schedules'" in refused.output


def test_the_ladder_is_scored_before_a_model_is_trained(minute, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    result = run("ladder", RECIPES / "tiny.yaml", *minute, "verify.baselines=[bilinear, pixel_law]", "--out", "here")
    assert result.exit_code == 0, result.output
    for word in ("bilinear", "pixel_law", "fair CRPS", "scores.json"):
        assert word in result.output
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["scores.json", "scores.nc"]
    assert "not asked for: " in result.output and "verify.baselines=ladder" in result.output
    unkept = run("ladder", RECIPES / "tiny.yaml", *minute, "verify.baselines=[bilinear]").output
    assert unkept.endswith("nothing written; --out DIR keeps the scores\n")


def test_fault_050_the_calibration_checked_is_that_beside_an_ensemble_of_ours(trained, tmp_path, monkeypatch, capsys):
    folder = shutil.copytree(trained, tmp_path / "minute")
    bundle_files._add(folder / "bundle", bundle_files.CALIBRATION, lambda file: file.write_text("{}"))
    code, text = exits(monkeypatch, capsys, "verify", folder / "future.zarr", "--out", tmp_path / "future")
    assert code == 4 and "CD-050 " in text
    other = tmp_path / "other.nc"
    for more in ((), ("--truth", other)):
        code, text = exits(monkeypatch, capsys, "verify", other, *more, "--out", folder)
        assert code == 3 and f"{other}: no such file or store" in text
