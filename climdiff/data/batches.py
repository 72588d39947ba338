"""Batches of tensors for training, in an order drawn from nothing but the seed and the epoch.

A store is fastest to read in whole runs of dates, while training wants them in random order. The dates are cut into
chunks of consecutive dates; the order of the chunks is drawn for each epoch; as many chunks as fit the buffer are read
together, each once per epoch; and the dates inside the buffer are drawn in random order. The next buffer is read in a
thread, or by workers, while batches are drawn from this one: memory holds two, however long the store is. Small chunks
are read a few at a time: labelled arithmetic costs as much for one as for four. The sizes of chunk, buffer and batch
shape the order too: to resume exactly, keep them.
"""

from __future__ import annotations

import multiprocessing
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
import xarray as xr
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from climdiff.data.encoder import Encoder
from climdiff.data.pairs import Pairs
from climdiff.errors import ClimdiffError, Problem, RecipeError

DEFAULT_CHUNK_TIMES = 32
MOST_TOGETHER = 4
"""Chunks read at a time, where they are small."""
SMALL_CELLS = 2**20
"""Values of one variable up to which chunks read at a time are small."""
# Tags that keep the random streams of one (seed, epoch) apart.
CHUNK_ORDER, BUFFER_ORDER, TURNS = range(3)
READER = "climdiff-read"
"""Name of the thread that reads ahead."""


class Batch(NamedTuple):
    """Samples: target (batch, n_target, y, x), condition (batch, n_condition, y, x), position in time (batch,)."""

    target: Tensor
    condition: Tensor
    time_index: Tensor


