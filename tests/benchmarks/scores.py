"""What scores cost beside the plain pass over the data that each of them rests on."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from unittest.mock import patch

import numpy as np
from pairs import ratios, seconds
from rows import Row, spread
from scipy.ndimage import uniform_filter

from climdiff.verification.fractions import fss_sums, widths_of
from climdiff.verification.probabilistic import crps_fair
from climdiff.verification.spectra import power_spectrum

MEMBERS, TIMES, SIDE = 50, 20, 128
CELLS_PER_BLOCK = 8192


def crps(budget: float) -> Iterator[Row]:
    """Yield time and memory of the fair CRPS of 50 members, float32, 20 dates of 128 x 128 cells."""
    rng = np.random.default_rng(0)
    members = rng.gamma(0.3, size=(MEMBERS, TIMES, SIDE, SIDE)).astype(np.float32)
    truth = rng.gamma(0.3, size=members.shape[1:]).astype(np.float32)
    work = {
        "ours": lambda: crps_fair(members, truth),
        "sort": lambda: sort_in_blocks(members),
    }
    found = seconds(work, budget)
    yield spread("fair CRPS of 50 members: time over that of sorting them", ratios(found, "ours", "sort"), "<= 1.5")
    extra = _extra_bytes(work["ours"]) / members.nbytes
    yield Row("fair CRPS of 50 members: extra memory over input", extra, extra, extra, "<= 0.25")
    try:
        import xarray as xr
        import xskillscore
        from properscoring import _crps
    except ImportError:
        return
    dims = ("member", "time", "y", "x")
    forecast, observed = xr.DataArray(members[:, :4], dims=dims), xr.DataArray(truth[:4], dims=dims[1:])
    peers = {
        "xskillscore": lambda: xskillscore.crps_ensemble(observed, forecast, dim=[]),
        "ours": lambda: crps_fair(members[:, :4], truth[:4]),
    }
    name = "fair CRPS of 50 members: xskillscore"
    with patch.object(_crps, "_crps_ensemble_core", _crps._crps_ensemble_vectorized):
        found = seconds(peers, budget)
    yield spread(f"{name} as it installs", ratios(found, "xskillscore", "ours"), ">= 20")
    if _crps._crps_ensemble_core is not _crps._crps_ensemble_vectorized:
        found = seconds(peers, budget)
        yield spread(f"{name} with numba beside it", ratios(found, "xskillscore", "ours"), ">= 20")


def spectra(budget: float) -> Row:
    """Return the time of spectra of 256 fields of 128 x 128 cells over that of a plain Fourier transform."""
    fields = np.random.default_rng(0).normal(size=(256, SIDE, SIDE)).astype(np.float32)
    work = {
        "ours": lambda: power_spectrum(fields),
        "transform": lambda: np.square(np.abs(np.fft.rfft2(fields.astype(np.float64)))),
    }
    name = "spectra of 256 fields: time over that of their Fourier transform"
    return spread(name, ratios(seconds(work, budget), "ours", "transform"), "<= 1.5")


def fss(budget: float) -> Row:
    """Return the time of fractions skill scores of six widths over that of scipy's filter of the same fields."""
    rng = np.random.default_rng(0)
    count, seen = (
        rng.binomial(MEMBERS, 0.2, (TIMES, SIDE, SIDE)).astype(np.int32),
        rng.random((TIMES, SIDE, SIDE)) < 0.2,
    )
    weights, widths = np.ones(seen.shape), widths_of((SIDE, SIDE))
    shares, seen_shares = count / MEMBERS, seen.astype(np.float64)
    work = {
        "ours": lambda: fss_sums(count, seen, weights, MEMBERS, widths),
        "filter": lambda: [
            uniform_filter(field, (0, width, width)) for width in widths for field in (shares, seen_shares)
        ],
    }
    name = "fractions skill score, six widths: time over that of a uniform filter"
    return spread(name, ratios(seconds(work, budget), "ours", "filter"), "<= 1.5")


def sort_in_blocks(members: np.ndarray) -> float:
    """Sort the members of every cell, a block of cells at a time, as plainly as numpy lets one."""
    flat = members.reshape(len(members), -1)
    checksum = 0.0
    for start in range(0, flat.shape[1], CELLS_PER_BLOCK):
        block = np.sort(flat[:, start : start + CELLS_PER_BLOCK].T, axis=1)
        checksum += float(block[:, -1].sum())
    return checksum


def _extra_bytes(work: Callable[[], object]) -> int:
    tracemalloc.start()
    work()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak
