"""Numbers that stand for missing values where no attribute says so."""

from __future__ import annotations

from collections import Counter

import numpy as np

SENTINELS = (-9999.0, -999.0, -99999.0, -32768.0, -32767.0)
HUGE = 1e19
"""1e20 and 9.97e36 are common fill values; columns of molecules per cm2 come near 1e19."""


def stand_ins(values: np.ndarray, scale: float = 1.0, offset: float = 0.0) -> Counter[str]:
    """Return how many of the values are numbers that stand for missing ones, {number: count}.

    `scale` and `offset` brought the values from those of a file, which is where such numbers are written.
    """
    if not values.size:
        return Counter()
    marks = {f"{number:g}": np.float32(number * scale + offset) for number in SENTINELS}
    reach = HUGE * abs(scale)
    low, high = np.fmin.reduce(values, None), np.fmax.reduce(values, None)
    found: Counter[str] = Counter()
    if low <= max(marks.values()) and high >= min(marks.values()):  # a look at the ends is enough for nearly all data
        found.update({name: int((values == mark).sum()) for name, mark in marks.items()})
    if low - offset < -reach or high - offset > reach:
        found[f"beyond {HUGE:g}"] = int((np.isfinite(values) & (np.abs(values - offset) > reach)).sum())
    return +found


def listed(found: Counter[str]) -> str:
    """Return in words what was found; empty if nothing was."""
    return ", ".join(f"{number} in {count} cells" for number, count in found.items())
