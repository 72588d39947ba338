"""Random numbers of the methods that need no network, addressed by (seed, member, date, purpose).

The generator is Philox4x64-10 (Salmon et al., 2011), keyed as that of the diffusion model (`samplers.noise`), with a
constant of its own: no baseline ever shares a stream with the model. Methods share streams with each other, as each
counts its purposes from 0; their members are scored apart.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from climdiff.data.times import microseconds

_STREAM = int.from_bytes(b"baseline", "little")
_WORD = (1 << 64) - 1


def generator(seed: int, member: int, date: int, purpose: int = 0) -> np.random.Generator:
    """Return the generator at the start of one stream.

    Args:
        seed: [0, 2^64).
        member: [0, 2^63).
        date: From `date_keys`, any int64.
        purpose: What the numbers of a method are for, such as the number of a target; [0, 2^64).
    """
    counter = np.array([0, date & _WORD, purpose, member], np.uint64)
    return np.random.Generator(np.random.Philox(key=np.array([seed, _STREAM], np.uint64), counter=counter))


def date_keys(times: xr.DataArray) -> list[int]:
    """Return one number per time: microseconds since 1970 in its own calendar."""
    return [int(key) for key in microseconds(times)]
