"""Shared fixtures: where real data are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of real test data; skip with a reason where it is absent."""
    named = os.environ.get("CLIMDIFF_TEST_DATA")
    folder = Path(named) if named else Path(__file__).parents[2] / "shared" / "data"
    if not (folder / "radar2km_dev").is_dir():
        pytest.skip(f"no real data at {folder}: set CLIMDIFF_TEST_DATA")
    return folder
