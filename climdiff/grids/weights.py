"""Interpolation weights between grids as sparse matrices: per axis where the axes agree, per point otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import scipy.sparse as sp

from climdiff.errors import DataError, Problem
from climdiff.grids.grid import Grid, to_native

Method = Literal["bilinear", "conservative", "nearest"]


@dataclass(frozen=True)
class Weights:
    """Rows are target cells, columns source cells: along `y` and along `x`, or of all `points` at once."""

    y: sp.csr_matrix | None
    x: sp.csr_matrix | None
    points: sp.csr_matrix | None
    shape: tuple[int, int]

    def apply(self, field: np.ndarray) -> np.ndarray:
        """Return (block, ny, nx) float64 fields on the target grid.

        Sums run over the source cells in a fixed order, so that a field has the same bits whatever the block.
        """
        n_block, ny, nx = field.shape
        if self.points is not None:
            return (self.points @ field.reshape(n_block, -1).T).T.reshape(n_block, *self.shape)
        columns = np.ascontiguousarray(field.transpose(1, 2, 0)).reshape(ny, -1)
        rows = (self.y @ columns).reshape(self.shape[0], nx, n_block).swapaxes(0, 1)
        both = (self.x @ np.ascontiguousarray(rows).reshape(nx, -1)).reshape(self.shape[1], self.shape[0], n_block)
        return both.transpose(2, 1, 0)


@lru_cache(maxsize=16)
def make_weights(source: Grid, target: Grid, method: Method) -> Weights:
    """Return the weights that carry fields from one grid to another.

    Raises:
        DataError: CD-017 where the position of one grid on the other is unknown, CD-020 where conservation is
            asked for between different coordinate systems, CD-073 where the target lies outside the source.
    """
    if has_same_axes(source, target):
        return _by_axis(source, target, method)
    if method == "conservative":
        what = f"conservative regridding from a {source.kind} to a {target.kind} grid is not possible"
        raise DataError(Problem(20, "regrid", what, "use the bilinear method, or bring both to one coordinate system"))
    latlon = target.latlon()
    if latlon is None or source.latlon() is None:
        what = f"how a {source.kind} grid {source.shape} lies on a {target.kind} grid {target.shape} is unknown"
        fix = "give both grids latitude and longitude or a grid mapping, or the same units of y and x"
        raise DataError(Problem(17, "regrid", what, fix))
    y, x = (values.ravel() for values in to_native(source, *latlon))
    x = _wrap(x, source)
    _check_inside(_is_inside(y, source.bounds_y()) & _is_inside(x, source.bounds_x()), source, target)
    lower_y, upper_y, share_y = locate(source.y, y, None)
    lower_x, upper_x, share_x = locate(source.x, x, _period(source))
    if method == "nearest":
        share_y, share_x = (np.where(share > 0.5, 1.0, 0.0) for share in (share_y, share_x))
    nx = source.shape[1]
    corners = [
        (lower_y * nx + lower_x, (1 - share_y) * (1 - share_x)),
        (lower_y * nx + upper_x, (1 - share_y) * share_x),
        (upper_y * nx + lower_x, share_y * (1 - share_x)),
        (upper_y * nx + upper_x, share_y * share_x),
    ]
    return Weights(None, None, _matrix(corners, source.y.size * nx), target.shape)


def has_same_axes(source: Grid, target: Grid) -> bool:
    """Return whether positions on both grids are numbers of one coordinate system."""
    if source.kind != target.kind or source.is_counted != target.is_counted:
        return False
    if source.kind == "latlon":
        return True
    if source.kind == "plain" and (flat := target.latlon()) is not None and source.latlon() is not None:
        y, x = to_native(source, *flat)
        dy, dx = source.spacing
        return bool(np.abs(y - target.y[:, None]).max() < dy / 2 and np.abs(x - target.x).max() < dx / 2)
    if source.is_counted:
        return source.shape == target.shape
    units = [tuple(str(grid.axis(axis).attrs.get("units")) for axis in ("y", "x")) for grid in (source, target)]
    return source.mapping_key == target.mapping_key and (source.kind == "rotated" or units[0] == units[1])


def locate(source: np.ndarray, target: np.ndarray, period: float | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return for each target position its two neighbors among the source positions and the share of the second.

    Positions beyond the first or last center get that center alone; with a period, the two are neighbors.
    """
    n = source.size
    order = np.arange(n) if n < 2 or source[-1] > source[0] else np.arange(n)[::-1]
    centers = source[order]
    if period is not None:
        centers = np.concatenate([[centers[-1] - period], centers, [centers[0] + period]])
        order = np.concatenate([[order[-1]], order, [order[0]]])
    position = np.interp(target, centers, np.arange(centers.size, dtype=np.float64))
    lower = np.minimum(position.astype(np.intp), max(centers.size - 2, 0))
    upper = np.minimum(lower + 1, centers.size - 1)
    return order[lower], order[upper], position - lower


