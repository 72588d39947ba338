"""Fine cells that make up each coarse cell, and fields whose block means are what the coarse field says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from climdiff.errors import DataError, Problem
from climdiff.grids.grid import Grid
from climdiff.grids.weights import has_same_axes

ALIGNED = 1e-3
"""Largest offset of cell edges [fine cells] at which two grids count as aligned."""


@dataclass(frozen=True, eq=False)
class Blocks:
    """Every coarse cell is a block of `factor` (y, x) fine cells; `area` (y, x) are the weights of the fine cells.

    `flips` says which axes of the coarse grid run against those of the fine one.
    """

    factor: tuple[int, int]
    area: np.ndarray
    flips: tuple[bool, bool]

    def mean(self, fields: np.ndarray) -> np.ndarray:
        """Return the area-weighted mean of each block, (..., Y, X) in the order of the fine grid."""
        return self._sum(fields * self.area) / self._sum(self.area)

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Return fields (..., y, x) that hold the value of their block in every cell."""
        return np.repeat(np.repeat(values, self.factor[0], axis=-2), self.factor[1], axis=-1)

    def oriented(self, coarse: np.ndarray) -> np.ndarray:
        """Return a coarse field (..., Y, X) in the order of the fine grid."""
        axes = tuple(axis for axis, is_flipped in zip((-2, -1), self.flips, strict=True) if is_flipped)
        return np.flip(coarse, axes)

    def _sum(self, fields: np.ndarray) -> np.ndarray:
        (fy, fx), (ny, nx) = self.factor, fields.shape[-2:]
        return fields.reshape(*fields.shape[:-2], ny // fy, fy, nx // fx, fx).sum(axis=(-3, -1))


def blocks_of(coarse: Grid, fine: Grid) -> Blocks:
    """Return how the fine cells make up the coarse ones.

    Raises:
        DataError: CD-020, the fine grid is no whole refinement of the coarse one with the same edges.
    """
    fix = "set sample.conserve to false, or give grids whose coarse cells are blocks of fine cells"
    if not has_same_axes(coarse, fine):
        raise DataError(Problem(20, "grids", "coarse and fine have different coordinate systems", fix))
    factors, flips = [], []
    for dim, outer, inner in (
        (fine.y_dim, coarse.bounds_y(), fine.bounds_y()),
        (fine.x_dim, coarse.bounds_x(), fine.bounds_x()),
    ):
        factor, rest = divmod(len(inner) - 1, len(outer) - 1)
        is_flipped = bool((outer[-1] - outer[0]) * (inner[-1] - inner[0]) < 0)
        edges = outer[::-1] if is_flipped else outer
        step = np.abs(np.diff(inner)).min()
        if rest or np.abs(inner[::factor] - edges).max() > ALIGNED * step:
            what = (
                f"coordinate '{dim}': {len(outer) - 1} coarse cells from {edges[0]:g} to {edges[-1]:g} "
                f"are no blocks of {len(inner) - 1} fine cells from {inner[0]:g} to {inner[-1]:g}"
            )
            raise DataError(Problem(20, "grids", what, fix))
        factors.append(factor)
        flips.append(is_flipped)
    return Blocks((factors[0], factors[1]), fine.cell_area().values, (flips[0], flips[1]))


def conserve(fields: np.ndarray, means: np.ndarray, blocks: Blocks, largest: float, n_rounds: int = 8) -> np.ndarray:
    """Return non-negative fields with the block means asked for: every block is scaled, no cell above `largest`.

    A block without anything gets the mean in every cell. What the bound cuts off goes to the other cells of the block,
    in `n_rounds` rounds. Scaling keeps dry cells dry (Harder et al., 2023, multiplicative constraint).

    Args:
        fields: (..., y, x), >= 0.
        means: (..., Y, X), >= 0, in the order of the fine grid; a mean above `largest` cannot be met.
        blocks: How fine cells make up coarse ones.
        largest: Upper bound of a cell.
    """
    fields = fields.astype(np.float64)
    empty = blocks.mean(fields) <= 0
    fields = np.where(blocks.spread(empty), 1.0, fields)
    scaled = fields
    for _ in range(n_rounds):
        found = blocks.mean(scaled)
        factor = np.divide(means, found, out=np.zeros_like(found), where=found > 0)
        if np.abs(factor - 1)[means > 0].max(initial=0.0) < 1e-7 and not (found > 0)[means == 0].any():
            break
        scaled = np.minimum(scaled * blocks.spread(factor), largest)
    return scaled


def shift(fields: np.ndarray, means: np.ndarray, blocks: Blocks) -> np.ndarray:
    """Return fields with the block means asked for, for quantities without a lower bound: every block is shifted."""
    return fields + blocks.spread(means - blocks.mean(fields))
