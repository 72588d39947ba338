"""What each `model.size` costs on one thread of this processor: the table of docs/networks.md.

    OMP_NUM_THREADS=1 python tests/benchmarks/sizes.py --sides 64 128

Times are processor times: of training steps of the default batch size, and of ten evaluations for a member where 32
are drawn together. Memory is what three training steps need beyond an idle process, without the data.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
from contenders import OURS, ours
from networks import training_bytes
from pairs import seconds

BATCH, TOGETHER, EVALUATIONS, BUDGET = 16, 32, 10, 20.0
NAMES = {"2M": "tiny", "5M": "small", "20M": "base"}


def line(size: str, side: int) -> str:
    """Return the row of a size on a domain."""
    works = {"step": ours(size, BATCH, side).step, "evaluation": ours(size, TOGETHER, side).evaluate}
    found = seconds(works, BUDGET, clock=time.process_time)
    step, evaluation = (statistics.median(found[name]) for name in works)
    memory = training_bytes("ours", size, side, BATCH) / 2**30
    costs = 1000 * step / 60, EVALUATIONS * evaluation / TOGETHER, memory
    told = " | ".join(f"{float(f'{cost:.2g}'):g}" for cost in costs)
    return f"| {NAMES[size]} | {side} x {side} | {told} |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", type=int, nargs="+", default=[64], help="of square domains [cells]")
    torch.set_num_threads(1)
    print("| `model.size` | cells | 1000 steps [min] | ten evaluations, a member [s] | memory of training [GiB] |")
    print("| --- | --- | --- | --- | --- |")
    for each in parser.parse_args().sides:
        for one in OURS:
            print(line(one, each), flush=True)
