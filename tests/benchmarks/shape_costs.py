"""How much longer networks of other shapes take, side by side on one thread, in processor time.

    OMP_NUM_THREADS=1 python tests/benchmarks/shape_costs.py "5M: 32, 96, 192" "5M: 64, 112, 160" "7M: 64, 128, 192"

Arguments are names of shapes.py; the first is what the others are compared with. 64 x 64 cells, batches of 16.
"""

from __future__ import annotations

import sys
import time

import torch
from contenders import shaped
from pairs import ratios, seconds
from rows import spread, table
from shapes import SHAPES

BATCH, SIDE, BUDGET = 16, 64, 60.0


def main(names: list[str]) -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    made = {name: shaped(SHAPES[name], BATCH, SIDE) for name in names}
    lines = []
    for what, works in (
        ("training step", {name: each.step for name, each in made.items()}),
        ("evaluation", {name: each.evaluate for name, each in made.items()}),
    ):
        found = seconds(works, BUDGET, clock=time.process_time)
        lines += [spread(f"{what}: {name}", ratios(found, name, names[0])) for name in names[1:]]
    print(table(lines))


if __name__ == "__main__":
    main(sys.argv[1:])