class Batches:
    """Endless, exactly resumable source of full batches drawn from pairs; a partial last batch is dropped.

    Args:
        pairs: What to draw from.
        encoder: Makes tensors of it.
        batch_size: Samples per batch.
        seed: With the epoch, the only source of randomness.
        flips: Mirror target and condition together, up-down and left-right, each with probability 1/2.
        transposes: Exchange y and x of both with probability 1/2; needs a square domain.
        buffer_times: Dates among which the order is random and which are in memory together; a multiple of the chunk
            is used.
        chunk_times: Dates read together; by default the chunk of the store when it is neither tiny nor large beside
            the buffer, else 32.
        workers: Processes that read ahead; any number gives the same batches. 0 is a thread of this process.
        cache_bytes: With `workers=0`, encoded chunks are kept in memory up to this size, so that a small data set is
            read and regridded in the first epoch only.

    Raises:
        RecipeError: CD-037 when there are fewer dates than samples in a batch, or the domain to transpose is no square.
    """

    def __init__(
        self,
        pairs: Pairs,
        encoder: Encoder,
        batch_size: int,
        seed: int,
        *,
        flips: bool = False,
        transposes: bool = False,
        buffer_times: int = 1024,
        chunk_times: int | None = None,
        workers: int = 0,
        cache_bytes: int = 2 * 1024**3,
    ) -> None:
        if not 0 < batch_size <= pairs.n_times:
            what = f"batch size {batch_size}, expected 1 to {pairs.n_times}, the number of training dates"
            raise RecipeError(Problem(37, "batches", what, "lower train.batch_size or choose a longer training period"))
        ny, nx = encoder.grid.shape
        if transposes and ny != nx:
            what = f"the domain has {ny} x {nx} cells: only a square can be transposed"
            raise RecipeError(Problem(37, "train.transposes", what, "set train.transposes to false"))
        self.n_times = pairs.n_times
        self.batch_size = batch_size
        self.seed = seed
        self.flips = flips
        self.transposes = transposes
        self.workers = workers
        self.chunk_times = chunk_times or _store_chunk(pairs, buffer_times)
        self.chunks_per_buffer = max(1, buffer_times // self.chunk_times)
        fitting = min(MOST_TOGETHER, self.chunks_per_buffer // 4, SMALL_CELLS // (self.chunk_times * ny * nx))
        self.chunks_together = max(1, fitting)
        self._chunks = _Chunks(pairs, encoder, self.chunk_times, cache_bytes if workers == 0 else 0)

    @property
    def batches_per_epoch(self) -> int:
        """Return the number of full batches in an epoch."""
        return self.n_times // self.batch_size

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch from number `start` on, without reading what only earlier batches need."""
        turned = self._turned(epoch)
        samples: list[tuple[Tensor, Tensor, int]] = []
        for target, condition, index in self._samples(epoch, start * self.batch_size):
            samples.append((_turn(target, turned[index]), _turn(condition, turned[index]), index))
            if len(samples) == self.batch_size:
                batch = Batch(
                    torch.stack([sample[0] for sample in samples]),
                    torch.stack([sample[1] for sample in samples]),
                    torch.tensor([sample[2] for sample in samples]),
                )
                # Samples are views that keep their whole chunk in memory.
                samples.clear()
                yield batch

    def _samples(self, epoch: int, skip: int) -> Iterator[tuple[Tensor, Tensor, int]]:
        """Yield single samples in order from number `skip` on; the two tensors are views into chunks."""
        buffers = self._buffers(epoch)
        sizes = [int(sum(len(self._chunks.times(chunk)) for chunk in buffer)) for buffer in buffers]
        first = int(np.searchsorted(np.cumsum(sizes), skip, side="right"))
        skip -= sum(sizes[:first])
        chunks = self._read([handful for buffer in buffers[first:] for handful in self._handfuls(buffer)])
        for number, buffer in enumerate(buffers[first:], start=first):
            order = self._generator(BUFFER_ORDER, epoch, number).permutation(sizes[number])
            yield from self._shuffled(list(islice(chunks, len(buffer))), buffer, order[skip:])
            skip = 0

    def _shuffled(
        self, read: list[tuple[Tensor, Tensor]], buffer: np.ndarray, order: np.ndarray
    ) -> Iterator[tuple[Tensor, Tensor, int]]:
        ends = np.cumsum([len(target) for target, _ in read])
        for position in order:
            which = int(np.searchsorted(ends, position, side="right"))
            target, condition = read[which]
            row = int(position - ends[which] + len(target))
            yield target[row], condition[row], self._chunks.times(int(buffer[which]))[row]

    def _read(self, handfuls: Sequence[tuple[int, ...]]) -> Iterator[tuple[Tensor, Tensor]]:
        if self.workers:
            ahead: Iterable[Encoded] = _by_workers(self._chunks, handfuls, self.workers, self.seed)
        else:
            ahead = _in_a_thread(self._chunks, handfuls, -(-self.chunks_per_buffer // self.chunks_together))
        for encoded in ahead:
            if isinstance(encoded, ClimdiffError):
                raise encoded
            yield from encoded

    def _handfuls(self, buffer: np.ndarray) -> list[tuple[int, ...]]:
        """Return the chunks of a buffer in the order they are needed, those read at a time together."""
        step = self.chunks_together
        return [tuple(map(int, buffer[at : at + step])) for at in range(0, len(buffer), step)]

    def _buffers(self, epoch: int) -> list[np.ndarray]:
        """Return the numbers of the chunks read together, buffer by buffer."""
        order = self._generator(CHUNK_ORDER, epoch).permutation(len(self._chunks))
        return [order[at : at + self.chunks_per_buffer] for at in range(0, len(order), self.chunks_per_buffer)]

    def _turned(self, epoch: int) -> np.ndarray:
        """Return for each time index the sum of 1 (flipped up-down), 2 (left-right) and 4 (transposed)."""
        allowed = (3 if self.flips else 0) | (4 if self.transposes else 0)
        if not allowed:
            return np.zeros(self.n_times, dtype=np.uint8)
        return self._generator(TURNS, epoch).integers(0, 8, size=self.n_times, dtype=np.uint8) & np.uint8(allowed)

    def _generator(self, *address: int) -> np.random.Generator:
        return np.random.Generator(np.random.Philox(np.random.SeedSequence([self.seed, *address])))


def _turn(field: Tensor, how: int) -> Tensor:
    axes = [axis for axis, bit in ((-2, 1), (-1, 2)) if how & bit]
    flipped = field.flip(axes) if axes else field
    return flipped.transpose(-2, -1) if how & 4 else flipped


Encoded = list[tuple[Tensor, Tensor]] | ClimdiffError


class _Chunks(Dataset):
    """Encoded chunks by numbers: (target, condition) of consecutive dates each, or the error that reading them met."""

    def __init__(self, pairs: Pairs, encoder: Encoder, chunk_times: int, cache_bytes: int) -> None:
        self.pairs = pairs
        self.encoder = encoder
        self.chunk_times = chunk_times
        self.free_bytes = cache_bytes
        self.cache: dict[int, tuple[Tensor, Tensor]] = {}

    def __len__(self) -> int:
        return (self.pairs.n_times + self.chunk_times - 1) // self.chunk_times

    def times(self, chunk: int) -> range:
        start = chunk * self.chunk_times
        return range(start, min(start + self.chunk_times, self.pairs.n_times))

    def __getitem__(self, chunks: tuple[int, ...]) -> Encoded:
        absent = sorted(chunk for chunk in chunks if chunk not in self.cache)
        try:
            found = dict(zip(absent, self._encode(absent), strict=True)) if absent else {}
        except ClimdiffError as error:
            # Returned, not raised: torch would re-raise a worker's error as text, without its problems.
            return error
        size = sum(tensor.nbytes for encoded in found.values() for tensor in encoded)
        if size <= self.free_bytes:
            self.free_bytes -= size
            self.cache |= found
        return [found[chunk] if chunk in found else self.cache[chunk] for chunk in chunks]

    def _encode(self, chunks: Sequence[int]) -> list[tuple[Tensor, Tensor]]:
        """Return the chunks, which share the memory of one read."""
        lengths = [len(self.times(chunk)) for chunk in chunks]
        index = np.concatenate([np.asarray(self.times(chunk)) for chunk in chunks])
        guess = self.pairs.guess(index)
        target, condition = self.encoder.target(self.pairs.truth(index), guess), self.encoder.condition(guess)
        return list(zip(target.split(lengths), condition.split(lengths), strict=True))


def _in_a_thread(chunks: _Chunks, order: Sequence[tuple[int, ...]], ahead: int) -> Iterator[Encoded]:
    """Yield chunks in order; up to `ahead` more items are read meanwhile. Closing it waits for the one being read.

    Dropped unclosed, it may be closed by the garbage collection of the very thread that reads, which cannot wait.
    """
    waiting: deque[Future] = deque()
    reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix=READER)
    try:
        for handful in order:
            waiting.append(reader.submit(chunks.__getitem__, handful))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        is_reader = threading.current_thread().name.startswith(READER)
        reader.shutdown(wait=not is_reader, cancel_futures=True)


def _by_workers(chunks: _Chunks, order: Sequence[tuple[int, ...]], workers: int, seed: int) -> DataLoader:
    """Return a loader whose processes inherit no threads of this one, and which leaves the global generator alone."""
    context = multiprocessing.get_context("forkserver")
    # The server imports torch and xarray once for all workers.
    context.set_forkserver_preload([__name__])
    return DataLoader(
        chunks,
        batch_size=None,
        sampler=order,
        num_workers=workers,
        multiprocessing_context=context,
        generator=torch.Generator().manual_seed(seed),
    )


def _store_chunk(pairs: Pairs, buffer_times: int) -> int:
    """Return how many consecutive dates to read together: a chunk of the store, where two of them fit in a buffer."""
    fields: list[xr.DataArray] = [] if pairs.fine is None else list(pairs.fine.data_vars.values())
    found = [int(field.encoding.get("preferred_chunks", {}).get("time", 0)) for field in fields]
    largest = max(found, default=0)
    if DEFAULT_CHUNK_TIMES // 2 <= largest <= buffer_times // 2:
        return largest
    return min(DEFAULT_CHUNK_TIMES, buffer_times)
