"""Standard scores: mean and standard deviation from additive statistics, over all cells or for each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from climdiff.errors import Problem

_SAMPLES = ("realization", "time")
_NEGLIGIBLE = 1e-7  # a spread this small beside the mean is float32 rounding, not signal


@dataclass(frozen=True)
class Standardize:
    """Subtracts the mean and divides by the standard deviation; each cell has its own where `per_cell`."""

    per_cell: bool = False

    @property
    def name(self) -> str:
        """The name in recipes and states."""
        return "standardize"

    def fit(self, values: xr.DataArray) -> xr.Dataset:
        """Return `count`, `mean` and `std` of one block, missing values left out."""
        dims = [dim for dim in values.dims if not self.per_cell or dim in _SAMPLES]
        values = values.astype(np.float64)
        count = values.notnull().sum(dims)
        there = count.where(count > 0)
        mean = values.sum(dims) / there
        std = np.sqrt(((values - mean) ** 2).sum(dims) / there)
        return xr.Dataset({"count": count, "mean": mean, "std": std})

    def merge(self, first: xr.Dataset, second: xr.Dataset) -> xr.Dataset:
        """Return the statistics of two blocks together (the pairwise update of Chan et al., 1983)."""
        count = first["count"] + second["count"]
        there = count.where(count > 0)
        shift = (second["mean"] - first["mean"]).fillna(0.0)
        mean = first["mean"].fillna(second["mean"]) + shift * second["count"] / there
        squares = (first["std"] ** 2 * first["count"]).fillna(0.0) + (second["std"] ** 2 * second["count"]).fillna(0.0)
        squares = squares + shift**2 * first["count"] * second["count"] / there
        return xr.Dataset({"count": count, "mean": mean, "std": np.sqrt(squares / there)})

    def check(self, state: xr.Dataset, variable: str, where: str) -> list[Problem]:
        """Return what makes the statistics useless: no values (CD-033), infinite ones, or no spread (CD-034)."""
        if not bool((state["count"] > 0).any()):
            return [Problem(33, where, f"variable '{variable}' is missing everywhere", "choose a period with data")]
        is_used = (state["count"] > 0).values
        mean, std = state["mean"].values, state["std"].values
        if not (np.isfinite(mean) & np.isfinite(std))[is_used].all():
            return [Problem(33, where, f"variable '{variable}' has infinite values", "mask them in the data")]
        is_flat = is_used & (std <= _NEGLIGIBLE * np.abs(mean))
        if not is_flat.any():
            return []
        example = mean[is_flat].flat[0]
        n_flat = f" in {is_flat.sum()} of {is_used.sum()} cells" if self.per_cell else ""
        what = f"variable '{variable}' is constant ({example:g} after the steps before){n_flat}: its spread is zero"
        return [Problem(34, where, what, "leave the variable out, or check the training period")]

    def apply(self, values: xr.DataArray, state: xr.Dataset) -> xr.DataArray:
        """Return standard scores."""
        return (values - state["mean"]) / state["std"]

    def invert(self, values: xr.DataArray, state: xr.Dataset) -> xr.DataArray:
        """Return the values of standard scores."""
        return values * state["std"] + state["mean"]
