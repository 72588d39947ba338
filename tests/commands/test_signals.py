"""The first signal asks; a second interrupt stops at once."""

from __future__ import annotations

import os
import signal

import pytest

from climdiff.commands.signals import asked_to_stop


@pytest.fixture(autouse=True)
def restored():
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_fault_060_a_signal_is_remembered(number):
    should_stop = asked_to_stop()
    assert not should_stop()
    os.kill(os.getpid(), number)
    assert should_stop()


def test_fault_060_a_second_interrupt_stops_at_once():
    asked_to_stop()
    os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
