"""The command line: what it prints, its exit codes, and that nothing is half written after an error."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from climdiff import cli
from climdiff.errors import ClimdiffError

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


def test_data_sets_are_listed_and_shown():
    assert "radar2km" in run("data", "list").output
    shown = run("data", "show", "racmo-iberia").output
    assert "racmo-iberia/fine (subsets: historical, future)" in shown
    assert "lwe_precipitation_rate" in shown


def test_the_embedded_world_is_sound():
    assert "nothing wrong" in run("data", "check", "world").output


def test_recipes_are_validated_and_shown():
    assert "nothing wrong" in run("recipe", "validate", RECIPES / "precip.yaml").output
    assert "learning_rate" in run("recipe", "show", RECIPES / "precip.yaml").output
    assert json.loads(run("recipe", "schema").output) == json.loads((RECIPES / "recipe.schema.json").read_text())


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


def test_errors_as_json(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    code, text = exits(monkeypatch, capsys, "--json-errors", "generate", "no-such-run")
    assert code == 4
    assert json.loads(text)["code"] == 50


def test_a_run_prints_its_table(minute, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    result = run("run", RECIPES / "tiny.yaml", *minute, "train.steps=2", "train.validate_every=2")
    assert result.exit_code == 0, result.output
    for word in ("diffusion", "bilinear", "oracle", "fair CRPS", "report.html"):
        assert word in result.output
    folder = tmp_path / "runs" / "minute"
    assert "units made" in run("generate", folder, "--members", 5).output
    assert run("verify", folder / "ensemble.zarr").output.count("paired block bootstrap over") == 4
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
