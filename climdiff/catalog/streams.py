"""Random numbers of the embedded world, each with an address: (seed, stream, member, day)."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

_WORD = 2**64 - 1


class Stream(IntEnum):
    """What a series of random numbers is for; two streams never share a number."""

    LANDSCAPE = 1
    WAVES = 2
    WEATHER = 3
    TRUTH = 4
    MEMBERS = 5


def generator(seed: int, stream: Stream, day: int = 0, member: int = 0) -> np.random.Generator:
    """Return the generator at one address, a pure function of its arguments.

    Philox is counter-based (Salmon et al., 2011): the key is (seed, stream), the upper counter words are
    (member, day) and the lower ones are left for 2**128 draws. Days before 1970 and negative members wrap around.
    """
    counter = np.array([0, 0, member & _WORD, day & _WORD], dtype=np.uint64)
    key = np.array([seed & _WORD, int(stream)], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(counter=counter, key=key))
