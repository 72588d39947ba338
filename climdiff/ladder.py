"""The ladder: every method the model is judged beside, fitted on the same training pairs, by its name in a recipe."""

from __future__ import annotations

from typing import NamedTuple

from climdiff import build
from climdiff.catalog.synthetic import World
from climdiff.data.pairs import Pairs
from climdiff.downscalers.analogs import Analogs
from climdiff.downscalers.climatology import Climatology
from climdiff.downscalers.contract import Downscaler
from climdiff.downscalers.interpolation import Interpolation
from climdiff.downscalers.oracle import Oracle
from climdiff.errors import Problem, RecipeError
from climdiff.recipe.schema import Recipe


class Baseline(NamedTuple):
    """A downscaler to be judged beside the model, with the member numbers of its ensemble."""

    downscaler: Downscaler
    members: range


def baselines(recipe: Recipe, train: Pairs) -> dict[str, Baseline]:
    """Return the methods the recipe wants the model judged beside, fitted on the training pairs.

    Raises:
        RecipeError: CD-037, an oracle for data that are not of the embedded world; CD-036, interpolation of a target
            that the coarse data do not have.
    """
    return {name: _baseline(name, recipe, train) for name in recipe.verify.baselines}


def _baseline(name: str, recipe: Recipe, train: Pairs) -> Baseline:
    assert train.fine is not None
    data = recipe.data
    match name:
        case "bilinear":
            build.chosen(train.coarse, data.targets, "verify.baselines: bilinear", data.coarse)
            return Baseline(Interpolation(train.coarse_grid, train.fine_grid, data.targets), range(1))
        case "climatology":
            return Baseline(Climatology(train.fine), range(min(recipe.verify.climatology_members, train.n_times)))
        case "analogs":
            analogs = Analogs(train.fine, train.coarse, data.predictors)
            return Baseline(analogs, range(min(recipe.verify.analogs, train.n_times)))
        case "oracle":
            if not data.fine.startswith("world/"):
                what = f"an oracle knows the law of the embedded world only, and data.fine is {data.fine}"
                raise RecipeError(Problem(37, "verify.baselines", what, "remove oracle"))
            world = World.from_options(dict(data.options))
            return Baseline(Oracle(world, data.targets), range(recipe.generate.members))
        case unknown:
            raise AssertionError(f"the recipe let an unknown baseline through: {unknown}")
