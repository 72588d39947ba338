"""`climdiff calibrate` prints what it tried and chose; `generate` uses it, or not if told so."""

from __future__ import annotations

import shutil

import pytest
from typer.testing import CliRunner

from climdiff import bundle_files, cli
from climdiff.errors import MismatchError, RecipeError
from climdiff.verification import significance

runner = CliRunner()


def run(*arguments):
    result = runner.invoke(cli.app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


def test_the_choice_is_printed_drawn_and_used(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(significance, "MIN_INDEPENDENT", 3)  # so that these few dates tell something
    folder = shutil.copytree(trained, tmp_path / "minute")
    text = run("calibrate", folder, "--times", 16, "--members", 2)
    for words in ("dates that choose, 2 members", "dates held out", "as in the recipe", "* spread", "from now on"):
        assert words in text
    assert (folder / "calibration" / "pr.png").stat().st_size > 10_000
    calibrated = run("generate", folder, "--out", tmp_path / "a.zarr", "--members", 1)
    assert "calibrated: spread " in calibrated
    plain = run("generate", folder, "--out", tmp_path / "b.zarr", "--members", 1, "--no-calibration")
    assert "calibrated" not in plain


@pytest.mark.parametrize("command", ["verify", "generate"])
def test_fault_050_a_damaged_calibration_is_refused_before_anything_is_made(trained, tmp_path, command):
    folder = shutil.copytree(trained, tmp_path / "minute")
    bundle_files._add(folder / "bundle", bundle_files.CALIBRATION, lambda file: file.write_text("{}"))
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    arguments = {"verify": (folder / "not-yet.zarr",), "generate": (folder,)}[command]
    with pytest.raises(MismatchError, match=r"CD-050 .*calibration\.json: cannot be read .*Fix: calibrate again"):
        run(command, *arguments)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_fault_037_one_member_is_refused(trained):
    with pytest.raises(RecipeError, match="1 member has no spread to calibrate"):
        run("calibrate", trained, "--members", 1)
