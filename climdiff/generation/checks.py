"""What stops a unit or a run: input with holes, values out of bounds, a disk too small."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from climdiff.errors import OutputError, Problem, RetryError
from climdiff.generation.store import Store
from climdiff.generation.template import TIME, Template, date_text


def always_missing(coarse: xr.Dataset) -> dict[str, np.ndarray]:
    """Return per variable the cells that have no value on the first, middle and last date: a mask, not a hole.

    With less than two dates, or where nothing at all has a value, no cell counts as masked.
    """
    n_times = coarse.sizes[TIME]
    sample = coarse.isel({TIME: sorted({0, n_times // 2, n_times - 1})}).load()
    masks = {}
    for name, values in sample.data_vars.items():
        if TIME not in values.dims:
            continue
        mask = ~np.isfinite(values.transpose(TIME, ...).values).any(axis=0)
        masks[str(name)] = np.zeros_like(mask) if n_times == 1 or mask.all() else mask
    return masks


def no_mask(coarse: xr.Dataset) -> dict[str, np.ndarray]:
    """Return per variable a mask without any cell: every value has to be there."""
    fields = {str(name): field for name, field in coarse.data_vars.items() if TIME in field.dims}
    return {name: np.zeros(field.isel({TIME: 0}).shape, dtype=bool) for name, field in fields.items()}


def incomplete_dates(block: xr.Dataset, masks: Mapping[str, np.ndarray]) -> list[str]:
    """Return one line per variable and date that has missing or infinite values outside the mask."""
    lines = []
    for name, mask in masks.items():
        values = block[name].transpose(TIME, ...)
        holes = ~np.isfinite(values.values) & ~mask
        for index, count in enumerate(holes.reshape(len(holes), -1).sum(1)):
            if count:
                lines.append(
                    f"variable {name!r}, time {date_text(block[TIME].values[index])}: {count} of {mask.size} cells"
                )
    return lines


def check_values(
    values: Mapping[str, np.ndarray],
    template: Template,
    times: xr.DataArray,
    members: Sequence[int],
    where: str,
    allow_missing: bool,
) -> None:
    """Refuse values that are not finite, or outside `lower_bound` and `upper_bound` of their variable.

    `values` are (realization, time, y, x). `allow_missing` lets NaN through, never infinity.

    Raises:
        OutputError: CD-081 for every variable at fault, naming the first member and date.
    """
    problems = []
    for name, array in values.items():
        attributes = template.variables[name]
        low, high = attributes.get("lower_bound", -np.inf), attributes.get("upper_bound", np.inf)
        is_fine = np.isfinite(array) & (array >= low) & (array <= high)
        if allow_missing:
            is_fine |= np.isnan(array)
        if not is_fine.all():
            member, time = np.argwhere(~is_fine)[0][:2]
            found = array[~is_fine]
            what = (
                f"variable {name!r}: {found.size} values are not finite or outside [{low}, {high}], the first is "
                f"{found[0]} in member {members[member]}, time {date_text(times.values[time])}"
            )
            problems.append(
                Problem(81, where, what, "train longer, or lower guidance; nothing of this unit was written")
            )
    if problems:
        raise OutputError(*problems)


def check_space(store: Store, n_units: int) -> None:
    """Refuse a run that cannot fit on its disk, before the first unit.

    Units still to come are taken as large as the finished ones, uncompressed if there are none.

    Raises:
        RetryError: CD-070, with the bytes needed and free.
    """
    n_left = n_units - store.receipts.count()
    sizes = store.receipts.sample_sizes()
    plan = store.plan
    fields = plan.times_per_unit * plan.members_per_unit * len(store.skeleton.variables)
    size = sum(sizes) / len(sizes) if sizes else 4 * fields * math.prod(store.skeleton.shape)
    needed, free = int(n_left * size), shutil.disk_usage(store.path).free
    if needed > free:
        what = f"{n_left} units need up to {needed} bytes, the disk has {free} bytes free"
        fix = "free space, or give another path with --out: on another disk, or with fewer members"
        raise RetryError(Problem(70, str(store.path), what, fix))