def overlap(source: np.ndarray, target: np.ndarray, period: float | None) -> np.ndarray:
    """Return the length shared by each target (row) and source cell (column), given the edges of both."""
    source_low, source_high = np.minimum(source[1:], source[:-1]), np.maximum(source[1:], source[:-1])
    target_low, target_high = np.minimum(target[1:], target[:-1]), np.maximum(target[1:], target[:-1])
    shared = np.zeros((target_low.size, source_low.size))
    for shift in (0.0,) if period is None else (-period, 0.0, period):
        high = np.minimum(target_high[:, None], source_high + shift)
        shared += np.maximum(high - np.maximum(target_low[:, None], source_low + shift), 0.0)
    return shared


def _by_axis(source: Grid, target: Grid, method: Method) -> Weights:
    x = _wrap(target.x, source)
    is_inside = _is_inside(target.y, source.bounds_y())[:, None] & _is_inside(x, source.bounds_x())
    _check_inside(is_inside, source, target)
    is_circular = source.kind in ("latlon", "rotated")
    if method == "conservative":
        edges = [source.bounds_y(), target.bounds_y()]
        if is_circular:
            edges = [np.sin(np.radians(edge)) for edge in edges]
        along_y = overlap(edges[0], edges[1], None)
        along_x = overlap(source.bounds_x(), target.bounds_x(), 360.0 if is_circular else None)
        _check_inside(along_y.sum(axis=1, keepdims=True) * along_x.sum(axis=1) > 0, source, target, every=True)
        rows = [sp.csr_matrix(along / along.sum(axis=1, keepdims=True)) for along in (along_y, along_x)]
        return Weights(rows[0], rows[1], None, target.shape)
    matrices = []
    for centers, positions, period in ((source.y, target.y, None), (source.x, x, _period(source))):
        lower, upper, share = locate(centers, positions, period)
        if method == "nearest":
            share = np.where(share > 0.5, 1.0, 0.0)
        matrices.append(_matrix([(lower, 1 - share), (upper, share)], centers.size))
    return Weights(matrices[0], matrices[1], None, target.shape)


def _matrix(entries: list[tuple[np.ndarray, np.ndarray]], n_source: int) -> sp.csr_matrix:
    n_target = entries[0][0].size
    rows = np.tile(np.arange(n_target), len(entries))
    columns = np.concatenate([column for column, _ in entries])
    matrix = sp.csr_matrix((np.concatenate([weight for _, weight in entries]), (rows, columns)), (n_target, n_source))
    matrix.eliminate_zeros()
    return matrix


def _period(grid: Grid) -> float | None:
    """Return 360 where the columns go once around the globe."""
    if grid.kind not in ("latlon", "rotated"):
        return None
    step = grid.spacing[1]
    return 360.0 if abs(grid.x[-1] - grid.x[0]) + step > 360.0 - 0.5 * step else None


def _wrap(x: np.ndarray, source: Grid) -> np.ndarray:
    """Return longitudes moved by full turns to where the source grid has them."""
    if source.kind not in ("latlon", "rotated"):
        return x
    return x - 360.0 * np.rint((x - (source.x[0] + source.x[-1]) / 2) / 360.0)


def _is_inside(positions: np.ndarray, edges: np.ndarray) -> np.ndarray:
    return (positions >= edges.min()) & (positions <= edges.max())


def _check_inside(is_inside: np.ndarray, source: Grid, target: Grid, *, every: bool = False) -> None:
    if is_inside.all() if every else is_inside.any():
        return
    what = f"{'some' if every else 'all'} cells of the target grid lie outside the source grid: "
    what += f"{_extent(target)} is not within {_extent(source)}"
    raise DataError(Problem(73, "regrid", what, "choose a target grid within the domain of the source"))


def _extent(grid: Grid) -> str:
    y, x = grid.bounds_y(), grid.bounds_x()
    return f"{grid.y_dim} {y.min():g} to {y.max():g}, {grid.x_dim} {x.min():g} to {x.max():g} ({grid.kind})"
