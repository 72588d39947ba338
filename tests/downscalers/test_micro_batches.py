"""Micro-batches are all of one size, and hold every pair once."""

from __future__ import annotations

from climdiff.downscalers.micro_batches import micro_batches


def test_the_last_one_is_filled_up():
    pairs = [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)]
    found = list(micro_batches(pairs, 2))
    assert [filled for *_, filled in found] == [[(0, 0), (0, 1)], [(1, 0), (1, 1)], [(2, 0), (2, 0)]]
    assert [pair for rows, columns, _ in found for pair in zip(rows, columns, strict=True)] == pairs
