"""Which dates statistics were fitted on, in a form that can be compared."""

from __future__ import annotations

import hashlib

import numpy as np
import xarray as xr

from climdiff.errors import DataError, Problem


def iso_strings(times: xr.DataArray) -> list[str]:
    """Return dates as ISO 8601 strings to the microsecond, in any calendar."""
    values = times.values.ravel()
    if np.issubdtype(values.dtype, np.datetime64):
        return list(np.datetime_as_string(values.astype("datetime64[us]")))
    return [value.isoformat(timespec="microseconds") for value in values]


def times_hash(times: xr.DataArray) -> str:
    """Return the sha256 of the dates' ISO strings, in their order."""
    return hashlib.sha256("\n".join(iso_strings(times)).encode()).hexdigest()


def check_unseen(state: xr.Dataset, times: xr.DataArray, where: str) -> None:
    """Check that none of these dates was used to fit the statistics.

    Raises:
        DataError: CD-066 with the first and last shared date.
    """
    fitted_on = set(iso_strings(state["training_time"]))
    shared = [date for date in iso_strings(times) if date in fitted_on]
    if shared:
        what = f"{len(shared)} dates, {shared[0]} to {shared[-1]}, were used to fit the statistics of the transforms"
        raise DataError(Problem(66, where, what, "choose a period outside the training period"))
