"""Named points where a test can make the process die as if killed, so that every window of a write is covered."""

from __future__ import annotations

import os

_passes: dict[str, int] = {}


def crash_point(name: str) -> None:
    """End the process at once, without clean-up, if CLIMDIFF_CRASH_AT is `name` or `name:n` for the n-th pass."""
    wanted = os.environ.get("CLIMDIFF_CRASH_AT")
    if not wanted:
        return
    point, _, count = wanted.partition(":")
    if point == name:
        _passes[name] = _passes.get(name, 0) + 1
        if _passes[name] >= int(count or 1):
            os._exit(137)
