"""Small coarse and fine data sets whose values are known in closed form."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

from climdiff.data.encoder import Encoder, fit_encoder
from climdiff.data.pairs import Pairs, align
from climdiff.transforms.pipeline import Pipeline
from climdiff.transforms.residual import Residual
from climdiff.transforms.scaling import Standardize

Fields = Callable[..., xr.Dataset]


def make_fields(
    n_times: int = 12,
    shape: tuple[int, int] = (4, 6),
    calendar: str = "standard",
    start: str = "2001-01-01",
    names: tuple[str, ...] = ("pr",),
    extent_km: tuple[float, float] = (80.0, 120.0),
) -> xr.Dataset:
    """Return fields `t + y/10 + x/1000` (t the number of the date, y and x in km) on cells that fill the extent."""
    steps = [length / n for length, n in zip(extent_km, shape, strict=True)]
    y, x = ((np.arange(n) + 0.5) * step for n, step in zip(shape, steps, strict=True))
    times = xr.date_range(start, periods=n_times, calendar=calendar, use_cftime=calendar != "standard")
    values = np.arange(n_times)[:, None, None] + y[None, :, None] / 10 + x[None, None, :] / 1000
    attrs = {"units": "km"}
    return xr.Dataset(
        {name: (("time", "y", "x"), (values + k).astype(np.float32)) for k, name in enumerate(names)},
        coords={"time": times, "y": ("y", y, attrs), "x": ("x", x, attrs)},
    )


@pytest.fixture
def fields() -> Fields:
    """Return the function that makes a data set."""
    return make_fields


@pytest.fixture
def pairs() -> Pairs:
    """Return 12 days of `pr`, 4 x 6 cells coarse and 10 x 15 cells fine (factor 2.5), with orography."""
    fine = make_fields(shape=(10, 15))
    static = xr.Dataset({"orography": (("y", "x"), np.add.outer(np.arange(10.0), np.arange(15.0)))})
    return align(make_fields(), fine, static)


def make_encoder(pairs: Pairs, *, calendar: bool = True, position: bool = True) -> Encoder:
    """Return the encoder of `pr` as standardised residual, with every kind of condition channel."""
    return fit_encoder(
        pairs,
        Pipeline({"pr": (Residual(), Standardize())}),
        Pipeline({"pr": (Standardize(),)}),
        targets=("pr",),
        predictors=("pr",),
        calendar=calendar,
        position=position,
    )


@pytest.fixture
def encoder(pairs: Pairs) -> Encoder:
    """Return the encoder fitted on `pairs`."""
    return make_encoder(pairs)


@pytest.fixture
def fit() -> Callable[..., Encoder]:
    """Return the function that fits an encoder on pairs."""
    return make_encoder
