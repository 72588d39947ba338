"""Ensemble in, verdict out: scores the ensemble and every baseline on the same times and cells."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from climdiff import build
from climdiff.data.inputs import open_file
from climdiff.data.netcdf import write_netcdf
from climdiff.data.pairs import Pairs
from climdiff.data.times import MICROSECONDS_PER_HOUR, common_step
from climdiff.errors import DataError, MismatchError, OutputError, Problem, RecipeError
from climdiff.generation.integrity import check_store
from climdiff.generation.receipts import FOLDER
from climdiff.grids.orientation import ordered_as
from climdiff.recipe.load import changed, parse
from climdiff.recipe.schema import Recipe
from climdiff.replacement import replacing
from climdiff.verification import requirements
from climdiff.verification.cells import grid_of, laid_on
from climdiff.verification.ensembles import realization_dim, time_dim
from climdiff.verification.requirements import Requirement
from climdiff.verification.scorecard import Scores, scorecard
from climdiff.verification.sentences import Comparison, footing, nested, sentence, tabled
from climdiff.verification.significance import Difference, compare, paired
from climdiff.workflow import leaks, rungs
from climdiff.workflow.contenders import baselines, networks
from climdiff.workflow.scoring import Against

ENSEMBLE = "ensemble"
OUTPUTS = ("scores.json", "scores.nc", "report.html")
RESERVED = {"verdict", "leaks", "not_searched", "left_out"}
"""Keys of `scores.json` beside the variables."""
LONGEST_NAME = 200
"""Letters of a variable's name; netCDF takes 256, and the names of scores are added to it."""


@dataclass(frozen=True)
class Verdict:
    """All scores of an ensemble and its baselines, and how sure the differences are.

    `scores` is {downscaler: Scores}, the ensemble first; `differences` {(variable, score, baseline): Difference},
    negative where the ensemble is better, whose intervals hold together. `test` has the pairs it was scored on, `unit`
    says what is counted there: days, times or fields. `leaks` are sentences on test fields that are training fields,
    `not_searched` on what was not searched for any; `left_out` has the baselines that could not be scored, and why.
    """

    name: str
    scores: Mapping[str, Scores]
    differences: Mapping[Comparison, Difference]
    ensemble: xr.Dataset
    test: Pairs
    recipe: Recipe | None
    unit: str = "times"
    leaks: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    not_searched: tuple[str, ...] = ()

    def to_json(self) -> dict[str, dict[str, dict[str, float | None]]]:
        """Return {variable: {downscaler: {score: number}}}."""
        each = {name: scores.to_json() for name, scores in self.scores.items()}
        variables = list(self.scores[self.name].variables)
        return {
            variable: {name: table[variable] for name, table in each.items() if variable in table}
            for variable in variables
        }

    def sentences(self, variable: str) -> list[str]:
        """Return one sentence per baseline that a person can quote, and one on how sure they are."""
        own = {key: found for key, found in self.differences.items() if key[0] == variable}
        said = [self.sentence(*key) for key in own]
        n_intervals = sum(found.is_told for found in self.differences.values())
        sure = {footing(found, n_intervals, self.unit) for found in own.values()} - {""}
        return [*said, *sure, *self.leaks]

    def sentence(self, variable: str, score: str, baseline: str) -> str:
        """Return the sentence on one difference."""
        scored = self.scores[baseline][variable]
        found, is_single = self.differences[variable, score, baseline], scored.scalars["n_members"] == 1
        return sentence(score, baseline, found, self.unit, is_single=is_single, units=scored.units)

    def unmet(self, wanted: Sequence[Requirement]) -> list[str]:
        """Return a line for each requirement and variable of which the interval does not say so, and for leaks."""
        return [f"not met: {leak}" for leak in self.leaks if wanted] + [
            f"not met: {each.text}: {variable}: {self.sentence(variable, each.score, each.reference)}"
            for each in wanted
            for variable in ([each.variable] if each.variable else self.scores[each.reference].variables)
            if not self.differences[variable, each.score, each.reference].is_better
        ]

    def judged(self) -> dict[str, Any]:
        """Return {variable: {score: {baseline: difference, interval, level, blocks, method, sentence}}}."""
        return nested(self.differences, {key: self.sentence(*key) for key in self.differences})


