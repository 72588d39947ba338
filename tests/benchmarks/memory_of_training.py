"""Prints the largest memory of three training steps beyond that of the idle process [bytes]; a process of its own.

python memory_of_training.py CONTENDER 2M|5M|20M SIDE BATCH     (ours or a peer; + behind it: with our flags)
"""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import torch
from contenders import PEER_NETWORKS, fields, ours, peer
from torch import nn

from climdiff.networks.precision import autocast
from climdiff.training.optimizer import Optimizer

STEPS = 3


def resident(kind: str) -> int:
    """Return the resident memory of this process [bytes]: now (VmRSS) or at most (VmHWM) since it was last reset."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(kind))


def warm_up(flags: bool) -> None:
    """Do a step of a network of nothing: what torch loads on first use is no memory of training."""
    layer = nn.Conv2d(4, 4, 3, padding=1)
    with autocast(torch.bfloat16 if flags else torch.float32, torch.device("cpu")):
        layer(torch.zeros(1, 4, 8, 8)).sum().backward()
    Optimizer(layer, "adamw", 1e-4, 0.0).step(1e-4)
    optimizer = torch.optim.Muon([nn.Parameter(torch.ones(4, 4))])
    optimizer.param_groups[0]["params"][0].grad = torch.ones(4, 4)
    optimizer.step()


def main(contender: str, size: str, side: str, batch: str) -> None:
    """Train and print."""
    name, flags = contender.removesuffix("+"), contender.endswith("+")
    if name in PEER_NETWORKS:
        PEER_NETWORKS[name](size)  # imports what it needs; the idle process has that
    warm_up(flags or name == "ours")
    fields(int(batch), int(side))
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # forget the largest memory so far: importing needed more
    idle = resident("VmRSS")
    made = ours(size, int(batch), int(side)) if name == "ours" else peer(name, size, int(batch), int(side), flags)
    for _ in range(STEPS):
        made.step()
    print(resident("VmHWM") - idle)


if __name__ == "__main__":
    main(*sys.argv[1:])
