"""A plan is arithmetic: every cell of the work once, whatever the sizes, and nothing held."""

from __future__ import annotations

import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from climdiff.errors import RecipeError
from climdiff.generation.plan import Plan, chunk_shape, suggest_sizes, unit_files

SIZES = st.integers(1, 30)
DIMS = ("realization", "time", "lat", "lon")


@given(SIZES, SIZES, SIZES, SIZES, st.integers(1, 5))
def test_the_shares_of_all_workers_cover_every_time_and_member_once(
    n_times: int, n_members: int, times: int, members: int, world: int
) -> None:
    plan = Plan(n_times, n_members, times, members)
    count = np.zeros((n_times, n_members), int)
    for rank in range(world):
        for unit in plan.units[rank::world]:
            count[unit.times, unit.members] += 1
            assert plan.unit(plan.index(unit)) == unit
            assert (unit.n_times, unit.n_members) == count[unit.times, unit.members].shape
            assert unit.times.start % times == 0 and unit.members.start % members == 0
    assert (count == 1).all()


def test_units_behave_like_a_list() -> None:
    plan = Plan(7, 5, 3, 2)
    units = list(plan.units)
    assert len(plan.units) == len(units) == 9
    assert plan.units[-1] == units[-1] and list(plan.units[1::4]) == units[1::4]
    assert [unit.name for unit in units[:4]] == ["t000000-m0000", "t000000-m0001", "t000000-m0002", "t000001-m0000"]
    with pytest.raises(IndexError):
        plan.units[9]


def test_names_do_not_change_when_members_or_times_are_added() -> None:
    small = {unit.name: (unit.times, unit.members) for unit in Plan(6, 4, 3, 2).units}
    large = {unit.name: (unit.times, unit.members) for unit in Plan(60, 50, 3, 2).units}
    assert small.items() <= large.items()


def test_a_billion_units_take_no_memory_and_no_time() -> None:
    tracemalloc.start()
    start = time.perf_counter()
    plan = Plan(10**9, 16, 1, 16)
    share = plan.units[4095::4096]
    assert len(plan.units) == 10**9 and share[-1].times.start < 10**9
    assert next(iter(share)).time_block == 4095
    elapsed, (_, peak) = time.perf_counter() - start, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert elapsed < 0.1 and peak < 100_000


def test_one_unit_is_one_chunk_unless_told_otherwise() -> None:
    plan = Plan(100, 10, 30, 4)
    assert chunk_shape(plan, DIMS, (10, 100, 64, 48), None) == (4, 30, 64, 48)
    assert chunk_shape(plan, DIMS, (10, 100, 64, 48), {"time": 10, "lat": 16}) == (4, 10, 16, 48)


@pytest.mark.parametrize(
    ("chunks", "what", "fix"),
    [
        ({"time": 20}, "chunks of 20 along 'time' do not fill a unit of 30", "use 15 or 30"),
        ({"time": 60}, "chunks of 60 along 'time' do not fill a unit of 30", "use 30"),
        ({"realization": 3}, "chunks of 3 along 'realization' do not fill a unit of 4", "use 2 or 4"),
        ({"lon": 49}, "chunks of 49 along 'lon', expected 1 to 48", "use 48"),
        ({"level": 1}, "chunks name dimension 'level'", "remove 'level' from chunks"),
    ],
)
def test_chunks_that_two_units_would_share_are_refused_with_valid_sizes(
    chunks: dict[str, int], what: str, fix: str
) -> None:
    with pytest.raises(RecipeError) as caught:
        chunk_shape(Plan(100, 10, 30, 4), DIMS, (10, 100, 64, 48), chunks)
    (problem,) = caught.value.problems
    assert problem.code == 72 and what in problem.what and problem.fix == fix


def test_the_files_of_all_units_are_every_chunk_once() -> None:
    plan, chunks = Plan(7, 5, 4, 2), (1, 2, 3, 4)
    found = [file for unit in plan.units for file in unit_files(unit, ["pr"], chunks, (6, 5))]
    counts = (5, 4, 2, 2)
    assert sorted(found) == sorted(f"pr/c/{'/'.join(map(str, index))}" for index in np.ndindex(*counts))
    assert unit_files(plan.unit(5), ["a", "b"], (2, 4, 6, 5), (6, 5)) == {"a/c/2/1/0/0", "b/c/2/1/0/0"}


def test_an_empty_plan_is_refused() -> None:
    with pytest.raises(RecipeError, match="CD-072 plan: n_members is 0, expected at least 1"):
        Plan(1, 0, 1, 1)


def test_suggested_units_hold_at_most_16_mebibytes_or_128_fields_and_members_first() -> None:
    assert suggest_sizes(380, 16, 64 * 64) == (8, 16)
    assert suggest_sizes(10, 4, 64 * 64) == (10, 4)
    assert suggest_sizes(1000, 50, 256 * 256) == (4, 16)
    assert suggest_sizes(1000, 50, 1024 * 1024) == (1, 4)
    assert suggest_sizes(1000, 50, 10**8) == (1, 1)
