"""A trained model as one directory that is enough by itself, and the model that comes out of it.

`bundle_files` says what lies in it. Source data may be gone: predictors are all a bundle needs.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
import xarray as xr
from torch import Tensor

import climdiff
from climdiff import build, bundle_files, methods
from climdiff.bundle_files import FIRST_GUESS, FITTED, FORMAT, ONE_STEP, RESIDUALS, STATES, WEIGHTS, About, Calibration
from climdiff.data import inputs
from climdiff.data.encoder import Encoder
from climdiff.data.netcdf import write_netcdf
from climdiff.data.observations import Observations
from climdiff.data.pairs import Pairs
from climdiff.data.times import refuse_other_steps
from climdiff.diffusion.first_guess import FirstGuess
from climdiff.downscalers.diffusion import DiffusionDownscaler
from climdiff.downscalers.steering import ByKnownCells, ByLikelihood, ByObservations, Likelihood, refuse_other_dates
from climdiff.drawing import Learned
from climdiff.errors import DataError, MismatchError, Problem, RecipeError
from climdiff.grids.grid import Grid, check_same
from climdiff.grids.orientation import oriented
from climdiff.methods import Neural, Parts
from climdiff.networks.precision import compute_dtype, device
from climdiff.networks.weights import put_weights
from climdiff.recipe.load import changed, parse
from climdiff.recipe.schema import Recipe
from climdiff.training.checkpoint import load_hashed, save_tensors, sha256
from climdiff.transforms.times import times_hash

OTHER_NETWORK = "use bundle and recipe of one run; where another climdiff trained it, train again under a new name"


@dataclass(frozen=True, repr=False)
class Model:
    """A trained model: downscales coarse fields, and says what it is.

    `predictors` and `targets` map names to attributes (units, standard_name ...); `training` says how it was trained;
    `given` what it was told beside the predictors, as hashes; `calibration` why it does not draw as its recipe says.
    """

    recipe: Recipe
    downscaler: Neural
    predictors: inputs.Attributes
    targets: inputs.Attributes
    training: Mapping[str, Any]
    hash: str
    path: Path
    given: Mapping[str, str] = field(default_factory=dict)
    calibration: Calibration | None = None

    def __repr__(self) -> str:
        names = f"{', '.join(self.predictors)} -> {', '.join(self.targets)}"
        size = " x ".join(map(str, self.grid.shape))
        return f"<climdiff.Model {self.recipe.name}: {self.recipe.model.method}, {names} on {size} cells, {self.path}>"

    @property
    def grid(self) -> Grid:
        """The grid of the fields it makes."""
        return self.downscaler.encoder.grid

    def downscale(self, coarse: xr.Dataset, members: int | Sequence[int] | None = None, seed: int = 0) -> xr.Dataset:
        """Return an ensemble of high-resolution fields given coarse ones.

        Args:
            coarse: Predictors (time, y, x) on the coarse grid the model was trained with, north or south first, in the
                units it was trained with; names as in `predictors`. Lazy is fine.
            members: How many members, or which ones by number: member 17 can be made alone. 16 by default; a
                regression makes one.
            seed: Key of all noise; the same seed gives the same members.

        Returns:
            Targets (realization, time, y, x), float32, with CF attributes.

        Raises:
            RecipeError: CD-037 members or a seed that mean nothing.
            DataError: CD-036 predictors absent, CD-029 units that differ, CD-073 another grid, CD-030 values outside
                the valid range, CD-075 missing values (unless the recipe masks them).
        """
        numbers = methods.asked(self.recipe, methods.count(self.recipe, 16) if members is None else members, seed)
        accepted = self.accept(coarse)
        if self.recipe.data.on_missing != "mask":
            inputs.refuse_missing(accepted)
        inputs.check_ranges(accepted, self.predictors, "predictors")
        drawn = self.downscaler.downscale(accepted, numbers, int(seed))
        return drawn.assign_attrs({f"climdiff_{key}": value for key, value in self.provenance(seed).items()})

    def steered(
        self,
        *,
        observations: xr.Dataset | None = None,
        known: xr.Dataset | None = None,
        likelihood: Likelihood | None = None,
        scale: float = 1.0,
    ) -> Model:
        """Return the model told more than the predictors: its members agree with all that is given here.

        Args:
            observations: Station values with error standard deviations, see `data.observations`; dates without any
                are drawn as without it, to the bit.
            known: Fine fields (time, y, x) of some targets; cells without NaN are kept, the others drawn given them.
            likelihood: Physical fields by target, tensors (batch, y, x) -> log probability (batch,), differentiable:
                a classifier of weather regimes, an areal total ... (Dhariwal & Nichol, 2021).
            scale: How hard the likelihood steers; 1 is Bayes' rule.

        Raises:
            DataError: everything wrong with observations or known fields.
            RecipeError: CD-037, known cells with `sample.conserve`: one of the two could not be kept; a scale that is
                no number.
        """
        if all(each is None for each in (observations, known, likelihood)):
            return self
        downscaler = self.downscaler
        if not isinstance(downscaler, DiffusionDownscaler):
            what = f"'{self.recipe.model.method}' makes a member in one leap, which nothing can steer"
            raise RecipeError(Problem(37, "model.method", what, "train with model.method diffusion"))
        if self.recipe.sample.sampler == "one_step":
            what = "one_step makes a member in one leap, which nothing can steer"
            raise RecipeError(Problem(37, "sample.sampler", what, "draw with dpmpp_2m and 10 steps"))
        if downscaler.first_guess is not None:
            what = "a denoiser of what a first guess leaves over cannot be steered by whole fields"
            raise RecipeError(Problem(37, "first_guess", what, "train with first_guess null"))
        steering, given = list(downscaler.steering), dict(self.given)
        if observations is not None:
            where = _source(observations, "observations")
            found = Observations.from_dataset(observations, self.grid, self.targets, where)
            steering.append(ByObservations(found))
            given |= _further(given, "observations", found.hash)
        if known is not None:
            if self.recipe.sample.conserve:
                what = "known cells and block means cannot both be kept"
                raise RecipeError(Problem(37, "sample.conserve", what, "set sample.conserve to false"))
            cells = ByKnownCells.from_dataset(known, self.grid, self.targets, _source(known, "known fields"))
            steering.append(cells)
            given |= _further(given, "known", cells.hash)
        if likelihood is not None:
            if not (callable(likelihood) and isinstance(scale, int | float) and math.isfinite(scale)):
                what = f"got a {type(likelihood).__name__} and scale {scale!r}, expected a function and a number"
                raise RecipeError(Problem(37, "likelihood", what, "give a function of the physical fields"))
            steering.append(ByLikelihood(likelihood, scale))
            named = getattr(likelihood, "__qualname__", type(likelihood).__qualname__)
            given |= _further(given, "likelihood", f"{named} x {scale:g}")
        return replace(self, downscaler=downscaler.changed(steering=tuple(steering)), given=given)

    def provenance(self, seed: int) -> dict[str, Any]:
        """Return all that makes the values of a member, in plain types."""
        facts = methods.drawn(self.recipe) | self.downscaler.facts
        if facts.get("spread") == 1:
            del facts["spread"]  # stores begun before there was such a factor go on
        return {
            "version": climdiff.__version__,
            "name": self.recipe.name,
            "recipe": self.recipe.model_dump_json(),
            "bundle_hash": self.hash,
            "precision": str(self.downscaler.dtype).removeprefix("torch."),
            "seed": seed,
            **{f"given_{key}": what for key, what in self.given.items()},
            **({} if self.calibration is None else {"calibration": self._calibrated(self.calibration)}),
            **{key: _attribute(fact) for key, fact in facts.items()},
        }

    def _calibrated(self, found: Calibration) -> str:
        """Return how the way of drawing was calibrated, as an attribute can hold it."""
        facts = {
            "changed": found.settings,
            "split": "validation",
            "dates": found.dates_chosen,
            "members": found.members,
            "spread_skill": {name: round(each.spread_skill, 3) for name, each in found.held_out[1].scores.items()},
            "dates_held_out": found.dates_held_out,
        }
        return json.dumps(facts, sort_keys=True)

    def accept(self, coarse: xr.Dataset, where: str = "predictors") -> xr.Dataset:
        """Return the predictors of `coarse`, still lazy, if the model can take them; raises as `downscale`.

        Rows and columns come in the order of the training data, whatever theirs. A variable of another name is taken
        for the predictor whose standard_name it alone has.
        """
        coarse = inputs.resolved(coarse, self.predictors)
        problems = [
            problem
            for name, wanted in self.predictors.items()
            for problem in inputs.variable_problems(coarse, name, wanted, where)
        ]
        problems += inputs.time_problems(coarse, where)
        if problems:
            raise DataError(*problems)
        expected = self.downscaler.coarse_grid
        coarse = oriented(coarse, expected, where)
        found = Grid.from_dataset(coarse, where)
        try:
            check_same(found, expected, (where, "the training data"))
        except DataError as error:
            what = f"grid is {_extent(found)}, the model was trained with {_extent(expected)}: {error.problems[0].what}"
            fix = "bring the predictors to the grid of the training data"
            raise DataError(Problem(73, where, what, fix)) from error
        self._refuse_dates(coarse["time"])
        return coarse[list(self.predictors)].transpose("time", found.y_dim, found.x_dim)

    def _refuse_dates(self, times: xr.DataArray) -> None:
        """Refuse dates that noise cannot persist between (CD-023), or that nothing given speaks of (CD-023, CD-025)."""
        if not isinstance(self.downscaler, DiffusionDownscaler):
            return
        persistence = self.downscaler.sampling.persistence
        if persistence is not None:
            refuse_other_steps(times, persistence.step)
        for each in self.downscaler.steering:
            refuse_other_dates(each, times)


def save(
    path: Path,
    recipe: Recipe,
    train: Pairs,
    encoder: Encoder,
    weights: Mapping[str, Tensor],
    dtype: torch.dtype,
    learned: Learned,
    training: Mapping[str, Any],
    first_guess: FirstGuess | None = None,
) -> None:
    """Write the bundle of a trained model to `path`; it appears whole, and one that was there is replaced.

    Args:
        path: Directory of the bundle.
        recipe: What it was trained with.
        train: The training pairs, for grids and attributes.
        encoder: Channels and transforms.
        weights: State of the network.
        dtype: What its convolutions compute in, on any machine.
        learned: What the training data say about drawing members.
        training: Facts to tell: steps, best step, score ...
        first_guess: The regression that the network is the second stage of.
    """
    assert train.fine is not None
    with bundle_files.put(path) as building:
        save_tensors(building / WEIGHTS, weights)
        bundle_files.keep_one_step(path, building)
        if learned.residuals is not None:
            save_tensors(building / RESIDUALS, {"residuals": learned.residuals})
        if first_guess is not None:
            save_tensors(building / FIRST_GUESS, first_guess.state_dict())
        (building / "recipe.json").write_text(recipe.model_dump_json(indent=1))
        states = {**encoder.to_state(), "coarse_grid": train.coarse_grid.to_dataset()}
        for name in STATES:
            write_netcdf(states[name], building / f"{name}.nc")
        about = About(
            format=FORMAT,
            climdiff=climdiff.__version__,
            predictors={name: _plain(train.coarse[name].attrs) for name in encoder.predictors},
            targets={name: _plain(train.fine[name].attrs) for name in encoder.targets},
            ranges=dict(learned.ranges),
            dtype="bfloat16" if dtype == torch.bfloat16 else "float32",
            block_weights=dict(learned.block_weights),
            time_step=learned.time_step,
            half_lives=dict(learned.half_lives),
            unexplained=dict(learned.unexplained),
            training=dict(training),
            training_times=times_hash(train.times),
            sha256={file.name: sha256(file) for file in sorted(building.iterdir())},
        )
        (building / "bundle.json").write_text(about.model_dump_json(indent=1))


def load(
    path: str | Path, recipe: Recipe | None = None, overrides: Sequence[str] = (), *, calibrated: bool = True
) -> Model:
    """Return the model of a run folder or bundle.

    A calibrated one (`climdiff calibrate`) draws as was chosen then, not as its recipe says, unless a recipe or any key
    of `sample` is given here: a calibration holds for exactly the way that was calibrated.

    Args:
        path: `runs/<name>` or `runs/<name>/bundle`.
        recipe: A later version of its recipe, whose `sample`, `generate`, `verify` and `report` are taken, and its
            method where that is the same training.
        overrides: Keys of `sample` and `generate` on top, such as "sample.steps=20", and `data.split.test`: other dates
            to be judged on.
        calibrated: Whether to use the calibration, where there is one.

    Raises:
        MismatchError: CD-050 no bundle there or a part missing, CD-049 a file that is not the one saved, CD-048
            weights that cannot be read, CD-054 weights of another network, CD-055 a newer format.
        RecipeError: CD-037, everything wrong with `overrides`.
    """
    folder = bundle_files.locate(Path(path))
    about = bundle_files.read_about(folder)
    bundle_files.check_files(folder, about)
    own = parse((folder / "recipe.json").read_text(), str(folder / "recipe.json"))
    later = {name: getattr(recipe, name) for name in ("sample", "generate", "verify", "report")} if recipe else {}
    if recipe is not None and methods.as_trained(recipe).model == methods.as_trained(own).model:
        later["model"] = recipe.model
    is_own_way = recipe is not None or any(text.partition(".")[0].strip() == "sample" for text in overrides)
    calibration = None if is_own_way or not calibrated else bundle_files.read_calibration(folder, about)
    if calibration is not None:
        later["sample"] = calibration.sample
    recipe = own.model_copy(update=later)
    if overrides:
        recipe = changed(recipe, overrides, ("sample", "generate", "data.split.test"))
        methods.refuse_idle(recipe, overrides)
    states = {name: _read_state(folder / f"{name}.nc") for name in STATES}
    bundle_files.check_training_times(folder, about, {name: states[name] for name in FITTED})
    encoder = Encoder.from_state(states, *build.pipelines(recipe))
    method = methods.method(recipe)
    network = method.network(recipe, encoder)
    file = _weights(folder, about, recipe)
    put_weights(network, load_hashed(folder / file, about.sha256[file]), str(folder), OTHER_NETWORK)
    grid = Grid.from_dataset(states["coarse_grid"], str(folder / "coarse_grid.nc"))
    dtype = compute_dtype(about.dtype, device())
    guess = _first_guess(folder, about, recipe, encoder)
    parts = Parts(encoder, grid, about.targets, _learned(folder, about), dtype, guess)
    downscaler = method.downscaler(recipe, network.to(device()), parts)
    found = bundle_files.identity(about, file)
    return Model(
        recipe, downscaler, about.predictors, about.targets, about.training, found, folder, calibration=calibration
    )


def _learned(folder: Path, about: About) -> Learned:
    residuals = None
    if RESIDUALS in about.sha256:
        residuals = load_hashed(folder / RESIDUALS, about.sha256[RESIDUALS])["residuals"]
    return Learned(about.ranges, about.block_weights, about.time_step, about.half_lives, about.unexplained, residuals)


def _first_guess(folder: Path, about: About, recipe: Recipe, encoder: Encoder) -> FirstGuess | None:
    if recipe.first_guess is None:
        return None
    if FIRST_GUESS not in about.sha256:
        what = f"names no hash of {FIRST_GUESS}, and the recipe has a first guess"
        raise MismatchError(Problem(50, str(folder), what, "restore the bundle from a copy, or train again"))
    guess = methods.first_guess(recipe, encoder)
    saved = load_hashed(folder / FIRST_GUESS, about.sha256[FIRST_GUESS])
    put_weights(guess, saved, str(folder), OTHER_NETWORK)
    return guess.to(device())


def _weights(folder: Path, about: About, recipe: Recipe) -> str:
    """Return the file of the weights that the recipe's sampler draws with."""
    if recipe.sample.sampler != "one_step" or recipe.model.method != "diffusion":
        return WEIGHTS
    if ONE_STEP not in about.sha256:
        what = "the bundle has no network that draws a member in one step"
        raise RecipeError(Problem(37, "sample.sampler", what, f"climdiff distill {folder.parent} makes it"))
    return ONE_STEP


