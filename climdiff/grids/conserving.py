"""Fields changed as little as possible so that their block means are those asked for.

Every block is treated by itself, so a field does not depend on what is handed over beside it.
"""

from __future__ import annotations

import numpy as np

from climdiff.grids.blocks import Blocks

EMPTY = 1e-5
"""A block whose mean is below this share of the one asked for holds rounding noise, no pattern."""

N_HALVINGS = 60


def scaled(fields: np.ndarray, means: np.ndarray, blocks: Blocks, largest: float) -> np.ndarray:
    """Return non-negative fields with the block means asked for: every block is scaled, no cell goes above `largest`.

    Scaling keeps dry cells dry (Harder et al., 2023, multiplicative constraint). What the bound cuts off goes to the
    other wet cells of the block, and what they cannot hold to the dry ones, evenly. An empty block gets its mean in
    every cell.

    Args:
        fields: (..., y, x), >= 0.
        means: (..., Y, X), in the order of the fine grid; brought into [0, `largest`]. A block with a missing mean or
            cell is left as it is.
        blocks: How fine cells make up coarse ones.
        largest: Upper bound of a cell.
    """
    cells, area, known = _known(fields, means, blocks)
    wanted = means[known].astype(np.float64).clip(0.0, largest) * area.sum(-1)
    rain = cells[known]
    found = (rain * area).sum(-1)
    empty = found <= EMPTY * wanted
    rain[empty], found[empty] = 1.0, area.sum(-1)[empty]
    kept = rain * np.divide(wanted, found, out=np.zeros_like(found), where=found > 0)[:, None]
    over = (kept > largest).any(-1)
    kept[over] = _capped(rain[over], area[over], wanted[over], largest)
    cells[known] = kept
    return blocks.joined(cells)


def shifted(fields: np.ndarray, means: np.ndarray, blocks: Blocks, low: float, high: float) -> np.ndarray:
    """Return fields with the block means asked for, for quantities without a natural zero: every block is shifted.

    No cell leaves [`low`, `high`]: what the bounds cut off shifts the rest of the block further. Arguments as in
    `scaled`.
    """
    cells, area, known = _known(fields, means, blocks)
    area = area / area.sum(-1, keepdims=True)
    wanted = means[known].astype(np.float64).clip(low, high)
    free = cells[known]
    kept = free + (wanted - (free * area).sum(-1))[:, None]
    over = ((kept < low) | (kept > high)).any(-1)
    kept[over] = _between(free[over], area[over], wanted[over], low, high)
    cells[known] = kept
    return blocks.joined(cells)


def _known(fields: np.ndarray, means: np.ndarray, blocks: Blocks) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return all cells (..., Y, X, n), the areas (block, n) of blocks with nothing missing, and which these are."""
    cells = blocks.cells(fields.astype(np.float64))
    known = np.isfinite(cells).all(-1) & np.isfinite(means)
    return cells, np.broadcast_to(blocks.cells(blocks.area), cells.shape)[known], known


def _capped(rain: np.ndarray, area: np.ndarray, wanted: np.ndarray, largest: float) -> np.ndarray:
    """Return `rain` (block, cell) scaled and capped at `largest` so that area times rain sums to `wanted` (block,)."""
    order = np.argsort(-rain, axis=-1)
    sorted_rain, sorted_area = np.take_along_axis(rain, order, -1), np.take_along_axis(area, order, -1)
    # with the j largest cells at the bound, the others have `left` to share
    left = wanted[:, None] - largest * (np.cumsum(sorted_area, -1) - sorted_area)
    shared = np.cumsum((sorted_rain * sorted_area)[:, ::-1], -1)[:, ::-1]
    fits = left * sorted_rain <= largest * shared
    capped = np.where(fits.any(-1), fits.argmax(-1), rain.shape[-1])[:, None]
    last = np.minimum(capped, rain.shape[-1] - 1)
    left, shared = np.take_along_axis(left, last, -1), np.take_along_axis(shared, last, -1)
    # only dry cells are left: they share evenly
    dry = shared <= 0
    rest = np.where(np.arange(rain.shape[-1]) >= capped, sorted_area, 0.0).sum(-1, keepdims=True)
    even = np.divide(left, rest, out=np.zeros_like(left), where=rest > 0)
    free = np.where(dry, even, sorted_rain * np.divide(left, shared, out=np.zeros_like(left), where=~dry))
    result = np.empty_like(rain)
    np.put_along_axis(result, order, np.where(np.arange(rain.shape[-1]) < capped, largest, free), -1)
    return result


def _between(free: np.ndarray, area: np.ndarray, wanted: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return `free` (block, cell) shifted and cut to [low, high] to have the mean `wanted` (block,), by bisection."""
    least, most = low - free.max(-1), high - free.min(-1)
    for _ in range(N_HALVINGS):
        middle = (least + most) / 2
        found = (np.clip(free + middle[:, None], low, high) * area).sum(-1)
        least, most = np.where(found < wanted, middle, least), np.where(found < wanted, most, middle)
    return np.clip(free + most[:, None], low, high)
