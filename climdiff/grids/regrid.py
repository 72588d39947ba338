"""Fields moved from one grid to another, lazily where they are lazy."""

from __future__ import annotations

import numpy as np
import xarray as xr

from climdiff.grids.grid import Grid, Labelled
from climdiff.grids.weights import Method, Weights, make_weights

_BLOCK_CELLS = 4_000_000  # float64 cells in flight at once: 32 MB


def regrid(values: Labelled, source: Grid, target: Grid, method: Method = "bilinear") -> Labelled:
    """Return the fields on the target grid, float32, with its coordinates.

    Leading dimensions, attributes and laziness are kept; variables of a data set that do not lie on the source grid
    pass through. `bilinear` interpolates in the source grid's own coordinates and continues the outermost centers
    beyond them; `conservative` averages by shared cell area (the first-order scheme of Jones, 1999), which keeps the
    area-weighted mean; `nearest` takes the nearest center. Where values are missing, the weights of the others are
    scaled to sum to one; a result is missing only where nothing contributes.

    Raises:
        DataError: CD-017, CD-020 or CD-073, see `make_weights`.
    """
    weights = make_weights(source, target, method)
    if isinstance(values, xr.DataArray):
        return target.attach(_regrid_field(values, source, target, weights))
    fields = {}
    for name, field in values.data_vars.items():
        if {source.y_dim, source.x_dim} <= set(field.dims):
            fields[name] = _regrid_field(field, source, target, weights)
        elif name not in source.coordinates and not {source.y_dim, source.x_dim} & set(field.dims):
            fields[name] = field
    return target.attach(xr.Dataset(fields, attrs=values.attrs))


def _regrid_field(field: xr.DataArray, source: Grid, target: Grid, weights: Weights) -> xr.DataArray:
    stale = [name for name in source.coordinates.coords if name in field.coords]
    field = field.drop_vars(stale)
    if field.chunks is not None:
        field = field.chunk({source.y_dim: -1, source.x_dim: -1})
    return xr.apply_ufunc(
        _apply,
        field,
        kwargs={"weights": weights},
        input_core_dims=[[source.y_dim, source.x_dim]],
        output_core_dims=[[target.y_dim, target.x_dim]],
        exclude_dims={source.y_dim, source.x_dim},
        dask="parallelized",
        dask_gufunc_kwargs={"output_sizes": dict(zip((target.y_dim, target.x_dim), target.shape, strict=True))},
        output_dtypes=[np.float32],
        keep_attrs=True,
    )


def _apply(field: np.ndarray, weights: Weights) -> np.ndarray:
    leading, (ny, nx) = field.shape[:-2], field.shape[-2:]
    fields = field.reshape(-1, ny, nx)
    result = np.empty((fields.shape[0], *weights.shape), dtype=np.float32)
    step = max(1, _BLOCK_CELLS // max(ny * nx, result[0].size if len(result) else 1))
    for start in range(0, len(fields), step):
        block = fields[start : start + step].astype(np.float64)
        result[start : start + step] = _without_missing(block, weights)
    return result.reshape(*leading, *weights.shape)


def _without_missing(block: np.ndarray, weights: Weights) -> np.ndarray:
    is_missing = np.isnan(block)
    if not is_missing.any():
        return weights.apply(block)
    total = weights.apply(np.where(is_missing, 0.0, block))
    share = weights.apply((~is_missing).astype(np.float64))
    with np.errstate(invalid="ignore", divide="ignore"):
        partial = np.where(share > 1e-9, total / share, np.nan)
    return np.where(share > 1.0 - 1e-12, total, partial)
