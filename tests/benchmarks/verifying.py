"""What verifying a store takes beside reading it: memory beyond the idle process, and processor time.

    python tests/benchmarks/verifying.py             256 MiB of members, seconds
    python tests/benchmarks/verifying.py --gib 10    10 GiB, which is more than it may use; minutes, and 3 GB of disk

The store is zarr with 16 members of daily rain on 256 x 256 cells; it is measured in a process of its own.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import xarray as xr
from rows import Row, table

from climdiff.verification.ensembles import match
from climdiff.verification.scorecard import scorecard

MEMBERS, SIDE, CHUNK = 16, 256, 8
GIB = 2**30
THRESHOLDS = {"pr": (0.1, 1.0, 10.0)}


def verifying(gib: float, folder: Path | None = None) -> Iterator[Row]:
    """Yield memory [GiB] and time of verifying that much, over reading it."""
    with tempfile.TemporaryDirectory(dir=folder) as made:
        make(Path(made), gib)
        done = subprocess.run([sys.executable, __file__, "--measure", made], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    size = f"verifying {found['bytes'] / GIB:.3g} GiB of members"
    memory = found["peak"] / GIB
    yield Row(f"{size}: memory beyond the idle process [GiB]", memory, memory, memory, "<= 1")
    ratio = found["verify_s"] / found["read_s"]
    yield Row(f"{size}: processor time over reading it", ratio, ratio, ratio)
    rate = found["verify_s"] / found["bytes"] * 4e9
    yield Row(f"{size}: nanoseconds of processor time per value", rate, rate, rate)


def make(folder: Path, gib: float) -> None:
    """Write members and truth of at least that size, a chunk of times at a time."""
    n_times = max(1, round(gib * GIB / (4 * MEMBERS * SIDE**2) / CHUNK)) * CHUNK
    rng = np.random.default_rng(0)
    base = np.maximum(rng.gamma(0.3, 4.0, (MEMBERS + 1, CHUNK, SIDE, SIDE)) - 1, 0).round(2).astype(np.float32)
    times = np.datetime64("1990-01-01", "ns") + np.arange(n_times) * np.timedelta64(1, "D")
    place = {"units": "m"}
    axes = {"y": ("y", np.arange(SIDE) * 2000.0, place), "x": ("x", np.arange(SIDE) * 2000.0, place)}
    for start in range(0, n_times, CHUNK):
        values = np.roll(base, start, axis=(0, 3)) * np.float32(1 + 0.1 * np.sin(start))
        part = {"time": times[start : start + CHUNK], **axes}
        for name, dims, field in (
            ("members", ("realization", "time", "y", "x"), values[1:]),
            ("truth", ("time", "y", "x"), values[0]),
        ):
            made = xr.Dataset({"pr": (dims, field, {"units": "mm day-1"})}, part)
            if start == 0:
                encoding = {"time": {"units": "days since 1990-01-01", "chunks": (n_times,), "dtype": "int64"}}
                encoding["pr"] = {"chunks": (*(len(values) - 1,) * (len(dims) - 3), CHUNK, SIDE, SIDE)}
                made.to_zarr(folder / name, encoding=encoding, consolidated=False)
            else:
                made.to_zarr(folder / name, append_dim="time", consolidated=False)


def measure(folder: Path) -> None:
    """Print what reading and verifying took, after a small round: what is loaded on first use is no memory of it."""
    forecast, truth = (xr.open_zarr(folder / name, chunks=None, consolidated=False) for name in ("members", "truth"))
    few = {"time": slice(0, CHUNK), "y": slice(0, 32), "x": slice(0, 32)}
    scorecard(forecast.isel(few).load(), truth.isel(few).load(), thresholds=THRESHOLDS)
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    idle = resident("VmRSS")
    began = time.process_time()
    scorecard(forecast, truth, thresholds=THRESHOLDS)
    seconds = {"verify_s": time.process_time() - began}
    peak = resident("VmHWM") - idle
    began = time.process_time()
    for pair in match(forecast, truth).values():
        for _ in pair.blocks():
            pass
    seconds["read_s"] = time.process_time() - began
    print(json.dumps({**seconds, "peak": peak, "bytes": forecast["pr"].nbytes}))


def resident(kind: str) -> int:
    """Return the resident memory of this process [bytes]: now (VmRSS) or at most (VmHWM) since it was last reset."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(kind))


def main() -> None:
    """Measure and print, or be the process that is measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gib", type=float, default=0.25)
    parser.add_argument("--folder", type=Path, help="where the store is made; it is removed afterwards")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure is not None:
        measure(options.measure)
    else:
        print(table(list(verifying(options.gib, options.folder))))


if __name__ == "__main__":
    main()
