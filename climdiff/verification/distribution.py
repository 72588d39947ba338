"""Distribution of all values of the members against that of the truth: mean and quantiles, tails included.

A histogram with bins fixed beforehand is additive and needs no second pass. Its bins are those of the floating-point
numbers: 2048 for every factor of two, for either sign, from 2^-40 to 2^24 in the unit of the values, and one for all
that is smaller, 0 above all.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

PERCENTS = (50.0, 90.0, 95.0, 99.0, 99.9)
RELATIVE_ERROR = 2.0**-12
"""Largest error of a quantile, as a share of its size: half a bin (0.024 %, which is 0.07 K at 290 K)."""

_MANTISSA = 11  # bits
_SHIFT = 23 - _MANTISSA
_FIRST = (127 - 40) << _MANTISSA
_N = 64 << _MANTISSA  # bins of one sign


def distribution_sums(members: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Return the histograms (weight of cells by bin) of members and truth, and the number of cells; they add up."""
    every = np.broadcast_to(weights, members.shape).ravel()
    return {
        "members": np.bincount(_bins(members), every, minlength=2 * _N + 1),
        "truth": np.bincount(_bins(truth), weights.ravel(), minlength=2 * _N + 1),
        "n_cells": np.asarray(np.count_nonzero(weights)),
    }


def quantiles(histogram: np.ndarray, percents: np.ndarray) -> np.ndarray:
    """Return the least values that at least that share of the weight does not exceed, to `RELATIVE_ERROR`.

    NaN where that is a value in an outermost bin, which has all of 2^24 and more (of either sign).
    """
    total = np.cumsum(histogram)
    reached = np.searchsorted(total, percents / 100 * total[-1] * (1 - 1e-12))
    return _middles(np.minimum(reached, len(histogram) - 1) - _N)


def distribution_scores(sums: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Return `p50`, ..., `p99.9` of all members together, and each with `_truth`, in the unit of the values.

    NaN where the truth has fewer than one cell beyond the quantile, or its size is near 2^24 or beyond.
    """
    percents = np.array(PERCENTS)
    known = (100 - percents) / 100 * float(sums["n_cells"]) >= 1 - 1e-9
    found = {end: np.where(known, quantiles(sums[name], percents), np.nan) for name, end in _ENDS.items()}
    return {f"p{percent:g}{end}": float(found[end][i]) for i, percent in enumerate(PERCENTS) for end in found}


_ENDS = {"members": "", "truth": "_truth"}


def _bins(values: np.ndarray) -> np.ndarray:
    """Return the bin of every value, flat: _N has zero, those above it positive values, those below negative ones."""
    bits = np.asarray(values, np.float32).ravel().view(np.int32)
    size = (bits & 0x7FFFFFFF) >> _SHIFT
    size -= _FIRST - 1
    np.clip(size, 0, _N, out=size)
    np.negative(size, out=size, where=bits < 0)
    size += _N
    return size


def _middles(bins: np.ndarray) -> np.ndarray:
    """Return the value in the middle of each bin, counted from that of zero; NaN for the outermost, without an end."""
    size = np.abs(bins) - 1
    octave, part = size >> _MANTISSA, size & ((1 << _MANTISSA) - 1)
    value = np.ldexp(1 + (part + 0.5) / (1 << _MANTISSA), octave - 40)
    value[size + 1 == _N] = np.nan
    return np.where(bins == 0, 0.0, np.sign(bins) * value)
