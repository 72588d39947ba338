"""The files of a bundle: what names them, how they are checked, and how the folder is put in place whole.

    bundle.json  recipe.json  weights.safetensors  channels.nc  static.nc  grid.nc  coarse_grid.nc  target_state.nc
    predictor_state.nc  [one_step.safetensors]  [residuals.safetensors]  [first_guess.safetensors]  [calibration.json]

`bundle.json` names what the model is (variables, units, limits, training) and holds the SHA-256 of every other file.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import xarray as xr
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from climdiff.data.conservation import Weights
from climdiff.errors import FULL, MismatchError, Problem, RetryError, remedy
from climdiff.recipe.schema import Sample
from climdiff.training.checkpoint import AGAIN, save_tensors, sha256

FORMAT = 1
STATES = ("channels", "static", "grid", "target_state", "predictor_state", "coarse_grid")
FITTED = ("target_state", "predictor_state")
"""States that are statistics of training dates."""
WEIGHTS, ONE_STEP = "weights.safetensors", "one_step.safetensors"
"""Weights of the network, and of the one that a denoiser taught to draw a member in one evaluation, where there is."""
RESIDUALS, FIRST_GUESS = "residuals.safetensors", "first_guess.safetensors"
"""What a regression left over on training dates; the regression that a denoiser is the second stage of."""
CALIBRATION = "calibration.json"
"""How members are best drawn, found on the validation split, where that was looked for."""


class Scored(BaseModel):
    """Scores of one variable, drawn in one way, and the 95 % interval of spread over skill, or None."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    crps_fair: float
    spread_skill: float
    spread_skill_interval: tuple[float, float] | None
    small_scale_ratio: float | None


class Tried(BaseModel):
    """One way of drawing: keys of `sample` that differ from the recipe's, what it costs, and how good it is.

    `difference` is its fair CRPS less that of the recipe's way [percent], with the ends of the 95 % interval,
    None where dates are too few for one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    settings: dict[str, Any]
    evaluations: int
    seconds: float
    scores: dict[str, Scored]
    difference: tuple[float, float | None, float | None]


class Calibration(BaseModel):
    """What `climdiff calibrate` found: the `sample` of the `recipe` then, the one chosen, and all that was tried.

    `tried` was scored on `dates_chosen` dates of the validation split, `held_out` (the recipe's way, then the chosen
    one) on `dates_held_out` others.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    climdiff: str
    bundle_hash: str
    recipe: Sample
    sample: Sample
    seed: int
    members: int
    dates_chosen: int
    dates_held_out: int
    tried: tuple[Tried, ...]
    held_out: tuple[Tried, Tried]
    notes: tuple[str, ...]

    @property
    def settings(self) -> dict[str, Any]:
        """Return the keys of `sample` that were chosen otherwise than in the recipe."""
        before, after = self.recipe.model_dump(mode="json"), self.sample.model_dump(mode="json")
        return {key: value for key, value in after.items() if value != before[key]}


class About(BaseModel):
    """What `bundle.json` holds; see `bundle.save`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int
    climdiff: str
    predictors: dict[str, dict[str, Any]]
    targets: dict[str, dict[str, Any]]
    ranges: dict[str, tuple[float, float]]
    dtype: Literal["float32", "bfloat16"]
    block_weights: dict[str, Weights] = {}
    time_step: int | None = None
    half_lives: dict[str, float] = {}
    unexplained: dict[str, float] = {}
    training: dict[str, Any]
    training_times: str | None = None
    sha256: dict[str, str]


@contextmanager
def put(path: Path) -> Iterator[Path]:
    """Give a folder to build a bundle in; it becomes `path` in one step, and a bundle that was there is replaced.

    Raises:
        RetryError: CD-052, no room for it; nothing of it is left, and the bundle that was there is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for retired in path.parent.glob(".retired-*/bundle"):
        if not path.exists():
            retired.replace(path)  # an earlier replacement was killed half way
    for leftover in (*path.parent.glob(".bundle-*"), *path.parent.glob(".retired-*")):
        shutil.rmtree(leftover)
    building = Path(tempfile.mkdtemp(prefix=".bundle-", dir=path.parent))
    try:
        yield building
    except BaseException as error:
        shutil.rmtree(building)
        if isinstance(error, OSError) and error.errno in FULL:
            fix = f"{remedy(error)}, then {AGAIN}"
            raise RetryError(Problem(52, str(path), f"cannot be written ({error.strerror})", fix)) from error
        raise
    building.chmod(0o755)
    if path.exists():
        retired = Path(tempfile.mkdtemp(prefix=".retired-", dir=path.parent))
        path.replace(retired / "bundle")
        building.replace(path)
        shutil.rmtree(retired)
    else:
        building.replace(path)