def verify(
    path: Path,
    *,
    truth: Path | None = None,
    recipe: Recipe | None = None,
    overrides: Sequence[str] = (),
    require: Sequence[Requirement] = (),
    kept: Path | None = None,
    progress: Callable[[str, int, int], None] = lambda method, done, total: None,
    say: Callable[[str], None] = lambda line: None,
) -> Verdict:
    """Score the ensemble at `path` against the truth and against every baseline of its recipe.

    Args:
        path: A zarr store or netCDF file. One of ours names its recipe, which names truth and baselines.
        truth: The truth of any other CF ensemble, netCDF or zarr; then there are no baselines.
        recipe: A later version of the recipe in the store, for its `verify` and `report`.
        overrides: Keys of `verify`, such as `verify.baselines=full_ladder`, laid on the recipe.
        require: What is to be compared beside the fair CRPS; ask `Verdict.unmet` whether it holds.
        kept: A folder whose scores the verdict is to replace: no baseline there may be lost.
        progress: Called with (downscaler, times done, times to do).
        say: Takes lines for the user: baselines left out, fields not searched for copies, cells of no known area.

    Raises:
        RecipeError: CD-037, a requirement names what is not scored, overrides what is no key of `verify`, or either a
            neural baseline that is not trained.
        MismatchError: CD-044, baselines whose scores are in `kept` are none of this verification.
        OutputError: CD-001 to CD-011, a store of ours is damaged or incomplete.
        DataError: the truth does not fit the ensemble.
    """
    if truth is not None:
        if overrides:
            what = f"{overrides[0]!r} has no recipe to change: the truth is named by --truth"
            raise RecipeError(Problem(37, "command line", what, "leave out one of the two"))
        requirements.check(require, {each.variable: () for each in require if each.variable}, {})
        _refuse_damage(path, truth)
        return _foreign(open_file(path, chunks={}), open_file(truth, chunks={}), progress, say)
    _refuse_damage(path)
    ensemble = open_file(path, chunks={})
    own, split = _origin(path, ensemble)
    recipe = changed(own if recipe is None else recipe, overrides, ("verify",))
    thresholds = {name: recipe.verify.thresholds.get(name, ()) for name in recipe.data.targets}
    splits = build.open_splits(recipe, {"train", split})
    test = _same_times(splits[split], ensemble, path)
    assert test.fine is not None
    needed = _named_by_hand(recipe, overrides, require)
    contenders, unfit = baselines(recipe, splits["train"], test, say)
    contenders |= networks(recipe, path.parent, test, say, needed)
    if kept is not None:
        _refuse_loss(kept, {recipe.model.method, *contenders})
    made = {name: [str(variable) for variable in each.data_vars] for name, each in contenders.items()}
    each_time = requirements.check(require, thresholds, made)
    model: str = recipe.model.method
    against = Against(test, recipe, each_time, progress)
    scores = {model: against.score(model, ensemble)}
    others, left_out = against.beside(contenders, {each.reference for each in require}, say)
    scores |= others
    order, unit = _counted(test)
    differences = _differences(model, scores, order, each_time, recipe.seed)
    found, unsearched = ((), ()) if split == "train" else leaks.leaked(splits["train"], test, build.HELD_BYTES)
    for line in unsearched:
        say(line)
    said = tuple(found), unfit | left_out, tuple(unsearched)
    return Verdict(model, scores, differences, ensemble, test, recipe, unit, *said)


def score_baselines(
    recipe: Recipe,
    split: str = "test",
    progress: Callable[[str, int, int], None] = lambda method, done, total: None,
    say: Callable[[str], None] = lambda line: None,
) -> Verdict:
    """Score every baseline of a recipe on one of its splits; no model is needed. `say` takes lines for the user.

    The verdict has the truth in place of an ensemble, and no differences.

    Raises:
        RecipeError: CD-037, the recipe names no baseline; as `ladder.baselines`.
        DataError: As `build.open_splits`.
    """
    if not recipe.verify.baselines:
        raise RecipeError(Problem(37, "verify.baselines", "names no method", "set it to ladder"))
    splits = build.open_splits(recipe, {"train", split})
    test = splits[split]
    assert test.fine is not None
    contenders, unfit = baselines(recipe, splits["train"], test, say)
    if not contenders:
        what = f"names networks only ({', '.join(rungs.named(recipe))}), which have to be trained"
        raise RecipeError(Problem(37, "verify.baselines", what, "climdiff run RECIPE trains and scores them"))
    scores, left_out = Against(test, recipe, progress=progress).beside(contenders, (), say)
    if not scores:
        raise DataError(Problem(75, recipe.data.coarse, "no baseline takes its missing cells", "fill these cells"))
    widest = max(scores, key=lambda name: len(scores[name].variables))
    return Verdict(widest, scores, {}, test.fine, test, recipe, left_out=unfit | left_out)


