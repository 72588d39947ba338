"""Fine training fields chosen by position, read a few at a time: the members of climatology and analogs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from climdiff.data.pairs import Pairs, read
from climdiff.downscalers.contract import realization_coordinate
from climdiff.errors import DataError, Problem
from climdiff.grids.grid import Grid

BLOCK_TIMES = 256
READ_BYTES = 32 * 2**20  # of training fields in memory beside the result


def gather(fine: xr.Dataset, chosen: np.ndarray, members: Sequence[int], times: xr.DataArray) -> xr.Dataset:
    """Return members made of training fields: (realization, time, y, x), float32, at the dates of `times`.

    Every field asked for is read once, in stored order, at most 32 MiB at a time.

    Args:
        fine: Training fields (time, y, x), lazy.
        chosen: (realization, time) positions in the training times.
        members: Member numbers, one per row of `chosen`.
        times: (time,), the dates the members are for.
    """
    grid = Grid.from_dataset(fine, "fine training data")
    dims = ("time", grid.y_dim, grid.x_dim)
    variables = {
        name: _gather(field.transpose(*dims), chosen)
        for name, field in fine.data_vars.items()
        if set(dims) == set(field.dims)
    }
    return grid.attach(xr.Dataset(variables, {"realization": realization_coordinate(members), "time": times.variable}))


def _gather(field: xr.DataArray, chosen: np.ndarray) -> xr.Variable:
    positions, where = np.unique(chosen, return_inverse=True)
    where = where.reshape(chosen.shape)
    values = np.empty((*chosen.shape, *field.shape[1:]), np.float32)
    step = max(1, READ_BYTES // (field[0].size * 4))
    for start in range(0, len(positions), step):
        part = positions[start : start + step]
        read = field.isel(time=part).values
        for member, asked in zip(values, where, strict=True):
            here = (asked >= start) & (asked < start + len(part))
            member[here] = read[asked[here] - start]
    return xr.Variable(("realization", *field.dims), values, field.attrs)


def check_enough(members: Sequence[int], n_training: int) -> None:
    """Check that there is a training field for every member number.

    Raises:
        DataError: CD-033 with the highest member and the number of training times.
    """
    if members and max(members) >= n_training:
        what = f"member {max(members)} asked for, but members are distinct training times and there are {n_training}"
        raise DataError(Problem(33, "training data", what, f"ask for at most {n_training} members"))


def with_whole_fields(train: Pairs) -> Pairs:
    """Return the pairs of the dates on which no field misses a cell that any date has: members have to be whole.

    Where the coarse fields of all these dates miss cells, only the fine ones count: some methods need no more.

    Raises:
        DataError: CD-033, no date has whole fine fields.
    """
    assert train.fine is not None
    whole = _are_whole(train.fine)
    if not whole.any():
        what = f"on each of the {train.n_times} dates some variable misses cells that it has on another"
        fix = "fill the gaps, or set data.on_missing to skip_date"
        raise DataError(Problem(33, "fine training data", what, fix))
    given = whole & _are_whole(train.coarse)
    return train.select(np.flatnonzero(given if given.any() else whole))


def _are_whole(fields: xr.Dataset) -> np.ndarray:
    """Return whether all variables of a date have every cell that they have on any date, (time,)."""
    ever: dict[str, np.ndarray] = {}
    counts = []
    for start in range(0, fields.sizes["time"], BLOCK_TIMES):
        block = read(fields, slice(start, start + BLOCK_TIMES))
        known = {str(name): np.isfinite(field.values) for name, field in block.data_vars.items()}
        counts.append(np.stack([there.reshape(len(there), -1).sum(axis=1) for there in known.values()]))
        ever = {name: there.any(axis=0) | ever.get(name, False) for name, there in known.items()}
    most = np.array([there.sum() for there in ever.values()])[:, None]
    found: np.ndarray = (np.concatenate(counts, axis=1) == most).all(axis=0)
    return found
