"""The ladder: every method the model is judged beside, fitted on the same training pairs, by its name in a recipe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple, get_args

from climdiff import build
from climdiff.catalog.synthetic import World
from climdiff.data.conservation import block_weights
from climdiff.data.digest import digest
from climdiff.data.pairs import Pairs
from climdiff.downscalers.analogs import Analogs
from climdiff.downscalers.bcsd import BCSD
from climdiff.downscalers.climatology import Climatology
from climdiff.downscalers.contract import Downscaler
from climdiff.downscalers.interpolation import Interpolation
from climdiff.downscalers.oracle import Oracle
from climdiff.downscalers.pixel_law import PixelLaw
from climdiff.downscalers.quantile_mapping import QuantileMapping
from climdiff.downscalers.rainfarm import RainFARM
from climdiff.downscalers.regression import Regression
from climdiff.downscalers.rescaled import Rescaled
from climdiff.downscalers.training_fields import with_whole_fields
from climdiff.errors import ClimdiffError, Problem, RecipeError
from climdiff.grids.blocks import Blocks, blocks_of
from climdiff.recipe import fields
from climdiff.recipe.schema import Recipe

FROM_TARGETS = ("bilinear", "conservative", "pixel_law", "quantile_mapping", "bcsd")
FROM_BLOCKS = ("rescaled_analogs", "rescaled_regression", "rainfarm")
UNFIT = frozenset({20, 21, 33, 34, 36, 37, 75})
"""The faults of a method that does not go with the data; any other, as that of a damaged file, is one of the data."""
FEWEST_TIMES = 20
"""Training times of a regression; fewer leave nothing to choose its components by."""


class Baseline(NamedTuple):
    """A downscaler to be judged beside the model: the numbers of its members, and the targets it makes."""

    downscaler: Downscaler
    members: range
    variables: tuple[str, ...]


def baselines(
    recipe: Recipe, train: Pairs, leave: Callable[[str, str], None] = lambda name, why: None
) -> dict[str, Baseline]:
    """Return the methods the recipe wants the model judged beside, fitted on the training pairs.

    `ladder` is every method that the data allow, for the targets that they allow it for; `leave` is told of the others,
    and why. Training dates whose fields miss cells that others have are left out for all.

    Raises:
        RecipeError: A method asked for by name that does not go with the data: CD-037, an oracle of other data than the
            embedded world; CD-036, one that needs the coarse field of a target where there is none; CD-020, one that
            needs coarse fields that are block means; CD-033, a regression on too few dates.
        DataError: CD-033, no date has whole fine fields; a method asked for by name that cannot be fitted.
        ClimdiffError: Any other fault, as of a damaged file, ends the ladder, too.
    """
    known = _Known.of(recipe, train)
    if recipe.verify.baselines != "ladder":
        return {name: known.fit(name, known.variables(name, asked=True)) for name in recipe.verify.baselines}
    found = {}
    for name in get_args(fields.Baseline):
        try:
            found[name] = known.fit(name, known.variables(name, asked=False))
        except ClimdiffError as error:
            why = _why_unfit(error)
            if name != "oracle":  # which nobody misses outside the embedded world
                leave(name, why)
    return found


def _why_unfit(error: ClimdiffError) -> str:
    """Return why a method does not go with the data; raise what is wrong with the data themselves."""
    if not {problem.code for problem in error.problems} <= UNFIT:
        raise error
    return error.problems[0].what


def check(recipe: Recipe, train: Pairs) -> None:
    """Refuse the methods the recipe names that do not go with the data, as `baselines` does, without fitting any."""
    known = _Known.of(recipe, train)
    for name in recipe.verify.baselines if recipe.verify.baselines != "ladder" else ():
        known.variables(name, asked=True)


@dataclass(frozen=True, eq=False)
class _Known:
    """What is known of recipe and data before anything is fitted; `train` has dates with whole fields only.

    `blocks` has how fine cells make up coarse ones for each target whose coarse field is their mean, `unblocked` why
    the others have none. `fitted` keeps what is fitted, by method: two rungs may share it.
    """

    recipe: Recipe
    train: Pairs
    blocks: Mapping[str, Blocks]
    unblocked: Mapping[str, str]
    fitted: dict[str, tuple[Downscaler, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, recipe: Recipe, train: Pairs) -> _Known:
        if recipe.data.on_missing != "error":
            train = with_whole_fields(train)
        blocks, unblocked = {}, {}
        asked = recipe.verify.baselines
        if asked == "ladder" or set(asked) & set(FROM_BLOCKS):
            for name in recipe.data.targets:
                try:
                    build.chosen(train.coarse, [name], "verify.baselines", recipe.data.coarse)
                    plain = block_weights(train, [name])[name] == "plain"
                except ClimdiffError as error:
                    unblocked[name] = _why_unfit(error)
                else:
                    whole = blocks_of(train.coarse_grid, train.fine_grid)
                    blocks[name] = whole.plain() if plain else whole
        return cls(recipe, train, blocks, unblocked)

    def variables(self, name: str, *, asked: bool) -> tuple[str, ...]:
        """Return the targets that a method can make of these data, all of them if it was `asked` for; else refuse."""
        if name not in get_args(fields.Baseline):
            raise AssertionError(f"the recipe let an unknown baseline through: {name}")
        data, where = self.recipe.data, f"verify.baselines: {name}"
        targets = data.targets
        if name == "oracle" and not data.fine.startswith("world/"):
            what = f"an oracle knows the law of the embedded world only, and data.fine is {data.fine}"
            raise RecipeError(Problem(37, "verify.baselines", what, "remove oracle"))
        if name in ("regression", "rescaled_regression") and self.train.n_times < FEWEST_TIMES:
            what = f"{self.train.n_times} training dates with whole fields, expected at least {FEWEST_TIMES}"
            raise RecipeError(Problem(33, where, what, "remove it, or train on more dates"))
        if name in FROM_TARGETS:
            shared = tuple(target for target in targets if target in self.train.coarse.data_vars)
            if asked or not shared:
                build.chosen(self.train.coarse, targets, where, data.coarse)
            return shared
        if name in FROM_BLOCKS:
            chosen = tuple(t for t in targets if t in self.blocks and (name != "rainfarm" or t in self.positive))
            if not chosen or (asked and name != "rainfarm" and len(chosen) < len(targets)):
                reasons = [*self.unblocked.values()] or ["no target has 0 as its least value (lower_bound: 0)"]
                raise RecipeError(Problem(20, where, reasons[0], "remove it from verify.baselines"))
            return chosen if name == "rainfarm" else targets
        return targets

    @property
    def positive(self) -> frozenset[str]:
        """The targets whose least value by nature is 0."""
        assert self.train.fine is not None
        fine = self.train.fine
        return frozenset(name for name in self.recipe.data.targets if fine[name].attrs.get("lower_bound") == 0)

    @cached_property
    def limits(self) -> dict[str, tuple[float, float]]:
        """Return the physical range that members are kept in, as the model's."""
        assert self.train.fine is not None
        attributes = {name: self.train.fine[name].attrs for name in self.recipe.data.targets}
        ranges = digest(self.train).ranges
        found = {name: ranges["fine", name] for name in attributes}
        return build.limits(found, attributes, self.recipe.sample.largest)

    def fit(self, name: str, variables: tuple[str, ...]) -> Baseline:
        """Return a method fitted on the training pairs."""
        downscaler, n_members = self._once(name, variables)
        return Baseline(downscaler, range(n_members), variables)

    def _once(self, name: str, variables: tuple[str, ...]) -> tuple[Downscaler, int]:
        if name not in self.fitted:
            self.fitted[name] = self._fit(name, variables)
        return self.fitted[name]

    def _fit(self, name: str, variables: tuple[str, ...]) -> tuple[Downscaler, int]:
        """Return the downscaler and its number of members: as many as the model where there is no end of them."""
        recipe, train, data = self.recipe, self.train, self.recipe.data
        assert train.fine is not None
        like_model = recipe.generate.members
        n_analogs = min(recipe.verify.analogs, train.n_times)
        match name:
            case "bilinear" | "conservative":
                return Interpolation(train.coarse_grid, train.fine_grid, variables, name), 1
            case "climatology":
                return Climatology(train.fine), min(recipe.verify.climatology_members, train.n_times)
            case "pixel_law":
                return PixelLaw(train, variables), like_model
            case "quantile_mapping":
                return QuantileMapping(train, variables), 1
            case "bcsd":
                return BCSD(train, variables, calendar=data.calendar), 1
            case "analogs":
                return Analogs(train.fine, train.coarse, data.predictors), n_analogs
            case "regression":
                return Regression(train, *build.pipelines(recipe), calendar=data.calendar), like_model
            case "rescaled_analogs" | "rescaled_regression":
                method, n_members = self._once(name.removeprefix("rescaled_"), variables)
                return Rescaled(method, self.blocks, self.limits, self.positive), n_members
            case "rainfarm":
                return RainFARM(train, {v: self.blocks[v] for v in variables}, self.limits), like_model
            case "oracle":
                return Oracle(World.from_options(dict(data.options)), variables), like_model
            case _:
                raise AssertionError(f"no way to fit {name}")
