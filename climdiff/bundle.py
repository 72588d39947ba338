"""A trained model as one directory that is enough by itself, and the model that comes out of it.

    bundle/  bundle.json  recipe.json  weights.safetensors  channels.nc  static.nc  grid.nc  coarse_grid.nc
             target_state.nc  predictor_state.nc

`bundle.json` names what the model is (variables, units, limits, training) and holds the SHA-256 of every other file.
Source data may be gone: predictors are all a bundle needs.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import xarray as xr
from torch import Tensor

import climdiff
from climdiff import build
from climdiff.data.encoder import Encoder
from climdiff.data.pairs import Pairs
from climdiff.downscalers.diffusion import DiffusionDownscaler, Sampling
from climdiff.errors import DataError, MismatchError, Problem
from climdiff.grids.grid import Grid
from climdiff.networks.precision import compute_dtype
from climdiff.recipe.fingerprint import fingerprint
from climdiff.recipe.load import parse
from climdiff.recipe.schema import Recipe
from climdiff.training.checkpoint import load_hashed, save_tensors, sha256

FORMAT = 1
STATES = ("channels", "static", "grid", "target_state", "predictor_state", "coarse_grid")
Attributes = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Model:
    """A trained model: downscales coarse fields, and says what it is.

    `predictors` and `targets` map names to attributes (units, standard_name ...); `training` says how it was trained.
    """

    recipe: Recipe
    downscaler: DiffusionDownscaler
    predictors: Attributes
    targets: Attributes
    training: Mapping[str, Any]
    hash: str
    path: Path

    @property
    def grid(self) -> Grid:
        """The grid of the fields it makes."""
        return self.downscaler.encoder.grid

    def downscale(self, coarse: xr.Dataset, members: int | Sequence[int] = 16, seed: int = 0) -> xr.Dataset:
        """Return an ensemble of high-resolution fields given coarse ones.

        Args:
            coarse: Predictors (time, y, x) on the coarse grid the model was trained with, in the units it was trained
                with; names as in `predictors`. Lazy is fine.
            members: How many members, or which ones by number: member 17 can be made alone.
            seed: Key of all noise; the same seed gives the same members.

        Returns:
            Targets (realization, time, y, x), float32, with CF attributes.

        Raises:
            DataError: CD-036 predictors absent, CD-029 units that differ, CD-021 another grid, CD-075 missing values.
        """
        numbers = range(members) if isinstance(members, int) else members
        return self.downscaler.downscale(self.accept(coarse), list(numbers), seed)

    def accept(self, coarse: xr.Dataset, where: str = "predictors") -> xr.Dataset:
        """Return the predictors of `coarse`, still lazy, if the model can take them; raises as `downscale`."""
        problems = []
        for name, wanted in self.predictors.items():
            if name not in coarse.data_vars:
                what = f"variable '{name}' is absent; found {', '.join(map(str, coarse.data_vars)) or 'none'}"
                problems.append(Problem(36, where, what, f"give {', '.join(self.predictors)} by these names"))
                continue
            units = coarse[name].attrs.get("units")
            if units != wanted.get("units"):
                what = f"variable '{name}' has units {units!r}, the model was trained with {wanted.get('units')!r}"
                problems.append(Problem(29, where, what, "convert the values and set the attribute 'units'"))
        if problems:
            raise DataError(*problems)
        chosen = coarse[list(self.predictors)]
        expected, found = self.downscaler.coarse_grid, Grid.from_dataset(chosen, where)
        if found.hash() != expected.hash():
            what = f"grid is {_extent(found)}, the model was trained with {_extent(expected)}"
            raise DataError(Problem(73, where, what, "regrid the predictors to the grid of the training data"))
        return chosen


def save(
    path: Path,
    recipe: Recipe,
    train: Pairs,
    encoder: Encoder,
    weights: Mapping[str, Tensor],
    limits: build.Limits,
    training: Mapping[str, Any],
) -> None:
    """Write the bundle of a trained model to `path`; it appears whole, and one that was there is replaced.

    Args:
        path: Directory of the bundle.
        recipe: What it was trained with.
        train: The training pairs, for grids and attributes.
        encoder: Channels and transforms.
        weights: State of the denoiser.
        limits: Physical range of members per target.
        training: Facts to tell: steps, best step, score ...
    """
    assert train.fine is not None
    path.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=".bundle-", dir=path.parent))
    save_tensors(building / "weights.safetensors", weights)
    (building / "recipe.json").write_text(recipe.model_dump_json(indent=1))
    states = {**encoder.to_state(), "coarse_grid": train.coarse_grid.to_dataset()}
    for name in STATES:
        states[name].to_netcdf(building / f"{name}.nc", engine="netcdf4")
    about = {
        "format": FORMAT,
        "climdiff": climdiff.__version__,
        "recipe_fingerprint": fingerprint(recipe),
        "predictors": {name: _plain(train.coarse[name].attrs) for name in encoder.predictors},
        "targets": {name: _plain(train.fine[name].attrs) for name in encoder.targets},
        "limits": dict(limits),
        "training": dict(training),
        "sha256": {file.name: sha256(file) for file in sorted(building.iterdir())},
    }
    (building / "bundle.json").write_text(json.dumps(about, indent=1))
    building.chmod(0o755)
    if path.exists():
        retired = Path(tempfile.mkdtemp(prefix=".retired-", dir=path.parent))
        path.replace(retired / "bundle")
        building.replace(path)
        shutil.rmtree(retired)
    else:
        building.replace(path)


def load(path: str | Path, sampling: Mapping[str, Any] | None = None) -> Model:
    """Return the model of a run folder or bundle.

    Args:
        path: `runs/<name>` or `runs/<name>/bundle`.
        sampling: Fields of `Sampling` to use instead of the recipe's, such as `{"steps": 20}`.

    Raises:
        MismatchError: CD-050 no bundle there or a part missing, CD-049 a file that is not the one saved, CD-048
            weights that cannot be read, CD-054 weights of another network, CD-055 a newer format.
    """
    folder = Path(path)
    folder = folder / "bundle" if (folder / "bundle").is_dir() else folder
    about = _read_about(folder)
    _check_files(folder, about)
    recipe = parse((folder / "recipe.json").read_text(), str(folder / "recipe.json"))
    states = {name: _read_state(folder / f"{name}.nc") for name in STATES}
    encoder = Encoder.from_state(states, *build.pipelines(recipe))
    denoiser = build.denoiser(recipe, encoder.n_condition, encoder.n_target)
    weights = load_hashed(folder / "weights.safetensors", about["sha256"]["weights.safetensors"])
    _check_weights(folder, weights, denoiser.state_dict())
    denoiser.load_state_dict(weights)
    limits = {name: (low, high) for name, (low, high) in about["limits"].items()}
    chosen: Sampling = replace(build.sampling(recipe, limits), **(sampling or {}))
    dtype = compute_dtype(recipe.train.precision, torch.device("cpu"))
    grid = Grid.from_dataset(states["coarse_grid"], str(folder / "coarse_grid.nc"))
    downscaler = DiffusionDownscaler(denoiser, encoder, grid, recipe.data.regrid, chosen, dtype)
    identity = hashlib.sha256((folder / "bundle.json").read_bytes()).hexdigest()
    return Model(recipe, downscaler, about["predictors"], about["targets"], about["training"], identity, folder)


def _read_about(folder: Path) -> dict[str, Any]:
    file = folder / "bundle.json"
    fix = "give the folder of a trained run, such as runs/precip; `climdiff train` makes one"
    if not file.is_file():
        raise MismatchError(Problem(50, str(folder), "holds no bundle.json", fix))
    try:
        about = json.loads(file.read_text())
    except ValueError as error:
        raise MismatchError(Problem(50, str(file), f"cannot be read ({error})", "restore it from a copy")) from error
    if about.get("format", 0) > FORMAT:
        what = f"format {about['format']} is newer than {FORMAT}, the newest this climdiff knows"
        raise MismatchError(Problem(55, str(file), what, f"install climdiff {about.get('climdiff')} or newer"))
    return about


def _check_files(folder: Path, about: Mapping[str, Any]) -> None:
    problems = []
    for name, expected in about["sha256"].items():
        file = folder / name
        fix = "restore the bundle from a copy, or train again"
        if not file.is_file():
            problems.append(Problem(50, str(file), "the file is absent", fix))
        elif sha256(file) != expected:
            what = f"SHA-256 is {sha256(file)[:16]}..., expected {expected[:16]}... as saved"
            problems.append(Problem(49, str(file), what, fix))
    if problems:
        raise MismatchError(*problems)


def _check_weights(folder: Path, found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    shapes = {name: tuple(tensor.shape) for name, tensor in found.items()}
    expected = {name: tuple(tensor.shape) for name, tensor in wanted.items()}
    if shapes == expected:
        return
    name = next(name for name in sorted({*shapes, *expected}) if shapes.get(name) != expected.get(name))
    what = f"weights '{name}' have shape {shapes.get(name)}, the recipe's network has {expected.get(name)}"
    raise MismatchError(Problem(54, str(folder), what, "use the bundle and the recipe of one and the same run"))


def _read_state(file: Path) -> xr.Dataset:
    with xr.open_dataset(file, engine="netcdf4") as state:
        return state.load()


def _plain(attributes: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(key): value.item() if hasattr(value, "item") else value for key, value in attributes.items()}


def _extent(grid: Grid) -> str:
    y, x = grid.y, grid.x
    ranges = f"{grid.y_dim} {y[0]:g} to {y[-1]:g}, {grid.x_dim} {x[0]:g} to {x[-1]:g}"
    return f"{grid.shape[0]} x {grid.shape[1]} cells ({ranges})"
