"""Small worlds that several methods are tried on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

from climdiff.data.pairs import Pairs, align

RAIN = {"units": "mm/day", "lower_bound": 0.0}


def dataset(
    values: dict[str, np.ndarray], step_km: float, attrs: dict[str, dict[str, object]], start: str
) -> xr.Dataset:
    """Return fields (time, y, x) on plain axes that begin at the same edge whatever the step."""
    n_times, ny, nx = next(iter(values.values())).shape
    axes = {
        name: (name, (np.arange(size) + 0.5) * step_km * 1000, {"units": "m"}) for name, size in (("y", ny), ("x", nx))
    }
    times = xr.date_range(start, periods=n_times, freq="D", use_cftime=False)
    fields = {name: (("time", "y", "x"), array.astype(np.float32), attrs[name]) for name, array in values.items()}
    return xr.Dataset(fields, {"time": times, **axes})


def block_means(fields: np.ndarray, factor: int) -> np.ndarray:
    """Return means over blocks of factor x factor cells of fields (time, y, x)."""
    n_times, ny, nx = fields.shape
    return fields.reshape(n_times, ny // factor, factor, nx // factor, factor).mean(axis=(2, 4))


def pairs_of(fine: dict[str, np.ndarray], factor: int, start: str = "1990-01-01") -> Pairs:
    """Return pairs whose coarse fields are block means; `pr` is rain, anything else has no bounds."""
    attrs = {name: RAIN if name == "pr" else {"units": "K"} for name in fine}
    coarse = {name: block_means(values, factor) for name, values in fine.items()}
    return align(dataset(coarse, 2.0 * factor, attrs, start), dataset(fine, 2.0, attrs, start))


@pytest.fixture(scope="session")
def make_pairs() -> Callable[..., Pairs]:
    """Return `pairs_of`."""
    return pairs_of


@pytest.fixture(scope="session")
def rain() -> Callable[[int, int], Pairs]:
    """Return a function (number of days, seed) that makes pairs of patchy rain, 16 x 16 cells by 4 x 4."""

    def make(n_times: int, seed: int) -> Pairs:
        generator = np.random.default_rng(seed)
        large = np.repeat(np.repeat(generator.normal(size=(n_times, 4, 4)), 4, axis=1), 4, axis=2)
        wet = np.maximum(large + generator.normal(size=(n_times, 16, 16)), 0)
        return pairs_of({"pr": 3 * wet**2}, 4)

    return make
