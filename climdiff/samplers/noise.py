"""Normal noise that has an address: (seed, member, time, draw, block of cells), whoever asks for it and when.

The generator is Philox4x64-10 (Salmon et al., 2011): for each 128-bit key a bijection of a 256-bit counter. An address
is spread over both without hashing, so that no two addresses ever meet the same (key, counter):

    key[0]      seed                       [0, 2^64)
    key[1]      a constant: "climdiff"
    counter[0]  running number inside a block: 2^64 steps of four words, of which a block uses a few hundred
    counter[1]  time key                   [-2^63, 2^63), two's complement
    counter[2]  block row, block column    [-2^31, 2^31) each, two's complement
    counter[3]  member, draw               [0, 2^32) each

A field is cut into fixed blocks of 32 x 32 cells, counted from cell (0, 0) of the whole domain. One block is one
stream, channel after channel. A window, a batch, a rank or a restart therefore sees the same values as the whole. The
normals are numpy's (ziggurat, float32); it takes a varying count of words, which stay inside the block. A golden value
in the tests tells if a version of numpy changes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

BLOCK = 32
"""Side of a block [cells]. Changing it changes every member ever made."""

_STREAM = int.from_bytes(b"climdiff", "little")
_WORD = (1 << 64) - 1
_HALF = (1 << 32) - 1


def _check(name: str, value: int, low: int, high: int) -> None:
    if not low <= value < high:
        raise ValueError(f"noise address: {name} is {value}, expected {low} <= {name} < {high}")


class _Streams:
    """The streams of one (seed, member, time, draw); moving a generator costs a tenth of making one."""

    def __init__(self, seed: int, member: int, time_key: int, draw: int) -> None:
        _check("seed", seed, 0, 1 << 64)
        _check("member", member, 0, 1 << 32)
        _check("time_key", time_key, -(1 << 63), 1 << 63)
        _check("draw", draw, 0, 1 << 32)
        self._key = np.array([seed, _STREAM], np.uint64)
        self._time = time_key & _WORD
        self._member_draw = member << 32 | draw
        self._generator = np.random.Generator(np.random.Philox(key=self._key))

    def block(self, row: int, column: int) -> np.random.Generator:
        """Return the generator at the start of a block; it is the same object each time."""
        _check("block row", row, -(1 << 31), 1 << 31)
        _check("block column", column, -(1 << 31), 1 << 31)
        cells = (row & _HALF) << 32 | (column & _HALF)
        state: dict[str, Any] = {
            "bit_generator": "Philox",
            "state": {"counter": np.array([0, self._time, cells, self._member_draw], np.uint64), "key": self._key},
            "buffer": np.zeros(4, np.uint64),
            "buffer_pos": 4,
            "has_uint32": 0,
            "uinteger": 0,
        }
        self._generator.bit_generator.state = state
        return self._generator


def normal(seed: int, member: int, time_key: int, draw: int, shape: tuple[int, ...]) -> np.ndarray:
    """Return standard normal values of any shape, float32, from the one stream of block (0, 0).

    For what has no cells (a latent vector, a scalar). Fields go through `normal_field`, which equals this one for a
    single block only.

    Raises:
        ValueError: a part of the address is outside its range.
    """
    return _Streams(seed, member, time_key, draw).block(0, 0).standard_normal(shape, dtype=np.float32)


def normal_field(
    seed: int,
    member: int,
    time_key: int,
    draw: int,
    shape: tuple[int, int, int],
    *,
    origin: tuple[int, int] = (0, 0),
) -> np.ndarray:
    """Return standard normal values for a window of the domain, `shape` is (channel, y, x), float32.

    The window starts at cell `origin` (y, x) of the whole domain (negative in padding) and holds what the whole field
    would hold there, to the last bit. The first channels of a field do not depend on how many follow.

    Raises:
        ValueError: a part of the address is outside its range.
    """
    channels, ny, nx = shape
    y0, x0 = origin
    field = np.empty(shape, np.float32)
    streams = _Streams(seed, member, time_key, draw)
    values = np.empty((channels, BLOCK, BLOCK), np.float32)
    for row in range(y0 // BLOCK, -(-(y0 + ny) // BLOCK)):
        top = row * BLOCK
        y_from, y_to = max(top, y0), min(top + BLOCK, y0 + ny)
        for column in range(x0 // BLOCK, -(-(x0 + nx) // BLOCK)):
            left = column * BLOCK
            x_from, x_to = max(left, x0), min(left + BLOCK, x0 + nx)
            streams.block(row, column).standard_normal(out=values, dtype=np.float32)
            field[:, y_from - y0 : y_to - y0, x_from - x0 : x_to - x0] = values[
                :, y_from - top : y_to - top, x_from - left : x_to - left
            ]
    return field


def time_keys(times: np.ndarray) -> np.ndarray:
    """Return one int64 per time: microseconds in a year of 12 months of 31 days, so that no two times share a key.

    Takes datetime64 of any resolution or cftime objects of any calendar, shape (time,). The key follows the date as
    written, not its encoding: the same date has the same key in every file.
    """
    times = np.asarray(times).reshape(-1)
    if np.issubdtype(times.dtype, np.datetime64):
        months = times.astype("datetime64[M]")
        days = times.astype("datetime64[D]")
        micro = (times.astype("datetime64[us]") - days.astype("datetime64[us]")).astype(np.int64)
        month = months.astype(np.int64) + 1970 * 12
        day = (days - months.astype("datetime64[D]")).astype(np.int64)
        return (month * 31 + day) * 86_400_000_000 + micro
    keys = []
    for time in times:
        date = (time.year * 12 + time.month - 1) * 31 + time.day - 1
        second = (time.hour * 60 + time.minute) * 60 + time.second
        keys.append((date * 86_400 + second) * 1_000_000 + time.microsecond)
    return np.array(keys, np.int64)


@dataclass(frozen=True)
class Noise:
    """The noise of one micro-batch: `noise(draw)` is float32 (batch, channel, y, x) on the CPU.

    Draw 0 is z_T, draw k the fresh noise of step k. `addresses` holds (member, time key) of each element of the batch,
    `shape` is (channel, y, x), `origin` the cell (y, x) of the whole domain where the window starts.
    """

    seed: int
    addresses: Sequence[tuple[int, int]]
    shape: tuple[int, int, int]
    origin: tuple[int, int] = (0, 0)

    def __call__(self, draw: int) -> torch.Tensor:
        """Return draw number `draw`; always the same values for the same number."""
        values = np.empty((len(self.addresses), *self.shape), np.float32)
        for element, (member, time_key) in enumerate(self.addresses):
            values[element] = normal_field(self.seed, int(member), int(time_key), draw, self.shape, origin=self.origin)
        return torch.from_numpy(values)
