"""A process that imports once and then forks lives that generate and die: lines of JSON in, exit codes out."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import dask.array  # noqa: F401
from fakes import Repeat, coarse_world, make

from climdiff.errors import ClimdiffError


def live(order: dict[str, Any]) -> int:
    """Generate as told; return the exit code."""
    if order.get("crash_at"):
        os.environ["CLIMDIFF_CRASH_AT"] = order["crash_at"]
    downscaler = Repeat(order.get("pause_s", 0.0))
    try:
        make(Path(order["path"]), order.get("members", 4), downscaler, **order.get("options", {}))
    except ClimdiffError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    if order.get("tally"):
        Path(order["tally"], str(os.getpid())).write_text(json.dumps(downscaler.made))
    return 0


def fork(order: dict[str, Any]) -> int:
    """Start a life; return its process number."""
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            code = live(order)
        finally:
            sys.stderr.flush()
            os._exit(code)
    return pid


coarse_world().load()  # imports what xarray imports late; zarr must not be used here, its thread would not survive
for line in sys.stdin:
    orders = json.loads(line)
    pids = [fork(order) for order in orders]
    for pid, order in zip(pids, orders, strict=True):
        if "kill_after_s" in order:
            time.sleep(order["kill_after_s"])
            os.kill(pid, signal.SIGKILL)
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
    print(json.dumps(codes), flush=True)
