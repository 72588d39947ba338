"""What a model is judged beside, as ensembles that are made a block of times at a time when they are read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import dask.array
import numpy as np
import xarray as xr

from climdiff import ladder
from climdiff.data.pairs import Pairs
from climdiff.downscalers.contract import Downscaler, realization_coordinate
from climdiff.recipe.schema import Recipe
from climdiff.workflow import rungs

BLOCK_TIMES = 32
KEPT_BYTES = 128 * 2**20


@dataclass
class Kept:
    """The blocks that were drawn last, up to `KEPT_BYTES` but at least one; ensembles read in turn share it.

    Scores read one variable after the other, and pairs of them together; a block has all variables.
    """

    blocks: dict[tuple[object, int], xr.Dataset] = field(default_factory=dict)

    def block(self, key: tuple[object, int], draw: Callable[[], xr.Dataset]) -> xr.Dataset:
        """Return the block of an ensemble that begins at a time, drawn if it is not kept."""
        made = self.blocks.pop(key, None)
        self.blocks[key] = made = draw() if made is None else made
        while len(self.blocks) > 1 and sum(each.nbytes for each in self.blocks.values()) > KEPT_BYTES:
            del self.blocks[next(iter(self.blocks))]
        return made


def baselines(
    recipe: Recipe, train: Pairs, test: Pairs, say: Callable[[str], None]
) -> tuple[dict[str, xr.Dataset], dict[str, str]]:
    """Return the ensembles of the baselines that need no network, fitted on `train`, at the times of `test`.

    Those of the ladder that do not go with the data come second, with the reason, and `say` takes a line of each.

    Raises:
        RecipeError: as `ladder.baselines`.
    """
    kept, left_out = Kept(), dict[str, str]()

    def leave(name: str, why: str) -> None:
        left_out[name] = why
        say(f"'{name}' is left out: {why}")

    return {
        name: lazily(each.downscaler, test.coarse, list(each.members), recipe.seed, test, each.variables, kept)
        for name, each in ladder.baselines(rungs.without(recipe), train, leave).items()
    }, left_out


def networks(
    recipe: Recipe, run: Path, test: Pairs, say: Callable[[str], None], needed: Collection[str] = ()
) -> dict[str, xr.Dataset]:
    """Return the ensembles of the neural baselines trained below `run`; of one that is not, `say` how to.

    Raises:
        RecipeError: as `rungs.trained`, where one is `needed`.
    """
    kept = Kept()
    return {
        name: lazily(model.downscaler, test.coarse, rungs.members(recipe, name), recipe.seed, test, kept=kept)
        for name, model in rungs.trained(recipe, run, say, needed).items()
    }


def lazily(
    downscaler: Downscaler,
    coarse: xr.Dataset,
    members: list[int],
    seed: int,
    like: Pairs,
    variables: Sequence[str] | None = None,
    kept: Kept | None = None,
) -> xr.Dataset:
    """Return the ensemble of a downscaler as a lazy Dataset that is made a block of times at a time when it is read.

    `variables` are those that it makes; all targets by default. They are drawn together and left in `kept`.
    """
    assert like.fine is not None
    grid, fine = like.fine_grid, like.fine
    starts = range(0, coarse.sizes["time"], BLOCK_TIMES)
    dims = ("realization", "time", grid.y_dim, grid.x_dim)

    own, shared = object(), Kept() if kept is None else kept

    def draw(start: int) -> xr.Dataset:
        return downscaler.downscale(coarse.isel(time=slice(start, start + BLOCK_TIMES)).load(), members, seed)

    def block(name: str, start: int) -> np.ndarray:
        return shared.block((own, start), lambda: draw(start))[name].transpose(*dims).values

    fields = {}
    for name in fine.data_vars if variables is None else variables:
        parts = []
        for start in starts:
            n_times = min(BLOCK_TIMES, coarse.sizes["time"] - start)
            shape = (len(members), n_times, *grid.shape)
            part = dask.array.from_delayed(dask.delayed(block)(str(name), start), shape, np.float32)
            parts.append(part)
        fields[name] = (dims, dask.array.concatenate(parts, axis=1), dict(fine[name].attrs))
    coordinates = {"realization": realization_coordinate(members), "time": coarse["time"].variable}
    return grid.attach(xr.Dataset(fields, coordinates))
