"""Forecasts and one truth in, a score card of each: the same times, cells, thresholds and regions for all."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import dask
import xarray as xr

from climdiff.data.conservation import block_weights
from climdiff.data.pairs import Pairs
from climdiff.errors import ClimdiffError, DataError, OutputError
from climdiff.grids.blocks import Blocks, blocks_of
from climdiff.recipe.schema import Recipe
from climdiff.verification.coarse import Coarse
from climdiff.verification.groups import box
from climdiff.verification.scorecard import Scores, scorecard

GAPS = frozenset({11, 75})
"""The faults of a method that does not take predictors with missing cells: it draws none, or refuses them."""


@dataclass(frozen=True, eq=False)
class Against:
    """What forecasts are scored against, and how.

    Attributes:
        test: The truth, and the coarse fields it belongs to.
        recipe: Its `verify` says how.
        each_time: Scores that are wanted time by time, by variable.
        progress: Called with (method, times done, times to do).
    """

    test: Pairs
    recipe: Recipe
    each_time: Mapping[str, Sequence[str]] = field(default_factory=dict)
    progress: Callable[[str, int, int], None] = lambda method, done, total: None

    def score(self, name: str, forecast: xr.Dataset) -> Scores:
        """Return the scores of one forecast; raises as `scorecard`."""
        assert self.test.fine is not None
        grid, how = self.test.fine_grid, self.recipe.verify
        with dask.config.set(scheduler="synchronous"):
            return scorecard(
                forecast,
                self.test.fine,
                thresholds={v: at for v, at in how.thresholds.items() if v in forecast.data_vars},
                area=grid.cell_area(),
                by_season=how.by_season,
                regions={region: box(grid, region, bounds) for region, bounds in how.regions.items()},
                coarse=self._coarse,
                each_time=self.each_time,
                progress=lambda done, total: self.progress(name, done, total),
            )

    def beside(
        self, contenders: Mapping[str, xr.Dataset], required: Collection[str], say: Callable[[str], None]
    ) -> tuple[dict[str, Scores], dict[str, str]]:
        """Return the scores of baselines, and why others have none: those that do not take missing predictors.

        One that is `required` raises instead.
        """
        scores, left_out = {}, {}
        for name, forecast in contenders.items():
            try:
                scores[name] = self.score(name, forecast)
            except (DataError, OutputError) as error:
                if name in required or not {problem.code for problem in error.problems} <= GAPS:
                    raise
                left_out[name] = error.problems[0].what
                say(f"'{name}' is left out: {left_out[name]}")
        return scores, left_out

    @cached_property
    def _coarse(self) -> dict[str, Coarse]:
        """The coarse fields of fine variables in the same units; none unless coarse cells are blocks of fine ones."""
        test = self.test
        assert test.fine is not None
        try:
            blocks = blocks_of(test.coarse_grid, test.fine_grid)
        except DataError:  # then there are no block means to compare
            return {}
        dims = [("time", grid.y_dim, grid.x_dim) for grid in (test.coarse_grid, test.fine_grid)]
        return {
            str(name): Coarse(test.coarse[name].transpose(*dims[0]), _as_coarse(test, str(name), blocks))
            for name, fine in test.fine.data_vars.items()
            if name in test.coarse
            and fine.dims == dims[1]
            and test.coarse[name].attrs.get("units") == fine.attrs.get("units")
        }


def _as_coarse(test: Pairs, name: str, blocks: Blocks) -> Blocks:
    """Return how the coarse field takes its means: plainly if the truth's come nearer so, else by area."""
    try:
        return blocks.plain() if block_weights(test, [name])[name] == "plain" else blocks
    except ClimdiffError:  # it is no mean of either kind
        return blocks
