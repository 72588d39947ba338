"""Many ways of drawing members from one model, each scored on the validation split, and never on the test split."""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from pydantic import TypeAdapter
from torch import nn

from climdiff import build, bundle, methods
from climdiff.data.pairs import Pairs
from climdiff.data.times import evenly_spread
from climdiff.errors import DataError, MismatchError, Problem, RecipeError
from climdiff.recipe.load import changed
from climdiff.replacement import replacing
from climdiff.report.sweeps import EVALUATIONS, Point, sweep_figure
from climdiff.verification.scorecard import VariableScores, scorecard

FINEST_CELLS = 4.0
"""Wavelengths below this many cells are the small scales."""

_BETWEEN_VALUES = re.compile(r",(?![^\[\]{}]*[\]}])")


@dataclass(frozen=True)
class Row:
    """Scores of one variable, drawn in one way.

    Attributes:
        settings: Keys of `sample` that differ from the recipe's.
        variable: The target.
        evaluations: Of the network for one member.
        crps_fair: Fair CRPS, in units of the variable.
        spread_skill: Spread over error of the ensemble mean.
        small_scale_ratio: Power of members over that of the truth at wavelengths below 4 cells.
        ratio_low: Least ratio of power at longer wavelengths.
        ratio_high: Largest one.
        seconds: Wall time for one member of one date.
        bundle_hash: Of the model that drew it, as `bundle.Model.hash`.
    """

    settings: Mapping[str, str]
    variable: str
    evaluations: int
    crps_fair: float
    spread_skill: float
    small_scale_ratio: float
    ratio_low: float
    ratio_high: float
    seconds: float
    bundle_hash: str = ""


_ROWS = TypeAdapter(list[Row])


def combinations(grid: Sequence[str]) -> list[tuple[str, ...]]:
    """Return every combination of `key=value,value` texts, as overrides; commas within brackets do not separate."""
    found: dict[str, list[str]] = {}
    for text in grid:
        key, _, values = text.partition("=")
        found.setdefault(key, []).extend(f"{key}={value.strip()}" for value in _BETWEEN_VALUES.split(values))
    return list(itertools.product(*(dict.fromkeys(values) for values in found.values())))


def sweep(
    run: Path,
    grid: Sequence[str],
    out: Path,
    *,
    times: int = 32,
    members: int = 4,
    say: Callable[[str], None] = lambda line: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Row]:
    """Try every way of drawing in `grid` that `out` does not have yet; return the rows of all that it has then.

    Args:
        run: A trained run.
        grid: Keys of `sample` with their values, such as `sample.steps=5,10,20`; all combinations are tried.
        out: JSON file of the rows, written after each way.
        times: Dates of the validation split, evenly spread.
        members: Members of each date.
        say: Takes lines for the user: combinations that mean nothing.
        progress: Called with (ways done, ways to do).

    Raises:
        RecipeError: CD-037, no combination means anything.
        SecurityError: CD-039, a value that could do harm.
        DataError: CD-012, no folder for `out`.
        MismatchError: CD-050, `run` holds no model; CD-044, `out` holds rows of another model, other dates or another
            count of members.
    """
    model = bundle.load(run, calibrated=False)
    if not out.parent.is_dir():
        raise DataError(Problem(12, str(out.parent), "no such folder", "make it, or give another file with --out"))
    if out.is_dir():
        raise DataError(Problem(12, str(out), "is a folder", "give a file with --out"))
    ways = _meaningful(model, grid, say)
    sample = model.recipe.sample.model_dump(mode="json")
    about = {"bundle_hash": model.hash, "sample": sample, "split": "validation", "times": times, "members": members}
    rows = _read(out, about)
    pairs = _dates(model, times)
    for number, way in enumerate(ways):
        progress(number, len(ways))
        settings = _settings(way)
        if (settings, ways[way]) not in [(dict(row.settings), row.bundle_hash) for row in rows]:
            drawing = bundle.load(run, changed(model.recipe, way, ("sample",)))
            if drawing.hash != ways[way]:
                what = f"the bundle is another one than when this sweep began ({model.hash[:16]}...)"
                raise MismatchError(Problem(44, str(run), what, "sweep again, with another file given by --out"))
            rows = _add(out, about, _rows(drawing, pairs, members, settings))
    progress(len(ways), len(ways))
    return rows


