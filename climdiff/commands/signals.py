"""Signals that ask a command to stop once what it is doing is kept."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType


def asked_to_stop() -> Callable[[], bool]:
    """Return a function that tells whether a signal asked to stop; a second SIGINT stops at once (CD-060)."""
    asked: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        del frame
        if asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked.append(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, handle)
    return lambda: bool(asked)
