"""Judges an ensemble against the truth: every score of every variable, in one pass and bounded memory.

Values are read a block of times at a time; each block gives additive sums (a weighted sum and its weight), which are
added and turned into scores at the end. The cut into blocks or chunks does not matter, and memory does not grow with
time, but for two numbers per time: its fair CRPS and the weight of its cells.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import xarray as xr

from climdiff.errors import DataError, OutputError, Problem
from climdiff.grids.grid import Grid
from climdiff.verification import probabilistic, spectra
from climdiff.verification.coarse import Coarse
from climdiff.verification.ensembles import Match, incomplete, listed, match
from climdiff.verification.families import Setting
from climdiff.verification.groups import Group
from climdiff.verification.groups import by_season as by_season_of
from climdiff.verification.series import calendar_of_series
from climdiff.verification.tally import Plan, Tally
from climdiff.verification.variables import correlated

Progress = Callable[[int, int], None]
PIECE_VALUES = 2**20
"""Values of members that are scored at a time; 4 MiB in float32, and a few times that for what is made of them."""


@dataclass(frozen=True)
class VariableScores:
    """All scores of one variable, in its own `units`.

    `scalars` has all that is one number, by the names that docs/scores.md defines; those of the event value >= T end in
    `@T`. One member has no spread: its crps_fair is its mean absolute error, and spread and spread_skill are NaN.
    `crps` is (time,), the fair CRPS of each time (NaN where no cell has a truth), `weight` (time,) the weight of its
    cells: their weighted mean is the scalar `crps_fair`. `rank_histogram` is (M + 1,), the share of cells at each rank.
    `spectrum` is None for other than two horizontal dimensions, fewer than 8 cells a side, or no time without missing
    cells. `tables` has what else is more than one number, each on dimensions of its own; `skipped` why some scores are
    not there. `by_time` has other scores asked for, (time,) each, `rmse` as its square.
    """

    units: str
    scalars: Mapping[str, float]
    times: xr.DataArray
    crps: np.ndarray
    weight: np.ndarray
    rank_histogram: np.ndarray
    reliability: Mapping[float, probabilistic.Reliability]
    spectrum: spectra.Spectrum | None
    tables: Mapping[str, xr.DataArray] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)
    by_time: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Scores:
    """The scores of a forecast, variable by variable."""

    variables: Mapping[str, VariableScores]

    def __getitem__(self, variable: str) -> VariableScores:
        return self.variables[variable]

    def to_json(self) -> dict[str, dict[str, float | None]]:
        """Return {variable: {score: number}}; an undefined score is None, as JSON has no NaN."""
        return {
            name: {score: value if np.isfinite(value) else None for score, value in found.scalars.items()}
            for name, found in self.variables.items()
        }

    def to_dataset(self) -> xr.Dataset:
        """Return everything as one Dataset, the names of a variable's parts beginning with its own name."""
        return xr.merge([_to_dataset(name, found) for name, found in self.variables.items()], join="exact")


def scorecard(
    forecast: xr.Dataset,
    truth: xr.Dataset,
    *,
    thresholds: Mapping[str, Sequence[float]] | None = None,
    area: xr.DataArray | None = None,
    by_season: bool = False,
    regions: Mapping[str, xr.DataArray] | None = None,
    coarse: Mapping[str, Coarse] | None = None,
    each_time: Mapping[str, Sequence[str]] | None = None,
    progress: Progress | None = None,
) -> Scores:
    """Return the scores of all variables that forecast and truth share.

    Args:
        forecast: (realization, time, ...) in any order, lazy or not; without a dimension of members it is one member.
        truth: (time, ...); a missing cell (NaN) is left out of every score.
        thresholds: Per variable the thresholds of its events, in its units.
        area: Weight of every cell over the horizontal dimensions of the truth, >= 0; equal weights if None.
        by_season: Score the seasons on their own as well, by calendar month, of `valid_time` where the truth has it.
        regions: Per region which cells belong to it, bool over the horizontal dimensions of the truth.
        coarse: Per variable the coarse field that members should be consistent with, at the times of the truth.
        each_time: Per variable the scores wanted time by time beside the fair CRPS, see `by_time`.
        progress: Called with (times done, times to do) over all variables.

    Raises:
        DataError: As `match`; thresholds of an unknown variable (CD-036), an area or a region of other
            cells (CD-021), a coarse field of other times (CD-023), or a truth that is infinite or missing everywhere
            (CD-033).
        OutputError: A member misses cells that others or the truth have, at the times named (CD-011). No score is
            returned then: leaving members out would favour the rest.
    """
    matches = match(forecast, truth)
    unknown = sorted(set(thresholds or {}) - set(matches))
    if unknown:
        what = f"thresholds for {unknown}, but the variables scored are {sorted(matches)}"
        raise DataError(Problem(36, "thresholds", what, "name a variable that forecast and truth share"))
    n_total = sum(pair.times.size for pair in matches.values())
    found: dict[str, VariableScores] = {}
    n_before = 0

    def advance(n_done: int) -> None:
        if progress is not None:
            progress(n_before + n_done, n_total)

    spacing_km = _spacing_km(truth)
    origins = {name: _origin(pair) for name, pair in matches.items()}
    for name, pair in matches.items():
        chosen = tuple(dict.fromkeys(map(float, (thresholds or {}).get(name, ()))))
        setting = Setting(pair.n_members, chosen, tuple(pair.cells.values()))
        calendar = calendar_of_series(pair.truth, pair.times)
        plan = Plan(
            setting,
            _cell_weights(pair, area),
            origins[name],
            None if isinstance(calendar, str) else calendar,
            _groups(pair, by_season, regions),
            _coarse(pair, (coarse or {}).get(name)),
            tuple((each_time or {}).get(name, ())),
        )
        tally = _collect(pair, plan, advance)
        found[name] = _finish(pair, tally, spacing_km, {"series": calendar} if isinstance(calendar, str) else {})
        n_before += pair.times.size
    together = correlated(matches, origins, _cell_weights(next(iter(matches.values())), area))
    return Scores({name: replace(one, scalars={**one.scalars, **together[name]}) for name, one in found.items()})


