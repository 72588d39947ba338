"""A crash point ends the process when it is asked for, and does nothing otherwise."""

from __future__ import annotations

import pytest

from climdiff.generation import crashpoints


def test_a_process_dies_at_the_wanted_pass_of_the_wanted_point(monkeypatch: pytest.MonkeyPatch) -> None:
    died = []
    monkeypatch.setattr(crashpoints.os, "_exit", died.append)
    monkeypatch.setattr(crashpoints, "_passes", {})
    crashpoints.crash_point("before-chunk")
    monkeypatch.setenv("CLIMDIFF_CRASH_AT", "before-chunk:2")
    crashpoints.crash_point("after-chunk")
    crashpoints.crash_point("before-chunk")
    assert died == []
    crashpoints.crash_point("before-chunk")
    assert died == [137]
