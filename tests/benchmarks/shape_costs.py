"""How much longer networks of other shapes take, side by side on one thread, in processor time.

    OMP_NUM_THREADS=1 python tests/benchmarks/shape_costs.py small "5M: 64, 112, 160" "small of before" tiny

Arguments are names of shapes.py; the first is what the others are compared with. 64 x 64 cells, batches of 16.
"""

from __future__ import annotations

import argparse
import time

import torch
from contenders import shaped
from pairs import ratios, seconds
from rows import spread, table
from shapes import SHAPES

BATCH, SIDE, BUDGET = 16, 64, 60.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", choices=SHAPES, nargs="+", metavar="SHAPE")
    names = parser.parse_args().names
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
    main()
