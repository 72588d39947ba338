"""Fractions skill score: from which scale on is the place of an event right?

A forecast that puts a shower one cell off is punished twice cell by cell; shares of windows forgive it once the window
is wide enough. The forecast's share is that of all members together, so one member is the deterministic score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

WIDTHS = (1, 3, 5, 9, 17, 33)
"""Sides of the windows [cells]; odd, so that a window has a middle."""


def widths_of(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the widths that fit into fields of (y, x) cells; none for other dimensions."""
    return tuple(width for width in WIDTHS if len(shape) == 2 and width <= min(shape))


def fss_sums(
    count: np.ndarray, seen: np.ndarray, weights: np.ndarray, n_members: int, widths: Sequence[int]
) -> dict[str, np.ndarray]:
    """Return the weighted sums of (P - O)^2 and P^2 + O^2 over all windows, (width,) each; those of two blocks add up.

    P and O are the shares of cells with the event in a window around each cell, of all members and of the truth. The
    share is over the cells of the window that lie in the domain and have weight, every one counting the same (cells
    of one window hardly differ in area); the sums over windows are weighted by the cell in the middle.

    Args:
        count: (time, y, x) number of members with the event.
        seen: (time, y, x) bool, whether the truth has it.
        weights: (time, y, x), 0 where the truth is missing.
        n_members: Number of members.
        widths: Sides of the windows [cells], odd.
    """
    present = weights > 0
    if present.all():
        present, middle = present[:1], weights[:1] if (weights == weights[:1]).all() else weights
    else:
        count, seen, middle = count * present, seen & present, weights
    sizes, forecast, truth = _summed(present), _summed(count), _summed(seen)
    middle = np.sqrt(middle)
    sums = {name: np.zeros(len(widths)) for name in ("difference", "reference")}
    for i, width in enumerate(widths):
        per_cell = middle / np.maximum(_in_windows(sizes, width), 1)
        shares = _in_windows(forecast, width) * (per_cell / n_members)
        seen_shares = _in_windows(truth, width) * per_cell
        sums["reference"][i] = np.vdot(shares, shares) + np.vdot(seen_shares, seen_shares)
        shares -= seen_shares
        sums["difference"][i] = np.vdot(shares, shares)
    return sums


def fss(sums: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return 1 - sum (P - O)^2 / sum (P^2 + O^2) of all times together, (..., width) (Roberts & Lean 2008, sect. 2).

    1 is perfect, 0 no overlap of any window; NaN where neither members nor truth ever have the event. A forecast is
    called useful from 0.5 + f/2 on, f the observed frequency. Shares of members: Schwartz et al. (2010).
    """
    difference, reference = sums["difference"], sums["reference"]
    return 1 - np.divide(difference, reference, out=np.full(reference.shape, np.nan), where=reference > 0)


def _summed(counts: np.ndarray) -> np.ndarray:
    """Return the sums over all cells above and left of each corner, (time, y + 1, x + 1).

    int32 may wrap around; differences of two corners are right all the same, for a window that holds fewer than 2^31.
    """
    corners = np.zeros((counts.shape[0], counts.shape[1] + 1, counts.shape[2] + 1), np.int32)
    np.cumsum(counts, axis=2, out=corners[:, 1:, 1:])
    np.cumsum(corners[:, 1:, 1:], axis=1, out=corners[:, 1:, 1:])
    return corners


def _in_windows(corners: np.ndarray, width: int) -> np.ndarray:
    """Return the sums over the window around every cell, cut off at the edge of the domain, (time, y, x)."""
    if width == 1:
        rows = corners[:, 1:] - corners[:, :-1]
        return np.asarray(rows[:, :, 1:] - rows[:, :, :-1])
    half = width // 2
    ny, nx = corners.shape[1] - 1, corners.shape[2] - 1
    rows = np.empty((len(corners), ny, nx + 1), corners.dtype)
    rows[:, :half] = corners[:, half + 1 : width]
    np.subtract(corners[:, width:], corners[:, : ny + 1 - width], out=rows[:, half : ny - half])
    np.subtract(corners[:, -1:], corners[:, ny + 1 - width : ny - half], out=rows[:, ny - half :])
    sums = np.empty((len(corners), ny, nx), corners.dtype)
    sums[:, :, :half] = rows[:, :, half + 1 : width]
    np.subtract(rows[:, :, width:], rows[:, :, : nx + 1 - width], out=sums[:, :, half : nx - half])
    np.subtract(rows[:, :, -1:], rows[:, :, nx + 1 - width : nx - half], out=sums[:, :, nx - half :])
    return sums
