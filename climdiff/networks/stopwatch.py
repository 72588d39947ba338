"""How long a network computes, measured from outside."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any

import torch
from torch import nn


class Stopwatch:
    """Adds up the seconds spent in the forward passes of a network while the context is open.

    On a GPU each pass is waited for, so that its kernels count where they belong; that costs a little speed.
    """

    def __init__(self, network: nn.Module) -> None:
        self.seconds = 0.0
        self._network = network
        self._began = 0.0

    def __enter__(self) -> Stopwatch:
        self._hooks = [
            self._network.register_forward_pre_hook(self._start),
            self._network.register_forward_hook(self._stop),
        ]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for hook in self._hooks:
            hook.remove()

    def _start(self, *_: Any) -> None:
        _wait()
        self._began = time.perf_counter()

    def _stop(self, *_: Any) -> None:
        _wait()
        self.seconds += time.perf_counter() - self._began


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
