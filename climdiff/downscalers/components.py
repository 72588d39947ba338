"""Principal components of the predictors: what a regression is told of a coarse field."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

Blocks = Callable[[], Iterable[np.ndarray]]
"""Starts a new pass over the rows, (row, feature) a piece."""

N_PASSES = 4  # of the subspace iteration, where there are more features than components


@dataclass(frozen=True, eq=False)
class Components:
    """Orthonormal `modes` (feature, component), largest variance first, of rows around their `mean` (feature,)."""

    mean: np.ndarray
    modes: np.ndarray

    def scores(self, rows: np.ndarray) -> np.ndarray:
        """Return the components of rows (row, feature) as (row, component), the same bits beside any other rows."""
        return np.stack([row @ self.modes for row in rows - self.mean])


def principal_components(blocks: Blocks, most: int) -> Components:
    """Return up to `most` components of rows read block by block; those without variance are left out.

    Exact up to `most` features; beyond, by subspace iteration (Halko et al., 2011, algorithm 4.4), which needs memory
    for `most` fields only.
    """
    count, total = 0, np.zeros(0)
    for block in blocks():
        total = block.sum(axis=0) + (total if count else 0.0)
        count += len(block)
    mean = total / count
    modes = np.eye(mean.size)
    if mean.size > most:
        modes = np.linalg.qr(np.random.default_rng(0).normal(size=(mean.size, most)))[0]
        for _ in range(N_PASSES):
            modes = np.linalg.qr(_times_covariance(blocks, mean, modes))[0]
    small = modes.T @ _times_covariance(blocks, mean, modes)
    variance, rotation = np.linalg.eigh((small + small.T) / 2)
    kept = variance > 1e-10 * max(float(variance[-1]), np.finfo(float).tiny)
    return Components(mean, modes @ rotation[:, kept][:, ::-1])


def _times_covariance(blocks: Blocks, mean: np.ndarray, modes: np.ndarray) -> np.ndarray:
    """Return the sum of products of all rows times `modes`, (feature, component)."""
    product = np.zeros(modes.shape)
    for block in blocks():
        centered = block - mean
        product += centered.T @ (centered @ modes)
    return product
