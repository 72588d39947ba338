"""What a recipe gives members beside the predictors: station values and fields with gaps, opened and checked."""

from __future__ import annotations

import xarray as xr

from climdiff import build
from climdiff.catalog.locations import local_paths
from climdiff.data.inputs import open_file
from climdiff.data.observations import Observations
from climdiff.downscalers.steering import ByKnownCells
from climdiff.recipe.schema import Recipe


def opened(recipe: Recipe) -> dict[str, xr.Dataset]:
    """Return the data sets that `generate.observations` and `generate.known` name, by these names.

    Raises:
        DataError: CD-012 no such file below CLIMDIFF_DATA, CD-008 no data set.
        SecurityError: CD-042, a path that leads out of CLIMDIFF_DATA.
    """
    given = {"observations": recipe.generate.observations, "known": recipe.generate.known}
    return {key: open_file(local_paths(path, f"generate.{key}")[0]) for key, path in given.items() if path is not None}


def check(recipe: Recipe) -> None:
    """Refuse what members could not be given, long before they are drawn; the data of the recipe are opened for it.

    Raises:
        DataError: as `opened`; everything wrong with station values or known fields, for the grid and targets of the
            recipe; CD-025 dates of another calendar.
    """
    given = opened(recipe)
    if not given:
        return
    pairs = build.open_splits(recipe, (recipe.generate.split,))[recipe.generate.split]
    assert pairs.fine is not None
    targets = {name: pairs.fine[name].attrs for name in recipe.data.targets}
    if "observations" in given:
        stations = given["observations"]
        Observations.from_dataset(stations, pairs.fine_grid, targets, "generate.observations").observed(pairs.times)
    if "known" in given:
        ByKnownCells.from_dataset(given["known"], pairs.fine_grid, targets, "generate.known").acts_on(pairs.times)