def output_folder(ensemble: Path, out: Path | None, truth: Path | None) -> Path:
    """Return where scores and report go: `out`, the run's folder, or a new folder beside a foreign ensemble.

    Raises:
        MismatchError: CD-044, writing there would replace the ensemble or the truth.
        DataError: CD-012, as `refuse_file`.
    """
    folder = out or (ensemble.parent if truth is None else ensemble.with_name(f"{ensemble.stem}-scores"))
    given = {path.resolve() for path in (ensemble, truth) if path is not None}
    for name in OUTPUTS:
        if (folder / name).resolve() in given:
            what = "is an input of this verification and would be replaced by its output"
            raise MismatchError(Problem(44, str(folder / name), what, "give another folder with --out"))
    refuse_file(folder)
    return folder


def _refuse_loss(folder: Path, names: Collection[str]) -> None:
    """Refuse to replace the scores in a folder by some that lack methods which those have."""
    file = folder / OUTPUTS[0]
    try:
        before = json.loads(file.read_text()) if file.is_file() else {}
    except ValueError:
        return  # no scores
    tables = [table for key, table in before.items() if key not in RESERVED] if isinstance(before, dict) else []
    lost = [name for name in dict.fromkeys(chain.from_iterable(tables)) if name not in names]
    if lost:
        what = f"has scores of {', '.join(lost)}, which would be lost: these baselines are not among those asked for"
        fix = "give another folder with --out, or name them too in verify.baselines"
        raise MismatchError(Problem(44, str(file), what, fix))


def refuse_file(folder: Path) -> None:
    """Refuse, before hours of scoring, a folder that cannot be made.

    Raises:
        DataError: CD-012, it is a file, or below one.
    """
    lowest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not lowest.is_dir():
        raise DataError(Problem(12, str(lowest), "is a file, expected a folder", "give another folder with --out"))


def write(verdict: Verdict, folder: Path) -> None:
    """Write `scores.json` and `scores.nc` (everything, a group per downscaler) to `folder`, both whole.

    Raises:
        OSError: there is no room; those of before are as they were.
        DataError: CD-036, a variable named as what is said of all, or one whose name is too long for netCDF.
    """
    reserved = RESERVED & set(verdict.scores[verdict.name].variables)
    if reserved:
        what = f"a variable named {', '.join(sorted(reserved))} would take the place of what is said of all"
        raise DataError(Problem(36, "scores.json", what, "rename it"))
    longest = max(verdict.scores[verdict.name].variables, key=len)
    if len(longest) > LONGEST_NAME:
        what = f"a variable's name has {len(longest)} letters ({longest[:20]}...), at most {LONGEST_NAME} fit in netCDF"
        raise DataError(Problem(36, "scores.nc", what, "rename it"))
    said = {
        "verdict": verdict.judged(),
        "leaks": verdict.leaks,
        "not_searched": verdict.not_searched,
        "left_out": dict(verdict.left_out),
    }
    with replacing(folder / "scores.json") as numbers, replacing(folder / "scores.nc") as building:
        numbers.write_text(json.dumps({**verdict.to_json(), **said}, indent=1, allow_nan=False))
        for name, scores in verdict.scores.items():
            write_netcdf(scores.to_dataset(), building, mode="a", group=name)
        if verdict.differences:
            write_netcdf(tabled(verdict.differences, verdict.unit), building, mode="a", group="verdict")


def _refuse_damage(*paths: Path) -> None:
    """Check those that are stores of ours; raises OutputError, as `verify`."""
    damage = [problem for path in paths if (path / FOLDER).is_dir() for problem in check_store(path)]
    if damage:
        raise OutputError(*damage)


def _counted(test: Pairs) -> tuple[np.ndarray | None, str]:
    """Return the order that puts fields of one scene beside each other, where there are scenes, and what is counted."""
    assert test.fine is not None
    if "valid_time" in test.fine.coords:
        return np.argsort(test.fine["valid_time"].values, kind="stable"), "fields"
    is_daily = common_step(test.times) == 24 * MICROSECONDS_PER_HOUR
    return None, "days" if is_daily else "times"


