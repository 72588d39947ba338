"""Fine cells that make up each coarse cell."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from climdiff.errors import DataError, Problem
from climdiff.grids.grid import Grid
from climdiff.grids.weights import has_same_axes

ALIGNED = 1e-3
"""Largest offset of cell edges [fine cells] at which two grids count as aligned."""


@dataclass(frozen=True, eq=False)
class Blocks:
    """Every coarse cell is a block of `factor` (y, x) fine cells; `area` (y, x) are the weights of the fine cells.

    `flips` says which axes of the coarse grid run against those of the fine one, `window` which coarse cells are
    blocks, in the order of the fine grid: all, unless the coarse grid reaches beyond the fine one.
    """

    factor: tuple[int, int]
    area: np.ndarray
    flips: tuple[bool, bool]
    window: tuple[slice, slice] = (slice(None), slice(None))

    def mean(self, fields: np.ndarray) -> np.ndarray:
        """Return the area-weighted mean of each block, (..., Y, X) in the order of the fine grid."""
        area = self.cells(self.area)
        return (self.cells(fields) * area).sum(-1) / area.sum(-1)

    def cells(self, fields: np.ndarray) -> np.ndarray:
        """Return fields (..., y, x) as the cells of each block, (..., Y, X, cells of a block)."""
        (fy, fx), (ny, nx) = self.factor, fields.shape[-2:]
        split = fields.reshape(*fields.shape[:-2], ny // fy, fy, nx // fx, fx)
        return np.moveaxis(split, -3, -2).reshape(*fields.shape[:-2], ny // fy, nx // fx, fy * fx)

    def joined(self, cells: np.ndarray) -> np.ndarray:
        """Return the fields (..., y, x) that have these `cells`; the inverse of `cells`."""
        (fy, fx), (ny, nx) = self.factor, cells.shape[-3:-1]
        split = np.moveaxis(cells.reshape(*cells.shape[:-1], fy, fx), -2, -3)
        return split.reshape(*cells.shape[:-3], ny * fy, nx * fx)

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Return fields (..., y, x) that hold the value of their block in every cell."""
        return np.repeat(np.repeat(values, self.factor[0], axis=-2), self.factor[1], axis=-1)

    def plain(self) -> Blocks:
        """Return the same blocks with every fine cell weighing the same."""
        return replace(self, area=np.ones_like(self.area))

    def oriented(self, coarse: np.ndarray) -> np.ndarray:
        """Return the blocks of a coarse field (..., Y, X), in the order of the fine grid."""
        axes = tuple(axis for axis, is_flipped in zip((-2, -1), self.flips, strict=True) if is_flipped)
        return np.flip(coarse, axes)[(..., *self.window)]


def blocks_of(coarse: Grid, fine: Grid) -> Blocks:
    """Return how the fine cells make up the coarse ones, or those of them that the fine grid reaches.

    Raises:
        DataError: CD-020, the fine grid is no whole refinement of coarse cells with the same edges.
    """
    fix = "set sample.conserve to false, or give grids whose coarse cells are blocks of fine cells"
    if not has_same_axes(coarse, fine):
        raise DataError(Problem(20, "grids", "coarse and fine have different coordinate systems", fix))
    factors, flips, windows = [], [], []
    for dim, outer, inner in (
        (fine.y_dim, coarse.bounds_y(), fine.bounds_y()),
        (fine.x_dim, _nearest_turn(coarse, fine), fine.bounds_x()),
    ):
        is_flipped = bool((outer[-1] - outer[0]) * (inner[-1] - inner[0]) < 0)
        window = _window(outer[::-1] if is_flipped else outer, inner)
        edges = (outer[::-1] if is_flipped else outer)[window.start : window.stop + 1]
        factor, rest = divmod(len(inner) - 1, len(edges) - 1)
        if rest or np.abs(inner[::factor] - edges).max() > _tolerance(inner):
            what = (
                f"coordinate '{dim}': {len(edges) - 1} coarse cells from {edges[0]:g} to {edges[-1]:g} "
                f"are no blocks of {len(inner) - 1} fine cells from {inner[0]:g} to {inner[-1]:g}"
            )
            raise DataError(Problem(20, "grids", what, fix))
        factors.append(factor)
        flips.append(is_flipped)
        windows.append(window)
    area = fine.cell_area().values
    return Blocks((factors[0], factors[1]), area, (flips[0], flips[1]), (windows[0], windows[1]))


def _window(outer: np.ndarray, inner: np.ndarray) -> slice:
    """Return the coarse cells between the coarse edges that are nearest to the first and the last fine edge."""
    first, last = (int(np.abs(outer - end).argmin()) for end in inner[[0, -1]])
    first = min(first, len(outer) - 2)
    return slice(first, max(last, first + 1))


def _nearest_turn(coarse: Grid, fine: Grid) -> np.ndarray:
    """Return the edges of the coarse columns, by whole turns as near the fine ones as can be: 351 is -9 degrees."""
    outer, inner = coarse.bounds_x(), fine.bounds_x()
    if fine.kind not in ("latlon", "rotated"):
        return outer
    return outer + 360.0 * np.rint((inner[[0, -1]].mean() - outer[[0, -1]].mean()) / 360.0)


def _tolerance(edges: np.ndarray) -> float:
    """Return how far edges may be off: a small part of a cell, or what coordinates in float32 cannot resolve."""
    return float(max(ALIGNED * np.abs(np.diff(edges)).min(), 4 * np.spacing(np.abs(edges).max().astype(np.float32))))
