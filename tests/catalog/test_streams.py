from __future__ import annotations

import numpy as np

from climdiff.catalog.streams import Stream, generator


def test_an_address_always_gives_the_same_numbers():
    numbers = [generator(3, Stream.TRUTH, day=-5, member=2).standard_normal(4) for _ in range(2)]
    np.testing.assert_array_equal(*numbers)


def test_no_two_addresses_share_their_numbers():
    addresses = [
        (seed, stream, day, member)
        for seed in (0, 1)
        for stream in Stream
        for day in (-1, 0, 1, 20000)
        for member in (-1, 0, 1, 300000)
    ]
    first = {generator(seed, stream, day, member).integers(2**63) for seed, stream, day, member in addresses}
    assert len(first) == len(addresses)