def _source(given: xr.Dataset, otherwise: str) -> str:
    """Return the file a data set came from, to be named in messages."""
    return str(getattr(given, "encoding", {}).get("source", otherwise))


def _further(given: Mapping[str, str], key: str, found: str) -> dict[str, str]:
    """Return an entry of `given`, after what is there already."""
    return {key: f"{given[key]} {found}" if key in given else found}


def _attribute(fact: Any) -> str | int | float:
    """Return a fact as netCDF can hold it: numbers and text as they are, anything else as JSON."""
    return fact if isinstance(fact, str | int | float) and not isinstance(fact, bool) else json.dumps(fact)


def _read_state(file: Path) -> xr.Dataset:
    with xr.open_dataset(file, engine="netcdf4") as state:
        return state.load()


def _plain(attributes: Mapping[Any, Any]) -> dict[str, Any]:
    """Return attributes in the plain types of JSON."""
    return {str(key): value.item() if hasattr(value, "item") else value for key, value in attributes.items()}


def _extent(grid: Grid) -> str:
    y, x = grid.y, grid.x
    ranges = f"{grid.y_dim} {y[0]:g} to {y[-1]:g}, {grid.x_dim} {x[0]:g} to {x[-1]:g}"
    return f"{grid.shape[0]} x {grid.shape[1]} cells ({ranges})"
