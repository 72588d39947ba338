"""Times ways of doing one thing side by side: A B C, A B C ..., so that a busy neighbour disturbs all of them alike."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

import torch

Work = Callable[[], object]


def seconds(
    contenders: Mapping[str, Work], budget: float, least: int = 3, clock: Callable[[], float] = time.perf_counter
) -> dict[str, list[float]]:
    """Return the seconds of each contender in each round after a first; rounds go on until `budget` [s] is spent."""
    for work in contenders.values():
        work()
    found: dict[str, list[float]] = {name: [] for name in contenders}
    started = time.perf_counter()
    while len(next(iter(found.values()))) < least or time.perf_counter() - started < budget:
        for name, work in contenders.items():
            begun = clock()
            work()
            found[name].append(clock() - begun)
    return found


def ratios(found: Mapping[str, list[float]], slow: str, fast: str) -> list[float]:
    """Return, round by round, how many times longer `slow` took than `fast`."""
    return [one / other for one, other in zip(found[slow], found[fast], strict=True)]


def share_of_cores(length: float = 0.5) -> float:
    """Return the processor time that as many busy threads as torch uses got, over what they asked for."""
    n_threads = torch.get_num_threads()

    def spin(until: float) -> None:
        field = torch.ones(256, 256)
        while time.perf_counter() < until:
            # big enough to let go of the interpreter's lock, small enough for one thread
            torch.cumsum(field, 0, out=field).fill_(1)

    began, used = time.perf_counter(), time.process_time()
    threads = [threading.Thread(target=spin, args=(began + length,)) for _ in range(n_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return (time.process_time() - used) / (n_threads * (time.perf_counter() - began))
