"""Where points lie on a grid that is known by the latitude and longitude of its cells alone."""

from __future__ import annotations

import numpy as np
from scipy.spatial import KDTree

_STEPS = 12  # from the nearest center, rounding is reached in three or four


def fractional_index(
    grid_latlon: tuple[np.ndarray, np.ndarray], lat: np.ndarray, lon: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the fractional row and column of points, between (and a little beyond) the centers of the cells.

    The inverse of bilinear interpolation of positions on the unit sphere, by Gauss-Newton from the nearest center.

    Args:
        grid_latlon: latitude and longitude of the cell centers [degrees], each (ny, nx), at least 2 by 2.
        lat: latitude of the points [degrees], any shape.
        lon: longitude of the points [degrees], same shape.
    """
    centers = _on_sphere(*grid_latlon)
    ny, nx = centers.shape[:2]
    points = _on_sphere(np.ravel(lat), np.ravel(lon))
    nearest = KDTree(centers.reshape(-1, 3)).query(points)[1]
    row, column = (index.astype(np.float64) for index in np.divmod(nearest, nx))
    for _ in range(_STEPS):
        i = np.clip(np.floor(row), 0, ny - 2).astype(np.intp)
        j = np.clip(np.floor(column), 0, nx - 2).astype(np.intp)
        a, b = (row - i)[:, None], (column - j)[:, None]
        low = (1 - b) * centers[i, j] + b * centers[i, j + 1]
        high = (1 - b) * centers[i + 1, j] + b * centers[i + 1, j + 1]
        along_row = high - low
        along_column = (1 - a) * (centers[i, j + 1] - centers[i, j]) + a * (centers[i + 1, j + 1] - centers[i + 1, j])
        missed = points - (low + a * along_row)
        rr, cc, rc = (np.sum(u * v, axis=1) for u, v in _products(along_row, along_column))
        r, c = np.sum(along_row * missed, axis=1), np.sum(along_column * missed, axis=1)
        determinant = rr * cc - rc**2
        row = np.clip(row + (cc * r - rc * c) / determinant, -1.0, ny)
        column = np.clip(column + (rr * c - rc * r) / determinant, -1.0, nx)
    return row.reshape(np.shape(lat)), column.reshape(np.shape(lat))


def _products(first: np.ndarray, second: np.ndarray) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    return (first, first), (second, second), (first, second)


def _on_sphere(lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    lat, lon = np.radians(lat), np.radians(lon)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)
