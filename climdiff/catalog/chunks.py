"""Chunks that a zarr store of a user lacks: zarr reads them as its fill value, which is not always a missing one."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr

from climdiff.errors import Problem

logger = logging.getLogger(__name__)


def absent_chunks(
    path: Path, content: xr.Dataset, names: Iterable[Hashable], group: str | None = None
) -> list[Problem]:
    """Return CD-003 for each of the variables `names` in which absent chunks would be read as numbers.

    Where they are read as missing, they are gaps, as zarr has it. Writers leave out chunks that hold nothing but the
    fill value: where whole numbers are stored (flags, packed values), absent chunks are taken for such and logged;
    single values and dates are not looked at. `content` is the store as xarray opened it.
    """
    problems = []
    root = zarr.open_group(path, mode="r", path=group or "")
    for name in names:
        values, array = content[name], root[str(name)]
        assert isinstance(array, zarr.Array)
        fill = 0 if array.fill_value is None else array.fill_value
        if values.size == 1 or values.dtype.kind not in "fiub" or _is_missing(fill, values.encoding):
            continue
        absent = list(_absent(path / array.path, array))
        if not absent:
            continue
        what = f"variable '{name}' lacks {len(absent)} chunks, the first is {_place(values, array, absent[0])}"
        if array.dtype.kind in "iub":
            number = fill * values.encoding.get("scale_factor", 1) + values.encoding.get("add_offset", 0)
            logger.warning("%s: %s; they are read as %s. If they got lost, copy the store again", path, what, number)
        else:
            fix = f"copy the store again, or, if every value there is {fill}, write it with write_empty_chunks=True"
            problems.append(Problem(3, str(path), f"{what}; they would be read as {fill}", fix))
    return problems


def _is_missing(fill: Any, encoding: dict[Any, Any]) -> bool:
    return bool(np.isnan(fill)) or fill in (encoding.get("_FillValue"), encoding.get("missing_value"))


def _absent(folder: Path, array: zarr.Array) -> Iterator[tuple[int, ...]]:
    """Yield the indices of chunks, or of shards, without a file."""
    for index in np.ndindex(*(-(-size // length) for size, length in zip(array.shape, _lengths(array), strict=True))):
        if not (folder / array.metadata.encode_chunk_key(index)).is_file():
            yield index


def _lengths(array: zarr.Array) -> tuple[int, ...]:
    return array.shards or array.chunks


def _place(values: xr.DataArray, array: zarr.Array, index: tuple[int, ...]) -> str:
    """Return the index of a chunk, and what it covers along each coordinate."""
    places = [f"({', '.join(map(str, index))})"]
    for dim, number, length in zip(values.dims, index, _lengths(array), strict=True):
        if dim in values.indexes:
            covered = values.indexes[dim][number * length : (number + 1) * length]
            places.append(f"{dim} {covered[0]} to {covered[-1]}")
    return ", ".join(places)
