"""The log survives kills and resumes without repeating itself."""

from __future__ import annotations

from climdiff.training.log import Log, read


def test_rows_come_back(tmp_path):
    log = Log(tmp_path, 0)
    log.write(1, {"loss": 0.5})
    log.write(2, {"loss": 0.25})
    log.close()
    assert read(tmp_path / "log.jsonl") == [{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.25}]


def test_a_resumed_log_drops_rows_that_are_done_again(tmp_path):
    (tmp_path / "log.jsonl").write_text('{"step": 1, "loss": 0.5}\n{"step": 9, "loss": 0.1}\n{"step": 10, "lo')
    Log(tmp_path, first_step=5).close()
    assert read(tmp_path / "log.jsonl") == [{"step": 1, "loss": 0.5}]


def test_an_absent_log_has_no_rows(tmp_path):
    assert read(tmp_path / "log.jsonl") == []
