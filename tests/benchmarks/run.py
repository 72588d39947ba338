"""Runs the benchmarks, prints one table, and writes docs/benchmarks.json and the table of docs/benchmarks.md.

    make bench          all of it, most of an hour
    make bench-quick    the small network and the scores, under three minutes; writes nothing
    CLIMDIFF_DATA=/path/to/data python tests/benchmarks/run.py --run runs/radar   members of a trained radar run as well
    python tests/benchmarks/run.py --only networks                                one part; writes nothing

Every figure is a ratio of two things timed side by side, A B A B, in one process; memory is measured in a process each.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from itertools import chain
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


def parts(quick: bool, run: Path | None) -> dict[str, Iterable[rows.Row]]:
    """Return the rows by part, each measured when it is iterated over."""
    budget = 5.0 if quick else 20.0
    return {
        "scores": _scores(quick, budget),
        "loader": loading.loader(budget / 2),
        "networks": _networks(quick, budget),
        "memory": _memory(quick),
        "end-to-end": () if quick else whole.end_to_end(budget),
        "members": () if run is None else members.evaluations(run),
    }


def _scores(quick: bool, budget: float) -> Iterator[rows.Row]:
    yield from scores.crps(budget / 2)
    yield scores.spectra(budget / 2)
    yield scores.fss(budget / 2)
    yield from verifying.verifying(0.25 if quick else 1.0)


def _networks(quick: bool, budget: float) -> Iterator[rows.Row]:
    yield from networks.speed("5M", 64, 2 * budget)
    yield networks.peak_share("5M", 64, budget)
    for size, side in () if quick else (("20M", 64), ("5M", 128), ("20M", 128)):
        yield from networks.speed(size, side, 3 * budget)
        yield networks.peak_share(size, side, budget)


def _memory(quick: bool) -> Iterator[rows.Row]:
    for size, side in (("5M", 64),) if quick else (("5M", 64), ("5M", 128), ("20M", 64)):
        yield from networks.memory(size, side, repeats=1 if quick else 3)


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--run", type=Path)
    parser.add_argument("--only", choices=tuple(parts(True, None)), help="measure one part of it")
    parser.add_argument("--publish", action="store_true", help="write docs/benchmarks.* of a quick run, too")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    if options.only and options.publish:
        parser.error("--only measures a part: the table that --publish writes would lack the rest")
    if options.only == "members" and options.run is None:
        parser.error("--only members needs --run, the folder of a trained run")
    if options.run is not None and not (options.run / "bundle").is_dir():
        parser.error(f"--run {options.run}: holds no bundle, train it first")
    torch.set_num_threads(options.threads)
    before = pairs.share_of_cores()
    found = []
    chosen = parts(options.quick, options.run)
    for row in chain.from_iterable(chosen.values() if options.only is None else [chosen[options.only]]):
        found.append(row)
        print(f"{row.name}: {row.ratio:.3g}", file=sys.stderr, flush=True)
    free = min(before, pairs.share_of_cores())
    print(rows.table(found))
    if free < FREE:
        print(f"only {free:.0%} of the cores were free: run it again on a quiet machine", file=sys.stderr)
    if options.publish or not (options.quick or options.only):
        said = "".join(f" --{name}" for name in ("quick", "publish") if getattr(options, name))
        command = "python tests/benchmarks/run.py" + said + (f" --run runs/{options.run.name}" if options.run else "")
        rows.publish(found, rows.machine(free), DOCS, command)


if __name__ == "__main__":
    main()
