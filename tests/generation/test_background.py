"""Jobs beside the main thread: one at a time, none lost, errors told."""

from __future__ import annotations

import threading
import time

import pytest

from climdiff.generation.background import Background


def test_a_job_runs_beside_the_main_thread():
    main_went_on = threading.Event()
    with Background() as background:
        background.start(lambda: assert_set(main_went_on))
        main_went_on.set()


def assert_set(event: threading.Event) -> None:
    assert event.wait(timeout=20)


def test_jobs_run_one_after_the_other():
    running, most = [], []

    def job() -> None:
        running.append(1)
        most.append(len(running))
        time.sleep(0.01)
        running.pop()

    with Background() as background:
        for _ in range(5):
            background.start(job)
    assert most == [1] * 5


def test_an_error_stops_the_next_job_or_the_context():
    started = []

    def fail() -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"), Background() as background:
        background.start(fail)
        background.start(lambda: started.append(1))
    assert started == []
    with pytest.raises(OSError, match="disk full"), Background() as background:
        background.start(fail)


def test_the_last_job_ends_before_the_context_whatever_the_reason():
    done = []

    def slow() -> None:
        time.sleep(0.05)
        done.append(1)

    with pytest.raises(KeyboardInterrupt), Background() as background:
        background.start(slow)
        raise KeyboardInterrupt
    assert done == [1]


def test_working_and_waiting_are_measured():
    with Background() as background:
        background.start(lambda: time.sleep(0.05))
        background.wait()
        assert background.working >= 0.05
        assert background.waiting > 0
        before = background.waiting
        background.start(lambda: None)
        time.sleep(0.02)
    assert background.waiting - before < 0.02
