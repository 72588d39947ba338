"""One job at a time beside the main thread: a unit is written while the next one is drawn."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType


class Background:
    """Runs jobs in a thread, one after the other; whoever starts the next one first waits for the last.

    So at most one unit is in memory beside the one being drawn. Leaving the context waits for the last job, whatever
    the reason for leaving.

    Attributes:
        working: Seconds that jobs took.
        waiting: Seconds that the main thread waited for them.
    """

    def __init__(self) -> None:
        self.working = self.waiting = 0.0
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="background")
        self._last: Future[None] | None = None

    def __enter__(self) -> Background:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self.wait()
        finally:
            self._thread.shutdown()

    def start(self, job: Callable[[], None]) -> None:
        """Start `job` once the last one has ended; raises what that one raised, and then does not start."""
        self.wait()
        self._last = self._thread.submit(self._timed, job)

    def wait(self) -> None:
        """Wait for the last job; raises what it raised."""
        last, self._last = self._last, None
        if last is not None:
            began = time.perf_counter()
            try:
                last.result()
            finally:
                self.waiting += time.perf_counter() - began

    def _timed(self, job: Callable[[], None]) -> None:
        began = time.perf_counter()
        try:
            job()
        finally:
            self.working += time.perf_counter() - began
