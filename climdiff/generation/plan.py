"""The work of a run as arithmetic: unit k is a block of times by a block of members, and no list is ever made.

Units are numbered time block by time block, members fastest, so that neighbours share their input. A unit owns whole
chunks of the store: nobody else writes them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import overload

from climdiff.errors import Problem, RecipeError

_CHUNK_TARGET = 4 * 1024 * 1024
"""Values in one chunk that readers and object stores like: 16 MiB of float32 [zarr performance guide]."""
_MEMBERS_TARGET = 16
_FIELDS_PER_UNIT = 128
"""Fields in one unit at most: about a minute of sampling small fields on a laptop, which is what a kill can cost."""


@dataclass(frozen=True)
class Unit:
    """One piece of work: positions along time and realization, and the numbers of its two blocks."""

    time_block: int
    member_block: int
    times: slice
    members: slice

    @property
    def name(self) -> str:
        """Name of the unit; it does not depend on how many times or members the whole has."""
        return f"t{self.time_block:06d}-m{self.member_block:04d}"

    @property
    def n_times(self) -> int:
        """Count of times."""
        return self.times.stop - self.times.start

    @property
    def n_members(self) -> int:
        """Count of members."""
        return self.members.stop - self.members.start


@dataclass(frozen=True)
class Plan:
    """All units of a run, without holding any."""

    n_times: int
    n_members: int
    times_per_unit: int
    members_per_unit: int

    def __post_init__(self) -> None:
        for name in ("n_times", "n_members", "times_per_unit", "members_per_unit"):
            value = getattr(self, name)
            if value < 1:
                raise RecipeError(Problem(72, "plan", f"{name} is {value}, expected at least 1", f"raise {name}"))

    @property
    def n_time_blocks(self) -> int:
        """Count of blocks along time, the last one may be short."""
        return -(-self.n_times // self.times_per_unit)

    @property
    def n_member_blocks(self) -> int:
        """Count of blocks along realization, the last one may be short."""
        return -(-self.n_members // self.members_per_unit)

    @property
    def units(self) -> Units:
        """All units in order; `units[rank::world]` is the share of one worker."""
        return Units(self, range(self.n_time_blocks * self.n_member_blocks))

    def unit(self, index: int) -> Unit:
        """Return unit number `index`, 0 <= index < len(units)."""
        time_block, member_block = divmod(index, self.n_member_blocks)
        first_time = time_block * self.times_per_unit
        first_member = member_block * self.members_per_unit
        return Unit(
            time_block,
            member_block,
            slice(first_time, min(first_time + self.times_per_unit, self.n_times)),
            slice(first_member, min(first_member + self.members_per_unit, self.n_members)),
        )

    def index(self, unit: Unit) -> int:
        """Return the number of a unit."""
        return unit.time_block * self.n_member_blocks + unit.member_block


@dataclass(frozen=True)
class Units(Sequence[Unit]):
    """A sequence of units in constant memory; slices are sequences of the same kind."""

    plan: Plan
    indices: range

    def __len__(self) -> int:
        return len(self.indices)

    @overload
    def __getitem__(self, key: int) -> Unit: ...
    @overload
    def __getitem__(self, key: slice) -> Units: ...
    def __getitem__(self, key: int | slice) -> Unit | Units:
        if isinstance(key, slice):
            return Units(self.plan, self.indices[key])
        return self.plan.unit(self.indices[key])

    def __iter__(self) -> Iterator[Unit]:
        return map(self.plan.unit, self.indices)


def suggest_sizes(n_times: int, n_members: int, n_cells: int) -> tuple[int, int]:
    """Return (times, members) per unit that make chunks of at most 16 MiB and 128 fields, members first.

    `n_cells` is the size of one field of the target grid.
    """
    fields = min(max(1, _CHUNK_TARGET // n_cells), _FIELDS_PER_UNIT)
    members = min(n_members, fields, _MEMBERS_TARGET)
    return min(n_times, max(1, fields // members)), members


def chunk_shape(
    plan: Plan, dims: Sequence[str], shape: Sequence[int], chunks: Mapping[str, int] | None
) -> tuple[int, ...]:
    """Return the chunk sizes (realization, time, y, x); without wishes one unit is one chunk.

    `dims` and `shape` are those of the stored variable. Chunks cut along realization and time must fill units exactly,
    otherwise two units would write one chunk and lose each other's values.

    Raises:
        RecipeError: CD-072, a chunk size does not divide its unit, or a dimension is unknown; says the valid sizes.
    """
    units = {dims[0]: plan.members_per_unit, dims[1]: plan.times_per_unit}
    sizes = dict(zip(dims, shape, strict=True)) | units
    problems = []
    for dim, wish in (chunks or {}).items():
        if dim not in sizes:
            what = f"chunks name dimension {dim!r}, expected one of {', '.join(dims)}"
            problems.append(Problem(72, "plan", what, f"remove {dim!r} from chunks"))
        elif dim in units and (wish < 1 or units[dim] % wish):
            what = f"chunks of {wish} along {dim!r} do not fill a unit of {units[dim]}"
            below, above = _valid_sizes(units[dim], wish)
            problems.append(Problem(72, "plan", what, f"use {below} or {above}" if below != above else f"use {above}"))
        elif not 1 <= wish <= sizes[dim]:
            what = f"chunks of {wish} along {dim!r}, expected 1 to {sizes[dim]}"
            problems.append(Problem(72, "plan", what, f"use {sizes[dim]}"))
        else:
            sizes[dim] = wish
    if problems:
        raise RecipeError(*problems)
    return tuple(sizes[dim] for dim in dims)


def unit_files(unit: Unit, variables: Iterable[str], chunks: Sequence[int], shape: Sequence[int]) -> set[str]:
    """Return the chunk files a unit owns, path below the store; `chunks` (realization, time, y, x), `shape` (y, x)."""
    parts = (unit.members, unit.times, *(slice(0, size) for size in shape))
    numbers = [range(p.start // size, -(-p.stop // size)) for p, size in zip(parts, chunks, strict=True)]
    return {f"{name}/c/{'/'.join(map(str, index))}" for name in variables for index in itertools.product(*numbers)}


def _valid_sizes(unit: int, wish: int) -> tuple[int, int]:
    """Return the divisors of `unit` next below and next above `wish`."""
    divisors = [size for size in range(1, unit + 1) if unit % size == 0]
    below = [size for size in divisors if size <= wish]
    above = [size for size in divisors if size >= wish]
    return (below or above)[-1 if below else 0], (above or below)[0 if above else -1]
