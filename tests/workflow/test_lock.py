"""One process at a time works in a run's folder."""

from __future__ import annotations

import pytest

from climdiff.errors import MismatchError
from climdiff.workflow.lock import alone


def test_fault_044_the_second_is_refused_until_the_first_has_ended(tmp_path):
    with alone(tmp_path / "run"), pytest.raises(MismatchError, match=r"CD-044 .*another process .*Fix: wait"):
        alone(tmp_path / "run").__enter__()
    with alone(tmp_path / "run"):
        assert (tmp_path / "run").is_dir()
