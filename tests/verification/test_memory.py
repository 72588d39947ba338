"""Blocks and variances of series whose memory is known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter

from climdiff.verification.memory import memory


def autoregressive(generator: np.random.Generator, n: int, r: float) -> np.ndarray:
    return lfilter([np.sqrt(1 - r**2)], [1, -r], generator.normal(size=n + 200))[200:]


@pytest.mark.parametrize("r", [0.3, 0.6, 0.8])
def test_memory_of_an_autoregressive_series_is_that_of_its_closed_form(r: float):
    # sum of |k| autocovariance over the long-run variance is 2 r / (1 - r^2); the latter is (1 + r) / (1 - r)
    n = 20_000
    series = (autoregressive(np.random.default_rng(seed), n, r) for seed in range(5))
    found = np.mean([memory(each) for each in series], axis=0)
    assert found[0] == pytest.approx((1.5 * n) ** (1 / 3) * (2 * r / (1 - r**2)) ** (2 / 3), rel=0.2)
    assert found[1] == pytest.approx((1 + r) / (1 - r), rel=0.1)


def test_values_without_memory_need_no_long_blocks():
    found = memory(np.random.default_rng(1).normal(size=20_000))
    assert found.block < 5
    assert found.variance == pytest.approx(1, rel=0.1)


def test_memory_knows_no_units_and_no_level():
    series = autoregressive(np.random.default_rng(2), 200, 0.5)
    assert memory(100 * series + 5000).block == pytest.approx(memory(series).block)
    assert memory(100 * series + 5000).variance == pytest.approx(1e4 * memory(series).variance)


@pytest.mark.parametrize("series", [np.full(50, 0.1), np.zeros(50), np.array([1.0, 2.0]), np.array([3.0])])
def test_constant_or_tiny_series_have_blocks_of_one(series: np.ndarray):
    assert memory(series).block == 1