def locate(path: Path) -> Path:
    """Return the bundle in a run's folder; `path` itself where it is no run's folder.

    Raises:
        MismatchError: CD-050, the bundle lies aside, as `put` was killed half way.
    """
    place = path / "bundle" if path.is_dir() else path
    if place.is_dir():
        return place
    aside = () if (path / "bundle.json").is_file() else place.parent.glob(".retired-*/bundle")
    for retired in aside:
        what = "a command was killed while it replaced the bundle, which lies whole beside it"
        fix = f"put it back with `mv {shlex.quote(str(retired))} {shlex.quote(str(place))}`"
        raise MismatchError(Problem(50, str(place), what, fix))
    return path


def keep_one_step(old: Path, building: Path) -> None:
    """Take the one-step network over from the bundle at `old` if the denoiser in `building` is the one it came from."""
    if not (old / "bundle.json").is_file():
        return
    hashes = read_about(old).sha256
    file = old / ONE_STEP
    is_sound = file.is_file() and sha256(file) == hashes.get(ONE_STEP)
    if is_sound and hashes.get(WEIGHTS) == sha256(building / WEIGHTS):
        shutil.copyfile(file, building / ONE_STEP)


def add_one_step(path: Path, weights: Mapping[str, Tensor], bundle_hash: str) -> None:
    """Add the network that draws a member in one evaluation to the bundle at `path`.

    Raises:
        MismatchError: CD-044, the bundle holds another model than that of `bundle_hash`, which taught the network.
    """
    _refuse_other(path, bundle_hash, "distillation", "distill again")
    _add(path, ONE_STEP, lambda file: save_tensors(file, weights))


def add_calibration(path: Path, calibration: Calibration) -> None:
    """Add a calibration to the bundle at `path`; one that was there is replaced.

    Raises:
        MismatchError: CD-044, the bundle holds another model than the one that was calibrated.
    """
    _refuse_other(path, calibration.bundle_hash, "calibration", "calibrate again")
    _add(path, CALIBRATION, lambda file: file.write_text(calibration.model_dump_json(indent=1)))


def _refuse_other(path: Path, bundle_hash: str, work: str, fix: str) -> None:
    if identity(read_about(path)) != bundle_hash:
        what = f"the bundle is another one than when this {work} began ({bundle_hash[:16]}...)"
        raise MismatchError(Problem(44, str(path), what, fix))


def read_calibration(path: Path, about: About) -> Calibration | None:
    """Return the calibration in the bundle at `path`, or None.

    Raises:
        MismatchError: CD-050, it cannot be read; CD-054, it is that of another model.
    """
    if CALIBRATION not in about.sha256:
        return None
    file, fix = path / CALIBRATION, f"calibrate again: climdiff calibrate {path.parent}"
    try:
        if sha256(file) != about.sha256[CALIBRATION]:
            raise MismatchError(Problem(49, str(file), "is not the file that was saved", fix))
        found = Calibration.model_validate_json(file.read_text())
    except (ValueError, OSError) as error:
        what = f"cannot be read ({str(error).splitlines()[0]})"
        raise MismatchError(Problem(50, str(file), what, fix)) from error
    if found.bundle_hash != identity(about):
        raise MismatchError(Problem(54, str(file), "is the calibration of another model", fix))
    return found


