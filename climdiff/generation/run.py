"""Fills a store with an ensemble, unit by unit, from any downscaler; running it again continues where it stopped.

A unit is written in the background while the next one is drawn.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from climdiff.downscalers.contract import Downscaler
from climdiff.errors import FULL, DataError, OutputError, Problem, RetryError, remedy
from climdiff.generation.background import Background
from climdiff.generation.checks import always_missing, check_space, check_values, incomplete_dates, no_mask
from climdiff.generation.plan import Unit
from climdiff.generation.store import Store, open_store
from climdiff.generation.template import REALIZATION, TIME, Template

_LOCKED = {errno.EROFS, errno.EACCES, errno.EPERM}
_PATIENCE_S = 600.0
_PAUSE_S = 0.05

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Summary:
    """What a run did to its share of the units, and how long it took.

    Attributes:
        path: The store.
        n_units: Units in the share.
        n_written: Units made now; the others were there.
        seconds: All of the run.
        drawing: Seconds in the downscaler.
        writing: Seconds of writing and reading back, beside the drawing.
        waiting: Seconds in which nothing was done but writing.
    """

    path: Path
    n_units: int
    n_written: int
    seconds: float
    drawing: float
    writing: float
    waiting: float


def generate(
    downscaler: Downscaler,
    coarse: xr.Dataset,
    template: Template,
    path: Path,
    *,
    members: int,
    seed: int,
    provenance: Mapping[str, Any],
    times_per_unit: int | None = None,
    members_per_unit: int | None = None,
    chunks: Mapping[str, int] | None = None,
    rank: int = 0,
    world: int = 1,
    progress: Progress | None = None,
    allow_missing: bool = False,
    has_mask: bool = False,
    require_space: bool = True,
    repair: bool = False,
) -> Summary:
    """Make the missing units of an ensemble of `members` members for all times of `coarse`; return what was done.

    `coarse` is lazy, on its own grid. Worker `rank` of `world` makes every world-th unit; without ranks any number of
    processes may run the same call at once. `progress(done, total)` is called after each unit. `allow_missing` lets
    NaN through (masked targets); `has_mask` takes cells without any value for a mask instead of a hole.
    `repair` also hashes every finished chunk and makes damaged ones again.

    Raises:
        MismatchError: CD-044, the path holds something else or another run.
        RecipeError: CD-072, chunks do not fit the units.
        DataError: CD-023, `coarse` has no times.
        OutputError: CD-075, some units could not be made because of their input (all others are); CD-081, values are
            not finite or out of bounds.
        RetryError: CD-070, no space, or a passing trouble of the file system.
    """
    started = time.monotonic()
    if TIME not in coarse.coords or not coarse.sizes.get(TIME):
        raise DataError(
            Problem(23, str(path), "input has no coordinate 'time' or no times", "check the period asked for")
        )
    try:
        store = open_store(
            path,
            template,
            coarse[TIME],
            members,
            {**provenance, "seed": seed},
            times_per_unit=times_per_unit,
            members_per_unit=members_per_unit,
            chunks=chunks,
        )
        try:
            share = store.plan.units[rank::world]
            if require_space:
                check_space(store, len(share))
            filler = _Filler(downscaler, coarse, template, store, seed, allow_missing, has_mask, repair)
            with closing(filler.fill(share)) as settled:
                for done, _ in enumerate(settled, start=1):
                    if progress:
                        progress(done, len(share))
        finally:
            store.close()
    except OSError as error:
        if error.errno not in FULL and not (error.errno in _LOCKED and path.name in str(error.filename)):
            raise
        fix = f"{remedy(error)}, then run the same command again: finished units are kept"
        raise RetryError(Problem(70, str(path), f"cannot write: {error.strerror}", fix)) from error
    if filler.failed:
        raise OutputError(*filler.failed)
    writer = filler.background
    seconds = time.monotonic() - started, filler.drawing, writer.working, writer.waiting
    return Summary(path, len(share), filler.n_written, *seconds)


class _Filler:
    """One worker: makes units, remembers which failed."""

    def __init__(
        self,
        downscaler: Downscaler,
        coarse: xr.Dataset,
        template: Template,
        store: Store,
        seed: int,
        allow_missing: bool,
        has_mask: bool,
        repair: bool,
    ) -> None:
        self.downscaler, self.coarse, self.template, self.store = downscaler, coarse, template, store
        self.seed, self.allow_missing, self.repair = seed, allow_missing, repair
        self.failed: list[Problem] = []
        self.n_written = 0
        self.drawing = 0.0
        self.background = Background()
        self._block: tuple[int, xr.Dataset] | None = None
        self._mask = always_missing(coarse) if has_mask else no_mask(coarse)

    def fill(self, share: Sequence[Unit]) -> Generator[Unit]:
        """Make every unit not done yet, first those that nobody works on.

        Yields each when it is settled or all but written; all are written when the iteration ends, even if it is
        closed early.
        """
        with self.background:
            held = []
            for unit in share:
                if self._settle(unit):
                    yield unit
                else:
                    held.append(unit)
            for unit in held:
                deadline = time.monotonic() + _PATIENCE_S
                while not self._settle(unit, alone=time.monotonic() < deadline):
                    time.sleep(_PAUSE_S)
                yield unit

    def _settle(self, unit: Unit, alone: bool = True) -> bool:
        """Make a unit unless it is done; False if it is another's. Without `alone` it is made all the same."""
        if self.store.is_done(unit, thorough=self.repair):
            return True
        with ExitStack() as claims:
            if not claims.enter_context(self.store.claim(unit)) and alone:
                return False
            if not self.store.is_done(unit, thorough=self.repair):
                values = self._make(unit)
                if values is not None:
                    self.background.wait()  # if that raises, the claim ends here
                    self.background.start(partial(self._write, unit, values, claims.pop_all()))
        return True

    def _write(self, unit: Unit, values: Mapping[str, np.ndarray], claims: ExitStack) -> None:
        with claims:
            self.store.write(unit, values)
        self.n_written += 1

    def _make(self, unit: Unit) -> Mapping[str, np.ndarray] | None:
        """Return the values of a unit; None, and a note of why, where its input does not allow it."""
        block = self._coarse(unit)
        bad = incomplete_dates(block, self._mask)
        if bad:
            what = f"unit {unit.name}: input is missing or not finite ({'; '.join(bad)})"
            fix = "mend the predictors and generate into a new store: this one keeps its other units"
            problem = Problem(75, str(self.store.path), what, fix)
            self.store.mark_failed(unit, str(problem))
            self.failed.append(problem)
            return None
        kept = self.store.read_members(unit)
        n_kept = next((len(values) for values in kept.values()), 0)
        members = range(unit.members.start + n_kept, unit.members.stop)
        began = time.perf_counter()
        made = self.downscaler.downscale(block, list(members), self.seed)
        self.drawing += time.perf_counter() - began
        values = self._arrays(made, block, members)
        check_values(values, self.template, block[TIME], members, str(self.store.path), self.allow_missing)
        return {name: np.concatenate([kept[name], array]) if n_kept else array for name, array in values.items()}

    def _coarse(self, unit: Unit) -> xr.Dataset:
        """Return the input of a unit in memory; neighbours share it."""
        if self._block is None or self._block[0] != unit.time_block:
            self._block = unit.time_block, self.coarse.isel({TIME: unit.times}).load()
        return self._block[1]

    def _arrays(self, made: xr.Dataset, block: xr.Dataset, members: Sequence[int]) -> dict[str, np.ndarray]:
        """Return what a downscaler made as float32 arrays in the order of the store.

        Raises:
            OutputError: CD-081, variables, members, times or sizes are not those asked for.
        """
        arrays, wrong = {}, []
        sizes = (len(members), block.sizes[TIME], *self.template.shape)
        wanted = {REALIZATION: np.asarray(members), TIME: block[TIME].values}
        for dim, values in wanted.items():
            if dim not in made.coords or not np.array_equal(made[dim].values, values):
                wrong.append(f"other values of {dim!r} than asked for")
        for name in self.template.variables:
            if name not in made:
                wrong.append(f"no variable {name!r}")
                continue
            array = made[name].transpose(*self.template.dims).values.astype(np.float32, copy=False)
            arrays[name] = array
            if array.shape != sizes:
                wrong.append(f"{name!r} has shape {array.shape}, expected {sizes}")
        if wrong:
            what = f"{type(self.downscaler).__name__} returned {'; '.join(wrong)}"
            raise OutputError(
                Problem(81, str(self.store.path), what, "report this with the recipe: it is a fault of the method")
            )
        return arrays
