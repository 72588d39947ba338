"""A whole run, and the same run again."""

from __future__ import annotations

from climdiff.training.checkpoint import sha256
from climdiff.workflow.experiment import run


class Watch:
    """Remembers what it was told."""

    def __init__(self):
        self.lines, self.steps, self.stages = [], [], {}

    def say(self, line):
        self.lines.append(line)

    def training(self, progress, total):
        self.steps.append((progress.step, total))

    def stage(self, name, done, total):
        self.stages[name] = (done, total)


def test_a_run_makes_everything_and_a_second_one_only_what_is_missing(minute_recipe, tmp_path):
    first, second = Watch(), Watch()
    verdict = run(minute_recipe, tmp_path, first)
    assert {"bundle", "ensemble.zarr", "scores.json", "scores.nc", "report.html", "log.jsonl"} <= {
        path.name for path in tmp_path.iterdir()
    }
    assert first.steps[-1] == (6, 6)
    assert all(done == total for done, total in first.stages.values())
    before = sha256(tmp_path / "bundle" / "weights.safetensors")
    again = run(minute_recipe, tmp_path, second)
    assert second.steps == []
    assert "is trained already" in second.lines[0]
    assert sha256(tmp_path / "bundle" / "weights.safetensors") == before
    assert again.to_json() == verdict.to_json()
