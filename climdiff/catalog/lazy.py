"""Fields in files as one lazy array: joined in time, in our units, float32, read only where indexed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from climdiff.errors import DataError, Problem


@dataclass(frozen=True, eq=False)
class Source:
    """One variable of one file, `where`, and how its decoded values become ours."""

    variable: xr.Variable
    scale: float = 1.0
    offset: float = 0.0
    missing: tuple[float, ...] = ()
    above: float | None = None
    where: str = ""

    def read(self, dims: Sequence[str], key: Sequence[Any]) -> np.ndarray:
        """Return the values at `key` along `dims`, in this order; missing ones are NaN.

        Raises:
            DataError: CD-005, the file turns out to be damaged.
        """
        kept = [dim for dim, part in zip(dims, key, strict=True) if not isinstance(part, int | np.integer)]
        selected = self.variable.isel(dict(zip(dims, key, strict=True)))
        try:
            values = np.asarray(selected.transpose(*kept).values, dtype=float)
        except (OSError, RuntimeError, ValueError) as error:
            raise DataError(damaged(self.where, error)) from error
        for sentinel in self.missing:
            values = np.where(values == sentinel, np.nan, values)
        if self.above is not None:
            values = np.where(np.isnan(values), np.nan, values > self.above)
        return (values * self.scale + self.offset).astype(np.float32)


class FieldArray(BackendArray):
    """A variable of one or several files that follow each other along the first dimension.

    `order` sorts their steps in time; it is None for fields without time, which come from one file.
    """

    def __init__(self, sources: Sequence[Source], dims: tuple[str, ...], order: np.ndarray | None) -> None:
        self.sources, self.dims, self.order = tuple(sources), dims, order
        first = self.sources[0].variable.sizes
        lengths = [1] if order is None else [source.variable.sizes[dims[0]] for source in self.sources]
        self.starts = np.concatenate([[0], np.cumsum(lengths)])
        head = () if order is None else (order.size,)
        self.shape = (*head, *(first[dim] for dim in dims[len(head) :]))
        self.dtype = np.dtype(np.float32)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        """Return the values at an outer index."""
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple[Any, ...]) -> np.ndarray:
        if self.order is None:
            return self.sources[0].read(self.dims, key)
        steps = self.order[key[0]]
        if steps.ndim == 0:
            at = int(np.searchsorted(self.starts, steps, side="right")) - 1
            return self.sources[at].read(self.dims, (int(steps - self.starts[at]), *key[1:]))
        owner = np.searchsorted(self.starts, steps, side="right") - 1
        blocks, places = [], []
        for at in np.unique(owner):
            place = np.flatnonzero(owner == at)
            blocks.append(self.sources[at].read(self.dims, (_as_slice(steps[place] - self.starts[at]), *key[1:])))
            places.append(place)
        if not blocks:
            return self.sources[0].read(self.dims, (slice(0, 0), *key[1:]))
        joined = np.concatenate(blocks)
        return joined[np.argsort(np.concatenate(places))] if len(blocks) > 1 else joined


def lazy_variable(sources: Sequence[Source], dims: tuple[str, ...], order: np.ndarray | None) -> xr.Variable:
    """Return the variable (dims) over `sources`, which is read when indexed; it tells how the first is chunked."""
    chunks = sources[0].variable.encoding.get("preferred_chunks", {})
    encoding = {"preferred_chunks": chunks} if chunks else {}
    return xr.Variable(dims, indexing.LazilyIndexedArray(FieldArray(sources, dims, order)), encoding=encoding)


def damaged(where: str, error: Exception) -> Problem:
    """Return the problem of values in `where` that could not be read."""
    what = f"values cannot be read ({str(error).splitlines()[0] if str(error) else type(error).__name__})"
    return Problem(5, where, what, "fetch or write the file again: it is damaged or cut off")


def _as_slice(steps: np.ndarray) -> np.ndarray | slice:
    """Return steps of one after the other as a slice, which files read much faster."""
    is_run = steps.size > 0 and bool((np.diff(steps) == 1).all())
    return slice(int(steps[0]), int(steps[-1]) + 1) if is_run else steps
