"""A residual is what the guess leaves, on exactly its grid and dates."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from climdiff.errors import DataError
from climdiff.transforms.residual import Residual


def field(*dims: str, start: float = 0.0) -> xr.DataArray:
    values = np.arange(float(3 ** len(dims))).reshape([3] * len(dims))
    return xr.DataArray(values, dims=dims, coords={"x": start + np.arange(3.0)}, name="pr")


def test_members_are_left_with_what_the_guess_does_not_say() -> None:
    members, guess = field("realization", "time", "x"), field("time", "x")
    state = xr.Dataset({"guess": guess})
    left = Residual().apply(members, state)
    assert left.dims == members.dims
    np.testing.assert_array_equal(left, members.values - guess.values)
    np.testing.assert_array_equal(Residual().invert(left, state), members)


def test_a_guess_on_another_grid_is_refused_and_never_cut_to_fit() -> None:
    with pytest.raises(DataError, match=r"CD-021 residual: variable 'pr' and its first guess differ.*Fix: regrid"):
        Residual().apply(field("time", "x"), xr.Dataset({"guess": field("time", "x", start=0.5)}))