def _differences(
    model: str,
    scores: Mapping[str, Scores],
    order: np.ndarray | None,
    each_time: Mapping[str, Sequence[str]],
    seed: int,
) -> dict[Comparison, Difference]:
    """Compare with each baseline: the fair CRPS of every variable, and what else was required."""
    series = {
        (variable, score, name): paired(found, other[variable], score, order)
        for variable, found in scores[model].variables.items()
        for score in ("crps_fair", *each_time.get(variable, ()))
        for name, other in scores.items()
        if name != model and variable in other.variables
    }
    return compare(series, seed=seed)


def _origin(path: Path, ensemble: xr.Dataset) -> tuple[Recipe, str]:
    text, split = ensemble.attrs.get("climdiff_recipe"), ensemble.attrs.get("climdiff_split")
    if not text or not split:
        what = "does not say which truth it belongs to" if text else "was not made by climdiff"
        raise MismatchError(Problem(44, str(path), what, "name the truth with --truth FILE"))
    return parse(text, f"{path}: recipe"), split


def _named_by_hand(recipe: Recipe, overrides: Sequence[str], require: Sequence[Requirement]) -> set[str]:
    """Return the baselines that requirements and overrides name one by one: these may not be left out."""
    asked, keys = recipe.verify.baselines, {text.partition("=")[0].strip() for text in overrides}
    is_named = "verify.baselines" in keys and not isinstance(asked, str)
    return {each.reference for each in require} | (set(asked) if is_named else set())


def _same_times(pairs: Pairs, ensemble: xr.Dataset, path: Path) -> Pairs:
    wanted = pairs.times.to_index().get_indexer(ensemble["time"].to_index())
    if (wanted < 0).any():
        what = f"{(wanted < 0).sum()} of its {wanted.size} times are not in the truth any more"
        raise MismatchError(Problem(23, str(path), what, "restore the data it was made from, or generate it again"))
    return pairs.select(wanted)


def _at_times_of(ensemble: xr.Dataset, truth: xr.Dataset) -> xr.Dataset:
    """Return the truth at the ensemble's dates where it has all of them; else as it is, to be refused with both."""
    own, other = (
        next((dim for name in values.data_vars if (dim := time_dim(values[name])) is not None), None)
        for values in (ensemble, truth)
    )
    if own is None or other is None or ensemble.sizes[own] >= truth.sizes[other]:
        return truth
    dates, ours = truth[other].to_index(), ensemble[own].to_index()
    if not (dates.is_unique and ours.is_unique):
        return truth
    wanted = dates.get_indexer(ours)
    return truth.isel({other: wanted}) if (wanted >= 0).all() else truth


def _foreign(
    ensemble: xr.Dataset,
    truth: xr.Dataset,
    progress: Callable[[str, int, int], None],
    say: Callable[[str], None],
) -> Verdict:
    grid = grid_of(truth, [name for name in truth.data_vars if name in ensemble.data_vars])
    area = grid.cell_area()
    area = area.isel({dim: 0 for dim in area.dims if dim not in truth.dims}, drop=True)
    if grid.spacing_km is None:
        how = "alike" if np.ptp(area.values) < 1e-6 else f"by the steps of '{grid.y_dim}' and '{grid.x_dim}'"
        say(f"cells count {how}: the truth has no latitude and longitude along its axes that tell their area")
    truth = _at_times_of(ensemble, truth)
    scores = scorecard(ensemble, truth, area=area, progress=lambda done, total: progress(ENSEMBLE, done, total))
    names = list(scores.variables)
    ensemble = ordered_as(ensemble, truth)  # maps have one grid
    ensemble, truth = (_called_as_ours(laid_on(grid, fields[names])) for fields in (ensemble, truth))
    pairs = Pairs(truth[[]].assign_coords(time=truth["time"]), truth, None, grid, grid)
    return Verdict(ENSEMBLE, {ENSEMBLE: scores}, {}, ensemble, pairs, None)


def _called_as_ours(fields: xr.Dataset) -> xr.Dataset:
    """Return the fields by date, dimensions of members and time called as ours; coordinates of that name give way."""
    names = {
        old: new
        for new, find in (("realization", realization_dim), ("time", time_dim))
        for values in fields.data_vars.values()
        if (old := find(values)) not in (None, new)
    }
    return fields.drop_vars(names.values(), errors="ignore").rename(names).sortby("time")
