"""Noise that persists from date to date, so that the differences between members do, too.

    z_t = sum over k of c_k w_{t-k},    c_k proportional to rho^k,    sum of c_k^2 = 1,    rho = 2^(-1 / half-life)

The w are the independent fields of `samplers.noise`, each at the address of its own date. So z_t is standard normal,
its correlation with z_{t-1} is rho: an AR(1) process, as in cBottle (Brenowitz et al., 2025). It still depends on
nothing but seed, member and date: any date can be drawn alone, in any order, on any machine. The sum stops where
rho^k falls below 0.001, which changes the correlation by less than two parts in a million.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from climdiff.samplers.noise import normal_field, time_keys

DAY = 86_400_000_000
"""[us]"""

SMALLEST = 1e-3
"""The sum stops at the first rho^k below this."""

LONGEST = 100.0
"""Longest half-life [steps]: ten terms of the sum, and fields to draw, for each step of it."""


@dataclass(frozen=True)
class Persistence:
    """How long noise persists.

    Attributes:
        step: Time from one date to the next [us].
        half_lives: Of each channel [steps], 0 for noise that is independent from date to date, at most `LONGEST`.
    """

    step: int
    half_lives: tuple[float, ...]

    def __post_init__(self) -> None:
        if not all(0 <= half_life <= LONGEST for half_life in self.half_lives):
            raise ValueError(f"half-lives are {self.half_lives} steps, expected 0 to {LONGEST:g}")

    def coefficients(self) -> np.ndarray:
        """Return c_k of each channel, (channel, k); float32."""
        rows = [coefficients(half_life) for half_life in self.half_lives]
        found = np.zeros((len(rows), max(map(len, rows))), np.float32)
        for row, values in zip(found, rows, strict=True):
            row[: len(values)] = values
        return found

    def keys(self, times: np.ndarray) -> np.ndarray:
        """Return the time keys of each date and of those before it that its noise takes part of, (time, k)."""
        steps = range(self.coefficients().shape[1])
        if np.issubdtype(times.dtype, np.datetime64):
            step = np.timedelta64(self.step, "us")
            return np.stack([time_keys(times - k * step) for k in steps], axis=1)
        from datetime import timedelta

        return np.stack([time_keys(times - timedelta(microseconds=k * self.step)) for k in steps], axis=1)


def coefficients(half_life: float) -> np.ndarray:
    """Return c_k for a half-life [steps], (k,), float64; their squares sum to 1.

    A half-life of 0, or far below a step, gives the one coefficient 1: noise that does not persist.
    """
    rho = 2 ** (-1 / half_life) if half_life > 0 else 0.0
    if rho < SMALLEST**2:
        return np.ones(1)
    powers = rho ** np.arange(1 + math.ceil(math.log(SMALLEST) / math.log(rho)))
    return np.asarray(powers / np.sqrt((powers**2).sum()))


@dataclass(frozen=True, eq=False)
class PersistentNoise:
    """The noise of one micro-batch, as `noise.Noise`: `noise(draw)` is float32 (batch, channel, y, x) on the CPU.

    Attributes:
        seed: Key of all noise.
        addresses: Member and time keys (own first, then those of the dates before) of each element of the batch.
        shape: (channel, y, x).
        coefficients: c_k, (channel, k).
    """

    seed: int
    addresses: Sequence[tuple[int, np.ndarray]]
    shape: tuple[int, int, int]
    coefficients: np.ndarray

    def __call__(self, draw: int) -> torch.Tensor:
        """Return draw number `draw`; always the same values for the same number."""
        uses: dict[tuple[int, int], list[tuple[int, np.ndarray]]] = {}
        for element, (member, keys) in enumerate(self.addresses):
            for c, key in zip(self.coefficients.T, keys.tolist(), strict=True):
                uses.setdefault((key, member), []).append((element, c[:, None, None]))
        values = np.zeros((len(self.addresses), *self.shape), np.float32)
        # each field once, and from the latest date back, so that every element adds its own up in the order of k
        for key, member in sorted(uses, reverse=True):
            field = normal_field(self.seed, member, key, draw, self.shape)
            for element, c in uses[key, member]:
                values[element] += c * field
        return torch.from_numpy(values)
