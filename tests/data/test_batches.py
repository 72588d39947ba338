"""Batches come in an order that depends on seed and epoch alone, and cost bounded memory."""

from __future__ import annotations

import threading
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from obstore.store import MemoryStore
from zarr.storage import ObjectStore

from climdiff.data.batches import READER, Batch, Batches, _in_a_thread
from climdiff.data.missing import apply_missing_policy
from climdiff.data.pairs import align
from climdiff.errors import DataError, RecipeError


def batches(pairs, encoder, **changes) -> Batches:
    arguments = {"batch_size": 4, "seed": 1, "chunk_times": 3, "buffer_times": 9, "cache_bytes": 0}
    return Batches(pairs, encoder, **(arguments | changes))


def order(source, epoch=0, start=0) -> list[int]:
    return [int(index) for batch in source.epoch(epoch, start) for index in batch.time_index]


def same(one: list[Batch], other: list[Batch]) -> bool:
    return len(one) == len(other) and all(
        torch.equal(a, b) for left, right in zip(one, other, strict=True) for a, b in zip(left, right, strict=True)
    )


@pytest.fixture
def month(fields, encoder):
    """Return 31 dates and the encoder fitted on other ones."""
    static = xr.Dataset({"orography": (("y", "x"), np.add.outer(np.arange(10.0), np.arange(15.0)))})
    return align(fields(n_times=31), fields(n_times=31, shape=(10, 15)), static), encoder


def test_an_epoch_holds_each_date_once_but_for_a_partial_batch(month):
    source = batches(*month)
    found = order(source)
    assert source.batches_per_epoch == 7
    assert len(found) == 28
    assert len(set(found)) == 28
    assert set(found) <= set(range(31))


def test_batches_hold_the_encoded_fields_of_their_dates(month):
    pairs, encoder = month
    for batch in batches(pairs, encoder).epoch(0):
        guess, truth = pairs.guess(batch.time_index.numpy()), pairs.truth(batch.time_index.numpy())
        assert torch.equal(batch.target, encoder.target(truth, guess))
        assert torch.equal(batch.condition, encoder.condition(guess))


def test_order_is_a_function_of_seed_and_epoch(month):
    source = batches(*month)
    assert order(source, 3) == order(source, 3) == order(batches(*month), 3)
    assert order(source, 3) != order(source, 4)
    assert order(source, 3) != order(batches(*month, seed=2), 3)


def test_the_global_generators_are_neither_used_nor_moved(month):
    torch.manual_seed(0)
    np.random.seed(0)
    before = torch.get_rng_state()
    first = order(batches(*month, flips=True))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(5)
    assert order(batches(*month, flips=True)) == first


