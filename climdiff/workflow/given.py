"""What a recipe gives members beside the predictors: station values and fields with gaps, opened and checked."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import xarray as xr

from climdiff import build
from climdiff.catalog.locations import local_paths
from climdiff.data.inputs import open_file
from climdiff.data.observations import Observations
from climdiff.downscalers.steering import ByKnownCells, ByObservations, refuse_other_dates
from climdiff.errors import Problem, RecipeError
from climdiff.recipe.schema import Recipe


def opened(recipe: Recipe, replaced: Collection[str] = ()) -> dict[str, xr.Dataset]:
    """Return the data sets that `generate.observations` and `generate.known` name, by these names.

    Those `replaced` by others are not looked for.

    Raises:
        DataError: CD-012 no such file below CLIMDIFF_DATA, CD-008 no data set.
        RecipeError: CD-037, a pattern that several files fit.
        SecurityError: CD-042, a path that leads out of CLIMDIFF_DATA.
    """
    given = {"observations": recipe.generate.observations, "known": recipe.generate.known}
    return {
        key: open_file(_only(local_paths(path, f"generate.{key}"), f"generate.{key}"))
        for key, path in given.items()
        if path is not None and key not in replaced
    }


def _only(found: list[Path], key: str) -> Path:
    if len(found) > 1:
        what = f"{len(found)} files fit, from {found[0].name} to {found[-1].name}"
        raise RecipeError(Problem(37, key, what, "name one file: join them along time"))
    return found[0]


def check(recipe: Recipe) -> None:
    """Refuse what members could not be given, long before they are drawn; the data of the recipe are opened for it.

    Raises:
        DataError: as `opened`; everything wrong with station values or known fields, for the grid and targets of the
            recipe; CD-023 not one common date, CD-025 dates of another calendar.
    """
    given = opened(recipe)
    if not given:
        return
    pairs = build.open_splits(recipe, (recipe.generate.split,))[recipe.generate.split]
    assert pairs.fine is not None
    targets = {name: pairs.fine[name].attrs for name in recipe.data.targets}
    if "observations" in given:
        stations = given["observations"]
        found = Observations.from_dataset(stations, pairs.fine_grid, targets, "generate.observations")
        refuse_other_dates(ByObservations(found), pairs.times)
    if "known" in given:
        known = ByKnownCells.from_dataset(given["known"], pairs.fine_grid, targets, "generate.known")
        refuse_other_dates(known, pairs.times)