def _origin(pair: Match) -> float:
    """Return the mean of the truth at the first time: near the values, and the same however they are cut."""
    first = np.asarray(pair.truth_at(slice(0, 1)).values, np.float64)
    finite = first[np.isfinite(first)]
    return float(finite.mean()) if finite.size else 0.0


def _groups(pair: Match, seasons: bool, regions: Mapping[str, xr.DataArray] | None) -> dict[str, Group]:
    """Return the parts of times and cells that are scored on their own.

    Raises:
        DataError: CD-021, a region on other cells.
    """
    # where times only number scenes, valid_time says when they were
    groups = by_season_of(pair.truth.coords.get("valid_time", pair.times)) if seasons else {}
    for name, inside in (regions or {}).items():
        if dict(inside.sizes) != pair.cells:
            what = f"region '{name}' has sizes {dict(inside.sizes)}, variable '{pair.truth.name}' has {pair.cells}"
            raise DataError(Problem(21, "regions", what, "give a region over the cells of the truth"))
        groups[name] = Group(cells=inside.transpose(*pair.cells).values)
    return groups


def _coarse(pair: Match, coarse: Coarse | None) -> Coarse | None:
    """Return the coarse field, at the times of the truth and of a map.

    Raises:
        DataError: CD-023, it has other times.
    """
    if coarse is not None and not np.array_equal(coarse.field[coarse.field.dims[0]].values, pair.times.values):
        what = f"variable '{pair.truth.name}': the coarse field has other times than the truth"
        raise DataError(Problem(23, "coarse", what, "give both at the same times, in the same order"))
    return coarse


def _cell_weights(pair: Match, area: xr.DataArray | None) -> np.ndarray:
    """Return the weight of every cell of the truth, without time."""
    if area is None:
        return np.ones(tuple(pair.cells.values()))
    if dict(area.sizes) != pair.cells:
        what = f"area has sizes {dict(area.sizes)}, variable '{pair.truth.name}' has {pair.cells}"
        more = [str(dim) for dim in pair.cells if dim not in area.dims]
        fix = f"select one place along {' and '.join(more)}" if more else "give the area of the cells of the truth"
        raise DataError(Problem(21, "area", what, fix))
    weights = np.asarray(area.transpose(*pair.cells).values, np.float64)
    if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
        raise DataError(Problem(33, "area", "area is negative, missing or zero everywhere", "give weights >= 0"))
    return weights


def _collect(pair: Match, plan: Plan, advance: Callable[[int], None]) -> Tally:
    """Return the sums over all times of one variable."""
    tally = Tally(plan, pair.times.size)
    bad = np.zeros(pair.times.size, bool)
    for span, members, truth in _pieces(pair):
        bad[span] = incomplete(members, truth)
        if not bad.any():
            _refuse_infinite(truth, pair, span)
            tally.add(span, members, truth)
        advance(span.stop)
    if bad.any():
        times = f"{int(bad.sum())} times ({listed(pair.times.values[bad])})"
        what = f"variable '{pair.truth.name}': members miss cells, or are infinite, at {times}"
        raise OutputError(Problem(11, pair.where[0], what, "complete the ensemble, then verify again"))
    if not tally.sums["errors"]["weight"] > 0:
        what = f"variable '{pair.truth.name}': the truth is missing in every cell"
        raise DataError(Problem(33, pair.where[1], what, "give a truth that covers the forecast"))
    return tally


