"""How large a classic netCDF file has to be by its own header; libraries read what a shorter one lacks as zeros.

CDF-1, CDF-2 and CDF-5, after the grammar in the NetCDF User's Guide, "File Format Specifications". What is at the end
of a variable to fill four bytes is not asked for: some writers leave it out.
"""

from __future__ import annotations

import math
from typing import BinaryIO

MAGIC = (b"CDF\x01", b"CDF\x02", b"CDF\x05")
_TYPE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8, 7: 1, 8: 2, 9: 4, 10: 8, 11: 8}
_STREAMING = {4: 2**32 - 1, 8: 2**64 - 1}
"""Counts of records, by their bytes, that mean: as many as there are."""


def least_size(file: BinaryIO, size: int) -> int:
    """Return the bytes that a file, opened at its beginning, must have by its header; `size` it has.

    Raises:
        EOFError: not even the header is whole.
        ValueError: the header is none.
    """
    return _Header(file, size).least_size()


class _Header:
    def __init__(self, file: BinaryIO, size: int) -> None:
        self.file, self.size = file, size
        version = file.read(4)[3]
        self.count_bytes, self.offset_bytes = (8 if version == 5 else 4), (4 if version == 1 else 8)

    def least_size(self) -> int:
        n_records = self._number(self.count_bytes)
        dims = [self._dim() for _ in range(self._n_listed())]
        self._attributes()
        ends, records = [], []
        for _ in range(self._n_listed()):
            begin, size, is_record = self._variable(dims)
            if is_record:
                records.append((begin, size))
            else:
                ends.append(begin + size)
        ends.append(self.file.tell())
        if records and n_records not in (0, _STREAMING[self.count_bytes]):
            one_record = records[0][1] if len(records) == 1 else sum(size + -size % 4 for _, size in records)
            ends += [begin + (n_records - 1) * one_record + size for begin, size in records]
        return max(ends)

    def _variable(self, dims: list[int]) -> tuple[int, int, bool]:
        """Return where a variable begins, the bytes of it (or of one of its records), and whether it has records."""
        self._text()
        numbers = [self._number(self.count_bytes) for _ in range(self._number(self.count_bytes))]
        if any(number >= len(dims) for number in numbers):
            raise ValueError("a variable has a dimension that is not there")
        shape = [dims[number] for number in numbers]
        self._attributes()
        width = self._type_size()
        self._number(self.count_bytes)  # its size, which does not hold where it is large
        is_record = bool(shape) and shape[0] == 0
        return self._number(self.offset_bytes), width * math.prod(shape[is_record:]), is_record

    def _dim(self) -> int:
        self._text()
        return self._number(self.count_bytes)

    def _attributes(self) -> None:
        for _ in range(self._n_listed()):
            self._text()
            width = self._type_size()
            self._skip(width * self._number(self.count_bytes))

    def _text(self) -> None:
        self._skip(self._number(self.count_bytes))

    def _type_size(self) -> int:
        kind = self._number(4)
        if kind not in _TYPE_SIZES:
            raise ValueError(f"there is no type {kind}")
        return _TYPE_SIZES[kind]

    def _n_listed(self) -> int:
        """Return how many dimensions, attributes or variables follow."""
        self._number(4)
        return self._number(self.count_bytes)

    def _number(self, n_bytes: int) -> int:
        content = self.file.read(n_bytes)
        if len(content) < n_bytes:
            raise EOFError
        return int.from_bytes(content, "big")

    def _skip(self, n_bytes: int) -> None:
        position = self.file.tell() + n_bytes + -n_bytes % 4
        if position > self.size:
            raise EOFError
        self.file.seek(position)
