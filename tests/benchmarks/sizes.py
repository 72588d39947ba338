"""What each `model.size` costs: processor time of one thread and memory, as a table for docs/networks.md.

    OMP_NUM_THREADS=1 python tests/benchmarks/sizes.py 64 128

Arguments are sides of square domains. Steps are of the default batch size; a member is one of 16 drawn together by 10
evaluations; memory is what three training steps need beyond an idle process. Times are those of this processor.
"""

from __future__ import annotations

import statistics
import sys
import time

import torch
from contenders import OURS, ours
from networks import training_bytes
from pairs import seconds

BATCH, EVALUATIONS, BUDGET = 16, 10, 20.0
NAMES = {"2M": "tiny", "5M": "small", "20M": "base"}


def line(size: str, side: int) -> str:
    """Return the row of a size on a domain."""
    made = ours(size, BATCH, side)
    found = seconds({"step": made.step, "evaluation": made.evaluate}, BUDGET, clock=time.process_time)
    step, evaluation = (statistics.median(found[name]) for name in ("step", "evaluation"))
    memory = training_bytes("ours", size, side, BATCH) / 2**30
    member = 1000 * EVALUATIONS * evaluation / BATCH
    return f"| {NAMES[size]} | {side} x {side} | {1000 * step / 60:.2g} | {member:.2g} | {memory:.2g} |"


if __name__ == "__main__":
    torch.set_num_threads(1)
    print("| `model.size` | cells | 1000 steps [min] | a member [ms] | memory of training [GiB] |")
    print("| --- | --- | --- | --- | --- |")
    for each in sys.argv[1:] or ["64"]:
        for one in OURS:
            print(line(one, int(each)), flush=True)
