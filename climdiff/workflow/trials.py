"""Ways of drawing members, each scored once on the same validation dates with the same noise, and kept in a file."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from climdiff import drawing
from climdiff.bundle import Model
from climdiff.data.pairs import Pairs
from climdiff.downscalers.diffusion import DiffusionDownscaler
from climdiff.errors import MismatchError, OutputError, Problem, RecipeError
from climdiff.generation.receipts import sha256
from climdiff.recipe.schema import Sample
from climdiff.replacement import replacing
from climdiff.verification import spectra
from climdiff.verification.dates import SUMS, DateScores, date_scores, joined
from climdiff.verification.ensembles import incomplete
from climdiff.workflow.sweep import FINEST_CELLS, counted


@dataclass(frozen=True, eq=False)
class Trial:
    """One way of drawing and how good its members were.

    Attributes:
        sample: The way.
        evaluations: Of the network for one member.
        seconds: For one member of one date.
        scores: By variable, date by date.
        power: By variable, of members over that of the truth at wavelengths below 4 cells; NaN where not defined.
    """

    sample: Sample
    evaluations: int
    seconds: float
    scores: Mapping[str, DateScores]
    power: Mapping[str, float]


@dataclass(frozen=True)
class _Row:
    """A trial as it lies in the file."""

    sample: dict[str, Any]
    evaluations: int
    seconds: float
    scores: dict[str, dict[str, list[float]]]
    power: dict[str, float | None]


_ROWS = TypeAdapter(list[_Row])


class Trials:
    """Scores ways of drawing; `progress` is told how many evaluations of a member and date were done since."""

    def __init__(
        self, model: Model, pairs: Pairs, members: int, folder: Path, progress: Callable[[float], None]
    ) -> None:
        """Find what an earlier, interrupted run of the same model, dates and members left in `folder`.

        Raises:
            MismatchError: CD-044, what is there is not what was left.
        """
        self.model, self.pairs, self.members, self.progress = model, pairs, members, progress
        self.about = {
            "bundle_hash": model.hash,
            "recipe": model.recipe.sample.model_dump(mode="json"),
            "seed": model.recipe.seed,
            "members": members,
            "dates": [str(date) for date in pairs.times.values],
        }
        self.file = folder / f"{sha256(json.dumps(self.about, sort_keys=True).encode())[:16]}.json"
        self.rows = self._kept()

    def score(self, sample: Sample) -> Trial:
        """Return the trial of a way of drawing, from the file if it is there.

        Raises:
            RecipeError: CD-037, a way that the model cannot draw in.
        """
        known = sample.model_dump(mode="json")
        row = next((row for row in self.rows if row.sample == known), None)
        if row is None:
            row = self._drawn(_drawing(self.model, sample), known)
            self.rows.append(row)
            with replacing(self.file) as building:
                building.write_bytes(self._sealed(self.rows))
        scores = {
            name: DateScores(self.members, *(np.array(sums[each]) for each in SUMS))
            for name, sums in row.scores.items()
        }
        power = {name: np.nan if found is None else found for name, found in row.power.items()}
        return Trial(sample, row.evaluations, row.seconds, scores, power)

    def _kept(self) -> list[_Row]:
        """Return the trials in the file: it is taken if it is, to the last byte, what keeping them writes."""
        if not self.file.exists():
            return []
        content, fix = self.file.read_bytes(), "remove it, then calibrate again"
        try:
            rows = _ROWS.validate_python(json.loads(content)["trials"])
            is_sound = content == self._sealed(rows)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise MismatchError(Problem(44, str(self.file), "holds no trials of a calibration", fix)) from error
        if not is_sound:
            what = "is not what a calibration of this model on these dates left here"
            raise MismatchError(Problem(44, str(self.file), what, fix))
        return rows

    def _sealed(self, rows: list[_Row]) -> bytes:
        """Return trials as they lie in the file, with a hash of all that it says."""
        content = {"about": self.about, "trials": _ROWS.dump_python(rows, mode="json")}
        return json.dumps({**content, "sha256": sha256(json.dumps(content).encode())}).encode()

    def _drawn(self, downscaler: DiffusionDownscaler, known: dict[str, Any]) -> _Row:
        started = time.monotonic()
        dates: dict[str, list[DateScores]] = {name: [] for name in self.model.targets}
        powers: dict[str, list[dict[str, np.ndarray]]] = {name: [] for name in self.model.targets}
        area = self.pairs.fine_grid.cell_area().values
        n_batches = 0
        with counted(downscaler.denoiser) as calls:
            for index in self._blocks():
                before = calls[0]
                chosen = self.pairs.select(index)
                drawn = downscaler.downscale(chosen.coarse, range(self.members), self.model.recipe.seed)
                truth = chosen.truth(slice(None))
                batches = -(-self.members * len(index) // downscaler.sampling.micro_batch)
                n_batches += batches
                for name, parts in dates.items():
                    values = drawn[name].values, truth[name].transpose(*drawn[name].dims[1:]).values
                    _refuse_incomplete(name, *values)
                    parts.append(date_scores(*values, area))
                    if min(values[1].shape[1:]) >= spectra.MIN_CELLS:
                        is_whole = ~np.isnan(values[1]).any(axis=(1, 2))
                        powers[name].append(spectra.spectrum_sums(*values, is_whole))
                self.progress((calls[0] - before) / batches * len(index) / self.pairs.n_times)
        seconds = (time.monotonic() - started) / (self.members * self.pairs.n_times)
        scores = {name: joined(parts) for name, parts in dates.items()}
        sums = {name: {each: getattr(found, each).tolist() for each in SUMS} for name, found in scores.items()}
        side = min(self.model.grid.shape)
        return _Row(
            known, calls[0] // n_batches, seconds, sums, {name: _power(found, side) for name, found in powers.items()}
        )

    def _blocks(self) -> Iterator[np.ndarray]:
        """Yield positions of dates whose members about fill a batch."""
        length = max(1, self.model.downscaler.sampling.micro_batch // self.members)
        for start in range(0, self.pairs.n_times, length):
            yield np.arange(start, min(start + length, self.pairs.n_times))


def _drawing(model: Model, sample: Sample) -> DiffusionDownscaler:
    """Return the downscaler of a model that draws in another way; nothing is read from the disk."""
    downscaler = model.downscaler
    if not isinstance(downscaler, DiffusionDownscaler):
        what = f"'{model.recipe.model.method}' draws a member in one evaluation: there is no way to choose"
        raise RecipeError(Problem(37, "model.method", what, "calibrate a model of method diffusion"))
    own = downscaler.sampling
    recipe = model.recipe.model_copy(update={"sample": sample})
    made = drawing.sampling(recipe, downscaler.denoiser.chain, own.limits or {}, own.persistence)
    return downscaler.changed(sampling=replace(made, micro_batch=own.micro_batch))


def _refuse_incomplete(name: str, members: np.ndarray, truth: np.ndarray) -> None:
    if incomplete(members, truth).any():
        what = f"variable '{name}': members miss cells that the truth has"
        raise OutputError(Problem(11, "calibration", what, "check data.on_missing, and train again"))


def _power(sums: list[dict[str, np.ndarray]], side: int) -> float | None:
    """Return the mean ratio of power at wavelengths below 4 cells."""
    if not sums:
        return None
    added = {name: np.sum([each[name] for each in sums], axis=0) for name in sums[0]}
    found = spectra.spectrum(added, side, np.nan)
    if found is None:
        return None
    ratio = float(found.ratio[found.wavelength_cells < FINEST_CELLS].mean())
    return ratio if np.isfinite(ratio) else None