def test_chunks_and_dates_within_the_buffer_are_shuffled(month):
    found = np.array(order(batches(*month, batch_size=1)))
    assert (np.diff(found) != 1).sum() > 15
    # The first buffer holds three whole chunks of three dates.
    assert all(count == 3 for count in np.unique(found[:9] // 3, return_counts=True)[1])
    chunks = [sorted(set(found[at : at + 9] // 3)) for at in (0, 9, 18)]
    assert chunks != [[0, 1, 2], [3, 4, 5], [6, 7, 8]]


@pytest.mark.parametrize("flips", [False, True])
@pytest.mark.parametrize("start", [0, 1, 3, 6, 7])
def test_skipping_batches_gives_the_rest_of_the_epoch(month, start, flips):
    source = batches(*month, flips=flips)
    assert same(list(source.epoch(2, start)), list(source.epoch(2))[start:])


def test_skipped_buffers_are_not_read(month):
    source = batches(*month)
    read = count_reads(source)
    rest = source.epoch(0, start=5)
    next(rest)
    rest.close()
    # Batch 5 is dates 20 to 23 of the order: it starts in the third buffer, dates 18 to 26; the next is read ahead.
    third, fourth = ({int(chunk) for chunk in buffer} for buffer in source._buffers(0)[2:4])
    assert third <= set(read) <= third | fourth


def test_the_next_buffer_is_read_while_batches_are_drawn_from_this_one(month):
    source = batches(*month)
    read, fourth = count_reads(source), {int(chunk) for chunk in source._buffers(0)[1]}
    rest = source.epoch(0)
    next(rest)
    deadline = time.monotonic() + 20
    while not fourth <= set(read) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert fourth <= set(read)
    assert len(read) <= 2 * source.chunks_per_buffer + 1
    rest.close()


def test_reading_stops_when_nobody_wants_more(month):
    source = batches(*month)
    read = count_reads(source)
    rest = source.epoch(0)
    next(rest)
    rest.close()
    n_read = len(read)
    time.sleep(0.1)
    assert len(read) == n_read < 11


def test_each_chunk_is_read_once_per_epoch(month):
    source = batches(*month)
    read = count_reads(source)
    list(source.epoch(0))
    assert sorted(read) == list(range(11))


def test_flips_mirror_target_and_condition_together(month):
    plain, flipped = batches(*month), batches(*month, flips=True)
    seen = set()
    for before, after in zip(plain.epoch(1), flipped.epoch(1), strict=True):
        assert torch.equal(before.time_index, after.time_index)
        for sample in range(4):
            fitting = [
                axes
                for axes in ((), (-2,), (-1,), (-2, -1))
                if torch.equal(before.condition[sample].flip(axes), after.condition[sample])
                and torch.equal(before.target[sample].flip(axes), after.target[sample])
            ]
            assert len(fitting) == 1
            seen.add(fitting[0])
    assert len(seen) == 4


def test_turns_are_the_eight_of_a_square_and_the_same_for_target_and_condition(fields, fit):
    pairs = align(fields(n_times=31), fields(n_times=31, shape=(12, 12)))
    plain, turned = (Batches(pairs, fit(pairs), batch_size=4, seed=1, flips=on, transposes=on) for on in (False, True))
    seen = set()
    for epoch in range(4):
        for one, other in zip(plain.epoch(epoch), turned.epoch(epoch), strict=True):
            for number in range(len(one.target)):
                how = _turn_between(one.target[number], other.target[number])
                assert _turn_between(one.condition[number], other.condition[number]) == how
                seen.add(how)
    assert seen == set(range(8))


def test_a_domain_that_is_no_square_is_not_transposed(month):
    with pytest.raises(RecipeError, match=r"CD-037 train.transposes: the domain has 10 x 15 cells"):
        batches(*month, transposes=True)


def _turn_between(one, other):
    for how in range(8):
        field = one.flip([axis for axis, bit in ((-2, 1), (-1, 2)) if how & bit]) if how & 3 else one
        if torch.equal(field.transpose(-2, -1) if how & 4 else field, other):
            return how
    raise AssertionError("no turn of the square")


def test_flips_of_a_date_do_not_depend_on_batch_or_buffer(month):
    fields = {}
    for size, buffer in ((4, 9), (1, 31)):
        source = batches(*month, flips=True, batch_size=size, buffer_times=buffer)
        fields[size] = {
            int(index): target
            for batch in source.epoch(0)
            for index, target in zip(batch.time_index, batch.target, strict=True)
        }
    assert all(torch.equal(target, fields[1][index]) for index, target in fields[4].items())


def test_the_cache_serves_later_epochs_without_reading(month):
    source, uncached = batches(*month, cache_bytes=10**9), batches(*month)
    list(source.epoch(0))
    read = count_reads(source)
    assert same(list(source.epoch(1)), list(uncached.epoch(1)))
    assert read == []


def test_the_cache_keeps_to_its_size(month):
    pairs, encoder = month
    chunk_bytes = 3 * (encoder.n_condition + encoder.n_target) * 10 * 15 * 4
    source = batches(pairs, encoder, cache_bytes=4 * chunk_bytes + 1)
    list(source.epoch(0))
    assert len(source._chunks.cache) == 4


@pytest.mark.parametrize("cache_bytes", [0, 10**9])
def test_small_chunks_are_read_together_in_the_same_order(month, monkeypatch, cache_bytes):
    settings = {"chunk_times": 2, "buffer_times": 16, "cache_bytes": cache_bytes}
    together = batches(*month, **settings)
    monkeypatch.setattr("climdiff.data.batches.MOST_TOGETHER", 1)
    alone = batches(*month, **settings)
    assert (together.chunks_together, alone.chunks_together) == (2, 1)
    for epoch in (0, 1):
        assert same(list(together.epoch(epoch)), list(alone.epoch(epoch)))
        assert same(list(together.epoch(epoch, start=3)), list(alone.epoch(epoch, start=3)))


def test_large_fields_are_not_read_together(month, monkeypatch):
    monkeypatch.setattr("climdiff.data.batches.SMALL_CELLS", 2 * 2 * 10 * 15 - 1)
    assert batches(*month, chunk_times=2, buffer_times=32).chunks_together == 1


def test_changing_a_batch_in_place_leaves_the_cache_alone(month):
    source = batches(*month, cache_bytes=10**9)
    first = [Batch(*(tensor.clone() for tensor in batch)) for batch in source.epoch(0)]
    for batch in source.epoch(0):
        batch.target.zero_()
        batch.condition.zero_()
    assert same(list(source.epoch(0)), first)


def test_memory_does_not_grow_with_the_length_of_the_store(fields, fit):
    peaks = []
    for n_times in (30, 90):
        pairs = align(fields(n_times=n_times), fields(n_times=n_times, shape=(40, 60)))
        encoder = fit(pairs)
        source = batches(pairs, encoder, batch_size=2, chunk_times=5, buffer_times=15)
        tracemalloc.start()
        for _ in source.epoch(0):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    two_buffers = 2 * 15 * (encoder.n_condition + encoder.n_target) * 40 * 60 * 4
    assert 0.5 * two_buffers < peaks[0] < 1.75 * two_buffers
    assert peaks[1] < 1.75 * two_buffers


def test_a_batch_larger_than_the_data_is_refused(month):
    with pytest.raises(RecipeError, match="CD-037 batches: batch size 32, expected 1 to 31"):
        batches(*month, batch_size=32)


@pytest.mark.parametrize(("stored", "expected"), [(64, 64), (366, 366), (1, 32), (2000, 32), (None, 32)])
def test_the_chunk_of_the_store_is_used_when_it_is_sensible(month, stored, expected):
    pairs, encoder = month
    if stored is not None:
        pairs.fine["pr"].encoding["preferred_chunks"] = {"time": stored, "y": 10, "x": 15}
    assert Batches(pairs, encoder, batch_size=4, seed=0).chunk_times == expected


def test_gaps_left_by_skipped_dates_do_not_matter(fields, encoder):
    fine = fields(n_times=31, shape=(10, 15))
    fine["pr"][5, 0, 0] = np.nan
    static = xr.Dataset({"orography": (("y", "x"), np.add.outer(np.arange(10.0), np.arange(15.0)))})
    pairs = apply_missing_policy(align(fields(n_times=31), fine, static), "skip_date")
    assert sorted(order(batches(pairs, encoder, batch_size=1))) == list(range(30))


def test_infinite_values_stop_with_their_date(month):
    pairs, encoder = month
    pairs.coarse["pr"][17, 2, 2] = np.inf
    with pytest.raises(DataError, match="2001-01-18"):
        list(batches(pairs, encoder).epoch(0))


@pytest.mark.slow
def test_any_number_of_workers_gives_the_same_batches(month):
    alone = batches(*month, flips=True)
    before = torch.get_rng_state()
    for workers, epoch, start in ((1, 0, 0), (2, 1, 2)):
        source = batches(*month, flips=True, workers=workers)
        assert same(list(source.epoch(epoch, start)), list(alone.epoch(epoch, start)))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.slow
def test_an_error_in_a_worker_arrives_whole(month):
    pairs, encoder = month
    pairs.coarse["pr"][17, 2, 2] = np.inf
    with pytest.raises(DataError, match="2001-01-18") as error:
        list(batches(pairs, encoder, workers=1).epoch(0))
    assert [problem.code for problem in error.value.problems] == [33]


def test_real_rain_is_batched(real_data: Path, fit):
    folder = real_data / "radar2km_dev"
    with (
        xr.open_dataset(folder / "val_coarse.nc", chunks=None) as coarse,
        xr.open_dataset(folder / "val_fine.nc", chunks=None) as fine,
    ):
        pairs = align(coarse, fine)
        source = Batches(pairs, fit(pairs), batch_size=8, seed=0, flips=True)
        assert source.chunk_times == 64
        first = next(source.epoch(0))
        assert first.target.shape == (8, 1, 64, 64)
        assert torch.isfinite(first.target).all()


def test_an_object_store_gives_the_same_batches(month):
    pairs, encoder = month
    memory = MemoryStore()
    pairs.fine.to_zarr(ObjectStore(memory), encoding={"pr": {"chunks": (3, 10, 15)}}, consolidated=False)
    with xr.open_zarr(ObjectStore(memory, read_only=True), chunks=None, consolidated=False) as fine:
        remote = align(pairs.coarse, fine, pairs.static)
        assert same(list(batches(remote, encoder).epoch(0)), list(batches(pairs, encoder).epoch(0)))


def count_reads(source: Batches) -> list[int]:
    """Return a list that fills with the numbers of the chunks that are read."""
    read: list[int] = []
    pairs = source._chunks.pairs
    guess = type(pairs).guess

    class Counting(type(pairs)):
        def guess(self, index):
            read.extend(dict.fromkeys(int(position) // source.chunk_times for position in index))
            return guess(self, index)

    source._chunks.pairs = Counting(**vars(pairs))
    return read


def test_a_loader_that_is_dropped_may_be_closed_by_the_thread_that_reads():
    held, closed = [], []
    is_dropped = threading.Event()

    class Chunks:
        def __getitem__(self, handful):
            if handful == (1,):
                is_dropped.wait()
                held.pop().close()  # as the garbage collector does, wherever it happens to run
                closed.append(handful)
            return handful

    ahead = _in_a_thread(Chunks(), [(number,) for number in range(6)], 1)
    assert next(ahead) == (0,)
    held.append(ahead)
    del ahead
    is_dropped.set()
    for thread in threading.enumerate():
        if thread.name.startswith(READER):
            thread.join(20)
            assert not thread.is_alive()
    assert closed == [(1,)]