def _pieces(pair: Match) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """Yield what `Match.blocks` does in pieces so small that all that is worked out of one stays near the processor."""
    for span, members, truth in pair.blocks():
        length = max(1, PIECE_VALUES // max(members[:, 0].size, 1))
        for start in range(0, len(truth), length):
            part = slice(start, min(start + length, len(truth)))
            times = slice(span.start + part.start, span.start + part.stop)
            yield times, np.ascontiguousarray(members[:, part]), truth[part]


def _refuse_infinite(truth: np.ndarray, pair: Match, span: slice) -> None:
    infinite = np.isinf(truth).reshape(len(truth), -1).any(axis=1)
    if infinite.any():
        what = f"variable '{pair.truth.name}': infinite values at {listed(pair.times.values[span][infinite])}"
        raise DataError(Problem(33, pair.where[1], what, "mark missing values as NaN"))


def _spacing_km(truth: xr.Dataset) -> float:
    """Return the side of a cell [km]; NaN where coordinates do not tell."""
    try:
        return Grid.from_dataset(truth, "truth").spacing_km or float("nan")
    except DataError:  # stations or irregular cells can be scored, but have no one size
        return float("nan")


def _finish(pair: Match, tally: Tally, spacing_km: float, skipped: Mapping[str, str]) -> VariableScores:
    """Return scores from sums over all times."""
    sums, setting = tally.sums, tally.plan.setting
    powers, events = sums["spectrum"], sums["events"]
    each = zip(setting.thresholds, setting.labels, strict=True)
    return VariableScores(
        units=str(pair.truth.attrs.get("units", "")),
        scalars=tally.scalars() | {"n_members": setting.n_members, "n_times": pair.times.size},
        times=pair.times.reset_coords(drop=True),
        crps=tally.crps,
        weight=tally.weight,
        rank_histogram=probabilistic.rank_histogram(sums["ranks"]["table"]),
        reliability={threshold: probabilistic.reliability(events[label]) for threshold, label in each},
        spectrum=spectra.spectrum(powers, min(setting.shape), spacing_km) if powers else None,
        tables=tally.tables(),
        skipped=skipped,
        by_time=tally.by_time,
    )


def _to_dataset(name: str, found: VariableScores) -> xr.Dataset:
    """Return the scores of one variable as a Dataset; see `Scores.to_dataset`."""
    time = found.times.dims[0]
    units = {"units": found.units}
    reasons = {f"skipped_{key}": why for key, why in found.skipped.items()}
    numbers = np.array(list(found.scalars.values()), np.float64)
    parts: dict[str, xr.Variable] = {
        f"{name}_score": xr.Variable((f"{name}_score_name",), numbers, reasons),
        f"{name}_crps_fair": xr.Variable((time,), found.crps, units),
        f"{name}_weight": xr.Variable((time,), found.weight),
        f"{name}_rank_histogram": xr.Variable((f"{name}_rank",), found.rank_histogram, {"units": "1"}),
    }
    parts |= {f"{name}_{score}_by_time": xr.Variable((time,), values) for score, values in found.by_time.items()}
    coords: dict[Hashable, object] = {time: found.times, f"{name}_score_name": list(found.scalars)}
    if found.reliability:
        tables = list(found.reliability.values())
        dims = (f"{name}_threshold", f"{name}_probability")
        coords |= {dims[0]: (dims[0], list(found.reliability), units), dims[1]: tables[0].probability}
        parts[f"{name}_reliability_weight"] = xr.Variable(dims, np.stack([t.weight for t in tables]))
        parts[f"{name}_reliability_frequency"] = xr.Variable(dims, np.stack([t.frequency for t in tables]))
    if found.spectrum is not None:
        dim = f"{name}_wavelength"
        coords[dim] = (dim, found.spectrum.wavelength_cells, {"long_name": "wavelength in cells", "units": "1"})
        coords[f"{dim}_km"] = (dim, found.spectrum.wavelength_km, {"units": "km"})
        for kind in ("members", "mean", "truth"):
            parts[f"{name}_spectrum_{kind}"] = xr.Variable((dim,), getattr(found.spectrum, kind))
    whole = xr.Dataset(parts, coords)
    for key, table in found.tables.items():
        own = table.rename(f"{name}_{key}").rename({dim: f"{name}_{dim}" for dim in table.dims})
        whole = whole.merge(own, join="exact")
    return whole
