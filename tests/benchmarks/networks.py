"""Training steps, evaluations, share of the machine's peak, and memory: ours beside the peers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from contenders import PEERS, Contender, ours, peer
from pairs import ratios, seconds
from rows import Row, spread
from torch.utils.flop_counter import FlopCounterMode

from climdiff.training.optimizer import Optimizer

BATCH = 8
AIMS = {
    ("step", "as shipped"): ">= 4.5",
    ("step", "our flags"): ">= 3",
    ("evaluation", "as shipped"): ">= 5",
    ("evaluation", "our flags"): ">= 3.5",
}
PEAK_AIMS = {"5M": ">= 0.5", "20M": ">= 0.7"}


def speed(size: str, side: int, budget: float) -> Iterator[Row]:
    """Yield how many times faster we do a training step and an evaluation than each peer."""
    mine = ours(size, BATCH, side)
    others = {(name, flags): peer(name, size, BATCH, side, flags) for name in PEERS for flags in (False, True)}
    _refuse_unequal(mine, others)
    for what, work in (("step", lambda c: c.step), ("evaluation", lambda c: c.evaluate)):
        contenders = {"ours": work(mine), **{str(key): work(other) for key, other in others.items()}}
        found = seconds(contenders, budget)
        for name, flags in others:
            how = "our flags" if flags else "as shipped"
            title = f"{'training step' if what == 'step' else 'one evaluation'}, {size}, {side} x {side}: {name} {how}"
            aim = AIMS[what, how] if name.startswith("diffusers") else ""
            yield spread(title, ratios(found, str((name, flags)), "ours"), aim)


def peak_share(size: str, side: int, budget: float) -> Row:
    """Return the network's floating-point operations per second of our training step, over the best convolution's.

    The optimizer's matrix products are no use to the network: they count in the time, not in the operations.
    """
    mine = ours(size, BATCH, side)
    with FlopCounterMode(display=False) as counter:
        mine.step()
    operations = counter.get_total_flops() - _of_the_optimizer(mine.network)
    convolution, of_convolution = _convolution()
    found = seconds({"ours": mine.step, "peak": convolution}, budget)
    shares = [
        (operations / step) / (of_convolution / peak) for step, peak in zip(found["ours"], found["peak"], strict=True)
    ]
    name = f"training step, {size}, {side} x {side}: share of the peak of bfloat16 convolutions"
    return spread(name, shares, PEAK_AIMS[size])


def memory(size: str, side: int, repeats: int = 3) -> Iterator[Row]:
    """Yield the memory each peer needs to train, beyond what an idle process has, over ours; a process each."""
    mine = [training_bytes("ours", size, side) for _ in range(repeats)]
    for name in PEERS:
        for flags in (False, True):
            theirs = [training_bytes(f"{name}{'+' if flags else ''}", size, side) for _ in range(repeats)]
            title = f"memory of training, {size}, {side} x {side}: {name} {'our flags' if flags else 'as shipped'}"
            shares = [one / other for one, other in zip(theirs, mine, strict=True)]
            yield spread(title, shares, ">= 2.5" if name.startswith("diffusers") and not flags else "")


def training_bytes(contender: str, size: str, side: int, batch: int = BATCH) -> int:
    """Return the largest memory of a few training steps beyond an idle process [bytes], measured in one of its own."""
    program = Path(__file__).with_name("memory_of_training.py")
    command = [sys.executable, str(program), contender, size, str(side), str(batch)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def _of_the_optimizer(network: torch.nn.Module) -> int:
    """Return the floating-point operations of one step of the optimizer."""
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    with FlopCounterMode(display=False) as counter:
        Optimizer(network, "muon", learning_rate=0.0, weight_decay=0.0).step(0.0)
    return int(counter.get_total_flops())


def _convolution() -> tuple[object, int]:
    """Return a forward and backward convolution large enough to reach the machine's peak, and its operations."""
    layer = torch.nn.Conv2d(256, 256, 3, padding=1).to(torch.bfloat16, memory_format=torch.channels_last)
    field = torch.randn(BATCH, 256, 32, 32).to(torch.bfloat16, memory_format=torch.channels_last).requires_grad_()

    def work() -> None:
        layer(field).sum().backward()

    with FlopCounterMode(display=False) as counter:
        work()
    return work, counter.get_total_flops()


def _refuse_unequal(mine: Contender, others: dict[tuple[str, bool], Contender]) -> None:
    """A comparison of networks of unlike size would mean nothing."""
    for name, other in others.items():
        if not 0.9 < mine.weights / other.weights < 1.1:
            raise AssertionError(f"{name} has {other.weights:,} weights, ours {mine.weights:,}")
