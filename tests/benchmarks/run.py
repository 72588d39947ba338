"""Runs the benchmarks, prints one table, and writes docs/benchmarks.json and the table of docs/benchmarks.md.

    make bench          all of it, about 20 minutes
    make bench-quick    the small network and the scores, under three minutes; writes nothing
    CLIMDIFF_DATA=/path/to/data python tests/benchmarks/run.py --run runs/radar   members of a trained radar run as well

Every figure is a ratio of two things timed side by side, A B A B, in one process; memory is measured in a process each.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import loading
import members
import networks
import pairs
import rows
import scores
import torch
import verifying
import whole

DOCS = Path(__file__).parents[2] / "docs"
FREE = 0.9
"""Share of the cores that has to be free for numbers worth writing down."""


def measure(quick: bool, run: Path | None) -> Iterator[rows.Row]:
    """Yield all rows, the quickest first."""
    budget = 5.0 if quick else 20.0
    yield from scores.crps(budget / 2)
    yield scores.spectra(budget / 2)
    yield scores.fss(budget / 2)
    yield from verifying.verifying(0.25 if quick else 1.0)
    yield from loading.loader(budget / 2)
    yield from networks.speed("5M", 64, 2 * budget)
    yield networks.peak_share("5M", 64, budget)
    yield from networks.memory("5M", 64, repeats=1 if quick else 3)
    if not quick:
        for size, side in (("5M", 128), ("20M", 64), ("20M", 128)):
            yield from networks.speed(size, side, 3 * budget)
            yield networks.peak_share(size, side, budget)
        yield from networks.memory("5M", 128)
        yield from networks.memory("20M", 64)
        yield from whole.end_to_end(budget)
    if run is not None:
        yield from members.evaluations(run)


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--run", type=Path)
    parser.add_argument("--publish", action="store_true", help="write docs/benchmarks.* of a quick run, too")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    before = pairs.share_of_cores()
    found = []
    for row in measure(options.quick, options.run):
        found.append(row)
        print(f"{row.name}: {row.ratio:.3g}", file=sys.stderr, flush=True)
    free = min(before, pairs.share_of_cores())
    print(rows.table(found))
    if free < FREE:
        print(f"only {free:.0%} of the cores were free: run it again on a quiet machine", file=sys.stderr)
    if options.publish or not options.quick:
        said = "".join(f" --{name}" for name in ("quick", "publish") if getattr(options, name))
        command = "python tests/benchmarks/run.py" + said + (f" --run runs/{options.run.name}" if options.run else "")
        rows.publish(found, rows.machine(free), DOCS, command)


if __name__ == "__main__":
    main()
