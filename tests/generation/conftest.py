"""Fixtures: the fakes of this folder as a module, and a process that forks lives."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FOLDER = Path(__file__).parent


@pytest.fixture(scope="session")
def fakes() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generation_fakes", FOLDER / "fakes.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def lives() -> Iterator[Callable[..., list[int]]]:
    """Return a function that runs lives at once, each told by a dict, and returns their exit codes."""
    command = [sys.executable, str(FOLDER / "lives.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def run(*orders: dict[str, Any]) -> list[int]:
            stdin.write(json.dumps(orders, default=str) + "\n")
            stdin.flush()
            return list(json.loads(stdout.readline()))

        yield run
        stdin.close()