def _add(path: Path, name: str, write: Callable[[Path], Any]) -> None:
    """Add a file to the bundle at `path`, or replace it."""
    about = read_about(path)
    with put(path) as building:
        for file in path.iterdir():
            copy = shutil.copytree if file.is_dir() else shutil.copy2
            copy(file, building / file.name)
        write(building / name)
        hashes = {**about.sha256, name: sha256(building / name)}
        changed = about.model_copy(update={"sha256": hashes})
        (building / "bundle.json").write_text(changed.model_dump_json(indent=1))


def read_about(folder: Path) -> About:
    """Return what `bundle.json` in `folder` says.

    Raises:
        MismatchError: CD-050 no bundle there, or one that names too little; CD-055 a newer format.
    """
    file = folder / "bundle.json"
    fix = "give the folder of a trained run, such as runs/precip; `climdiff train` makes one"
    if not file.is_file() and (folder / "checkpoints").is_dir() and (folder / "recipe.json").is_file():
        fix = "wait until its training has ended, or go on with it: climdiff train with its recipe and --resume"
    if not file.is_file():
        raise MismatchError(Problem(50, str(folder), "holds no bundle.json", fix))
    try:
        about = About.model_validate_json(file.read_text())
    except (OSError, ValueError) as error:
        what = f"cannot be read ({str(error).splitlines()[0]})"
        raise MismatchError(Problem(50, str(file), what, "restore it from a copy, or train again")) from error
    if about.format > FORMAT:
        what = f"format {about.format} is newer than {FORMAT}, the newest this climdiff knows"
        raise MismatchError(Problem(55, str(file), what, f"install climdiff {about.climdiff} or newer"))
    absent = {f"{name}.nc" for name in STATES} | {"recipe.json", "weights.safetensors"}
    absent -= set(about.sha256)
    if absent:
        what = f"names no hash of {', '.join(sorted(absent))}"
        raise MismatchError(Problem(50, str(file), what, "restore it from a copy, or train again"))
    return about


def identity(about: About, weights: str = WEIGHTS) -> str:
    """Return the hash of all that makes the values of a member drawn with `weights`, without the recipe."""
    kept = about.model_dump(include={"predictors", "targets", "ranges", "dtype", "block_weights", "sha256"})
    for other in {"recipe.json", CALIBRATION, WEIGHTS, ONE_STEP} - {weights}:
        kept["sha256"].pop(other, None)
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def check_files(folder: Path, about: About) -> None:
    """Refuse files that are absent (CD-050) or not those that were saved (CD-049); a calibration has its own check."""
    problems = []
    for name, expected in about.sha256.items():
        if name == CALIBRATION:
            continue
        file = folder / name
        fix = "restore the bundle from a copy, or train again"
        if not file.is_file():
            problems.append(Problem(50, str(file), "the file is absent", fix))
        elif sha256(file) != expected:
            what = f"SHA-256 is {sha256(file)[:16]}..., expected {expected[:16]}... as saved"
            problems.append(Problem(49, str(file), what, fix))
    if problems:
        raise MismatchError(*problems)


def check_training_times(folder: Path, about: About, states: Mapping[str, xr.Dataset]) -> None:
    """Refuse a bundle whose parts were fitted on other dates than the rest (CD-066); bundles of old name no dates."""
    hashes = {name: state.attrs["training_times_hash"] for name, state in states.items()}
    hashes |= {"bundle.json": about.training_times} if about.training_times else {}
    if len(set(hashes.values())) > 1:
        what = f"fitted on other dates: {', '.join(f'{name} on {found[:8]}' for name, found in hashes.items())}"
        raise MismatchError(Problem(66, str(folder), what, "train again: these parts do not belong together"))