def _add(out: Path, about: Mapping[str, Any], new: Sequence[Row]) -> list[Row]:
    """Add rows to those in `out` by now, which may come from another sweep beside this one; return all.

    Rows of the same settings, by a one-step network of before, go.
    """
    folder = os.open(out.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        fresh = [(row.settings, row.variable) for row in new]
        rows = [row for row in _read(out, about) if (row.settings, row.variable) not in fresh] + list(new)
        with replacing(out) as building:
            building.write_text(json.dumps({**about, "rows": [asdict(row) for row in rows]}, indent=1))
    finally:
        os.close(folder)
    return rows


def _settings(way: Sequence[str]) -> dict[str, str]:
    return dict(text.split("=", 1) for text in way)


def draw(rows: Sequence[Row], variable: str, units: str) -> Figure:
    """Return the figure of one variable: against evaluations where these vary, else against the first key that does."""
    own = [row for row in rows if row.variable == variable]
    varied = [key for key in dict.fromkeys(key for row in own for key in row.settings)
              if len({row.settings.get(key) for row in own}) > 1]  # fmt: skip
    numeric = [key for key in varied if all(_number(row.settings.get(key)) is not None for row in own)]
    by_cost = "sample.steps" in varied or not numeric
    along = "sample.steps" if by_cost else numeric[0]
    points = []
    for row in own:
        line = ", ".join(_short(key, row.settings[key]) for key in varied if key != along and key in row.settings)
        x = row.evaluations if by_cost else float(row.settings[along])
        points.append(Point(line or "members", x, asdict(row)))
    return sweep_figure(points, EVALUATIONS if by_cost else along.removeprefix("sample."), units)


def put_picture(figure: Figure, path: Path) -> None:
    """Put a figure in place as a PNG, in one step."""
    with replacing(path) as building:
        figure.savefig(building, format="png", dpi=160)


def _short(key: str, value: str) -> str:
    return value if key == "sample.sampler" else f"{key.removeprefix('sample.')} {value}"


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _read(out: Path, about: Mapping[str, Any]) -> list[Row]:
    if not out.exists():
        return []
    try:
        found = json.loads(out.read_text())
        rows = _ROWS.validate_python(found.pop("rows"))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise MismatchError(Problem(44, str(out), "is no sweep", "give another file with --out")) from error
    if found != about:
        other = [key for key in about if found.get(key) != about[key]]
        what = "; ".join(f"{key} is {found.get(key)}, not {about[key]}" for key in other) or "has other keys"
        raise MismatchError(Problem(44, str(out), f"holds another sweep: {what}", "give another file with --out"))
    return rows


def _meaningful(model: bundle.Model, grid: Sequence[str], say: Callable[[str], None]) -> dict[tuple[str, ...], str]:
    """Return the combinations that a recipe may hold, and the hash of the model each draws with.

    Of the others, what is wrong is said.
    """
    ways: dict[tuple[str, ...], str] = {}
    problems: list[Problem] = []
    for way in combinations(grid):
        try:
            later = changed(model.recipe, way, ("sample",))
            methods.refuse_idle(later, way)
            ways[way] = bundle.load(model.path, later).hash
        except (RecipeError, DataError) as error:
            problems += error.problems
            say(f"left out: {' '.join(way)}: {error.problems[0].what}")
    if not ways:
        raise RecipeError(*dict.fromkeys(problems))
    return ways


def _dates(model: bundle.Model, times: int) -> Pairs:
    pairs = build.open_splits(model.recipe, ("validation",))["validation"]
    return pairs.select(evenly_spread(pairs.n_times, times))


def _rows(model: bundle.Model, pairs: Pairs, members: int, settings: Mapping[str, str]) -> list[Row]:
    started = time.monotonic()
    with counted(model.downscaler.network) as calls:
        drawn = model.downscaler.downscale(pairs.coarse, range(members), model.recipe.seed)
    seconds = time.monotonic() - started
    n_fields = members * pairs.n_times
    n_batches = -(-n_fields // model.downscaler.sampling.micro_batch)
    scores = scorecard(drawn, pairs.truth(slice(None)), area=pairs.fine_grid.cell_area())
    evaluations = calls[0] // n_batches
    return [
        Row(settings, name, evaluations, seconds=seconds / n_fields, bundle_hash=model.hash, **_numbers(found))
        for name, found in scores.variables.items()
    ]


@contextmanager
def counted(network: nn.Module) -> Iterator[list[int]]:
    """Give a list whose only number is how often the network was evaluated."""
    calls = [0]

    def count(*_: object) -> None:
        calls[0] += 1

    hook = network.register_forward_hook(count)
    try:
        yield calls
    finally:
        hook.remove()


def _numbers(found: VariableScores) -> dict[str, float]:
    numbers = {name: float(found.scalars[name]) for name in ("crps_fair", "spread_skill")}
    small, low, high = np.nan, np.nan, np.nan
    if found.spectrum is not None:
        is_small = found.spectrum.wavelength_cells < FINEST_CELLS
        ratio = found.spectrum.ratio
        small, low, high = float(ratio[is_small].mean()), float(ratio[~is_small].min()), float(ratio[~is_small].max())
    return {**numbers, "small_scale_ratio": small, "ratio_low": low, "ratio_high": high}
