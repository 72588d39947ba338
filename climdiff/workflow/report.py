"""The report of a run: fills the page with maps, curves, scores and provenance."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from climdiff.bundle_files import Calibration
from climdiff.errors import Problem, RecipeError
from climdiff.grids.blocks import blocks_of
from climdiff.recipe.load import parse
from climdiff.recipe.schema import Recipe
from climdiff.recipe.show import to_yaml
from climdiff.replacement import replacing
from climdiff.report.calibrations import calibration_figure
from climdiff.report.curves import loss_figure, rank_histogram_figure, reliability_figure, spectra_figure
from climdiff.report.differences import differences_figure, reading, standing
from climdiff.report.gains import gain_maps
from climdiff.report.labels import date_label, long_name, number, units_label
from climdiff.report.maps import ensemble_maps
from climdiff.report.page import Page, Picture, VariableSection, render
from climdiff.report.rows import FINE_CELLS, FINE_POWER
from climdiff.report.skill import Binned, Quantiles, Scales, fss_figure, quantile_figure, spread_error_figure
from climdiff.training.log import read as read_log
from climdiff.verification.aggregation import FACTORS
from climdiff.verification.distribution import PERCENTS
from climdiff.verification.scorecard import VariableScores
from climdiff.verification.significance import Difference
from climdiff.verification.spectra import Spectrum
from climdiff.workflow import rungs
from climdiff.workflow.calibration import ways
from climdiff.workflow.search import BAND
from climdiff.workflow.verification import Verdict

N_MAPS = 3
NO_BASELINES = (
    "No baseline is scored: a foreign ensemble has no recipe. `climdiff ladder` scores them for a recipe's data."
)
SAME_MEANS = 0.05
"""Share of the mean absolute error up to which the truth's block means count as the coarse field."""
PROVENANCE = ("version", "bundle_hash", "sampler", "steps", "guidance", "precision", "seed", "split")


def write(
    verdict: Verdict,
    path: Path,
    *,
    log: Path | None = None,
    facts: Mapping[str, str] | None = None,
    calibration: Calibration | None = None,
) -> None:
    """Write the HTML report of a verdict to `path`.

    Args:
        verdict: What `verify` returned.
        path: The HTML file.
        log: `log.jsonl` of the training, for its curve.
        facts: Further facts to show, in order.
        calibration: That of the model, shown beside an ensemble of ours.
    """
    recipe, times = verdict.recipe, verdict.ensemble["time"]
    calibration = calibration if recipe else None
    rows = read_log(log) if log is not None else []
    page = Page(
        title=(recipe.title or recipe.name) if recipe else path.stem,
        summary=recipe.description if recipe else "",
        period=f"{date_label(times.values[0])} to {date_label(times.values[-1])}, {times.size} times",
        model=verdict.name,
        sections=tuple(_section(verdict, name) for name in verdict.scores[verdict.name].variables),
        training=(_training(loss_figure(rows, validation="validation_score")),) if rows else (),
        recipe=to_yaml(recipe) if recipe else "",
        facts=dict(facts or {}),
        provenance=_provenance(verdict.ensemble),
        leaks=verdict.leaks,
        unsearched=verdict.not_searched,
        skipped=tuple(_skipped(verdict)),
        calibration=tuple(_ways(verdict, calibration)) if calibration else (),
        calibrated=calibrated(calibration, verdict.ensemble) if calibration else "",
        note=reading(verdict.differences.values(), verdict.unit) if recipe else NO_BASELINES,
    )
    with replacing(path) as building:
        building.write_text(render(page), encoding="utf-8")


def _section(verdict: Verdict, name: str) -> VariableSection:
    attributes = verdict.ensemble[name].attrs
    own = {key[1:]: found for key, found in verdict.differences.items() if key[0] == name}
    crps = {method: found for (score, method), found in own.items() if score == "crps_fair"}
    return VariableSection(
        name=name,
        long_name=long_name(verdict.ensemble[name]),
        units=str(attributes.get("units", "")),
        scores=_numbers(verdict, name),
        maps=(*_gains(verdict, name), *_maps(verdict, name)),
        curves=tuple(_curves(verdict, name)),
        beside=_beside(verdict, name),
        verdict=tuple(line for line in verdict.sentences(name) if line not in verdict.leaks),
        standing=standing(crps),
        differences=_differences(crps) if any(each.is_defined for each in crps.values()) else None,
        given=given(verdict, name),
        sure=frozenset(key for key, found in own.items() if found.is_better or found.is_worse),
    )


def given(verdict: Verdict, name: str) -> frozenset[str]:
    """Return the scores of block means that the coarse field gives: those over coarse cells, of the truth's means."""
    own = verdict.scores[verdict.name][name].scalars
    if not own.get("coarse_rmse_truth", np.inf) <= SAME_MEANS * own["mae"]:
        return frozenset()
    factor = blocks_of(verdict.test.coarse_grid, verdict.test.fine_grid).factor
    return frozenset(f"crps_fair_{n}x{n}" for n in FACTORS if all(n % side == 0 for side in factor))


def _numbers(verdict: Verdict, name: str) -> dict[str, dict[str, float | None]]:
    """Return {method: {score: number}} of one variable, the power of short waves beside what `scores.json` has."""
    found: dict[str, dict[str, float | None]] = {}
    for method, row in verdict.to_json()[name].items():
        spectrum = verdict.scores[method][name].spectrum
        found[method] = row if spectrum is None else row | {FINE_POWER: fine_power(spectrum)}
    return found


def fine_power(spectrum: Spectrum) -> float:
    """Return the power of members over that of the truth at wavelengths below 8 cells; NaN where there is none."""
    short = spectrum.wavelength_cells < FINE_CELLS
    truth = float(spectrum.truth[short].sum())
    return float(spectrum.members[short].sum()) / truth if truth > 0 else float("nan")


def _differences(found: Mapping[str, Difference]) -> Picture:
    caption = (
        "Fair CRPS of the model against each method, and the interval: left of 0 the model is better. Circles are "
        "better and squares worse for sure; diamonds are not told apart. A single field's CRPS is its absolute error."
    )
    return Picture(differences_figure(found), "Differences", caption)


def _skipped(verdict: Verdict) -> list[str]:
    """Return sentences on methods of the ladder and scores that are missing, and why."""
    lines = [f"'{name}' is left out: {why}" for name, why in verdict.left_out.items()]
    seen = {*verdict.scores, *verdict.left_out}
    untrained = [name for name in rungs.named(verdict.recipe) if name not in seen] if verdict.recipe else []
    if untrained:
        lines.append(f"methods that are not trained on this recipe: {', '.join(untrained)}")
    for variable, found in verdict.scores[verdict.name].variables.items():
        lines += [f"{variable}: scores of {what} left out: {why}" for what, why in found.skipped.items()]
    return lines


def _gains(verdict: Verdict, name: str) -> list[Picture]:
    """Return the map of where the model is better than the best other method; none where nothing else was scored."""
    rivals = [method for method in _ranked(verdict, name) if method not in (verdict.name, "oracle")]
    fields = [verdict.scores[method][name].tables.get("crps_fair_by_cell") for method in (verdict.name, *rivals[:1])]
    if len(fields) < 2 or fields[0] is None or fields[1] is None:
        return []
    grid = verdict.test.fine_grid
    model, other = (field.rename({"y": grid.y_dim, "x": grid.x_dim}) for field in fields if field is not None)
    units = str(verdict.ensemble[name].attrs.get("units", ""))
    caption = (
        f"Fair CRPS of the model and of {rivals[0].replace('_', ' ')}, the best other method, mean over all times, and "
        "the difference in percent of the latter: blue where the model is better."
    )
    figure = gain_maps(model, other, grid, (verdict.name, rivals[0]), units)
    return [Picture(figure, "Where the model is better", caption, format="png")]


def _ranked(verdict: Verdict, name: str) -> list[str]:
    """Return the methods by their fair CRPS, the best first."""
    crps = {
        method: scores[name].scalars["crps_fair"]
        for method, scores in verdict.scores.items()
        if name in scores.variables
    }
    return sorted(crps, key=crps.__getitem__)


def _maps(verdict: Verdict, name: str) -> list[Picture]:
    test, recipe = verdict.test, verdict.recipe
    shown = recipe.report.members_shown if recipe else 4
    pictures = []
    for position in chosen_times(verdict, name):
        time = verdict.ensemble["time"].values[position]
        figure = ensemble_maps(
            test.truth(np.array([position])),
            test.coarse.isel(time=[position]),
            verdict.ensemble[[name]].isel(time=[position]),
            grids=(test.fine_grid, test.coarse_grid),
            time=time,
            variable=name,
            members=shown,
        )
        caption = (
            "The coarse input where there is one, the truth, mean and spread of the ensemble, and its first members on "
            "one scale. Dates that the recipe does not name are chosen by the truth's mean: a high one, and lower ones."
        )
        pictures.append(Picture(figure, date_label(time), caption, format="png"))
    return pictures


def chosen_times(verdict: Verdict, name: str) -> list[int]:
    """Return the positions of the times to map: the recipe's, or those of a high, a middle and a low truth.

    Raises:
        RecipeError: CD-037, a time of the recipe that was not scored.
    """
    times = verdict.ensemble["time"]
    if verdict.recipe is not None and verdict.recipe.report.times:
        return [_position(wanted, times, verdict.recipe) for wanted in verdict.recipe.report.times]
    means = [float(verdict.test.truth(np.array([i]))[name].mean()) for i in range(times.size)]
    order = np.argsort(means)
    return [int(order[round(share * (len(order) - 1))]) for share in (0.98, 0.85, 0.6)[:N_MAPS]]


def _position(wanted: int | str, times: xr.DataArray, recipe: Recipe) -> int:
    where, fix = f"recipe {recipe.name}: report.times", "choose times of the split that is generated"
    if isinstance(wanted, int):
        if wanted < times.size:
            return wanted
        raise RecipeError(Problem(37, where, f"position {wanted}, but there are {times.size} times", fix))
    found = np.flatnonzero(times.dt.strftime("%Y-%m-%dT%H:%M").str.startswith(wanted.replace(" ", "T")[:16]).values)
    if not len(found):
        raise RecipeError(Problem(37, where, f"{wanted} is not among the times scored", fix))
    return int(found[0])


def chosen_methods(verdict: Verdict, name: str) -> list[str]:
    """Return what curves are drawn of.

    The model, the best method without a network and the best with one by their fair CRPS, interpolation, and the law
    that made the data where it is known.
    """
    ranked = _ranked(verdict, name)
    others = [method for method in ranked if method not in (verdict.name, "oracle")]
    plain = [method for method in others if method not in rungs.NEURAL][:1]
    neural = [method for method in others if method in rungs.NEURAL][:1]
    wanted = [verdict.name, *plain, *neural, "bilinear", "oracle"]
    return [method for method in dict.fromkeys(wanted) if method in ranked]


def _beside(verdict: Verdict, name: str) -> str:
    methods = [method.replace("_", " ") for method in chosen_methods(verdict, name)[1:]]
    if not methods:
        return ""
    return (
        f"Beside the model, curves show {', '.join(methods)}: by fair CRPS the best of the methods without a network "
        "and with one, interpolation and the true law, as far as they were scored."
    )


def _curves(verdict: Verdict, name: str) -> list[Picture]:
    found = {method: verdict.scores[method][name] for method in chosen_methods(verdict, name)}
    units = units_label(verdict.ensemble[name].attrs.get("units", ""))
    pictures = []
    ranks = {method: scores.rank_histogram for method, scores in found.items() if scores.scalars["n_members"] > 1}
    if ranks:
        caption = "How often the truth has each rank among the members; flat is calibrated."
        pictures.append(Picture(rank_histogram_figure(ranks), "Rank histograms", caption))
    if binned := _binned(found):
        caption = (
            "Cells of like spread together: on the diagonal, the ensemble knows where it errs; above, it is too sure."
        )
        pictures.append(Picture(spread_error_figure(binned, units), "Error by spread", caption))
    for threshold in found[verdict.name].reliability:
        curves = {method: scores.reliability[threshold] for method, scores in found.items()}
        event = _event(name, threshold, units)
        caption = "Observed frequency where an event was forecast with each probability; the diagonal is reliable."
        pictures.append(Picture(reliability_figure(curves, event), f"Reliability: {event}", caption))
    if scales := _scales(found, name, units):
        caption = (
            "Skill for the place of an event by the side of the window it is sought in; useful above the dashed line."
        )
        pictures.append(Picture(fss_figure(scales), "Events by scale", caption))
    spectra = {
        method: scores.spectrum
        for method, scores in found.items()
        if scores.spectrum is not None and _has_power(scores.spectrum)
    }
    if spectra:
        caption = "Power of single members at each wavelength, and its ratio to that of the truth."
        pictures.append(Picture(spectra_figure(spectra, units), "Texture", caption))
    quantiles = _quantiles(found)
    if len(quantiles.percents) > 1:
        caption = "Quantiles of all values, members against truth: below the diagonal, extremes are too weak."
        pictures.append(Picture(quantile_figure(quantiles, units), "Extremes", caption))
    return pictures


def _event(name: str, threshold: float, units: str) -> str:
    return f"{name} ≥ {number(threshold)} {units}".strip()


def _binned(found: Mapping[str, VariableScores]) -> dict[str, Binned]:
    return {
        method: Binned(scores.tables["by_spread_spread"].values, scores.tables["by_spread_error"].values)
        for method, scores in found.items()
        if "by_spread_spread" in scores.tables
    }


def _scales(found: Mapping[str, VariableScores], name: str, units: str) -> list[Scales]:
    """Return the fractions skill scores of each event that came."""
    tables = {method: scores.tables["fss"] for method, scores in found.items() if "fss" in scores.tables}
    if not tables:
        return []
    first = next(iter(tables.values()))
    scalars = next(iter(found.values())).scalars
    return [
        Scales(
            _event(name, threshold, units),
            first["width"].values,
            {method: table.values[place] for method, table in tables.items()},
            (1 + scalars[f"wet_fraction_truth@{threshold:g}"]) / 2,
        )
        for place, threshold in enumerate(first["threshold"].values)
        if scalars[f"wet_fraction_truth@{threshold:g}"] > 0
    ]


def _quantiles(found: Mapping[str, VariableScores]) -> Quantiles:
    """Return the quantiles that the truth has cells beyond."""
    truth = next(iter(found.values())).scalars
    percents = [text for each in PERCENTS if np.isfinite(truth.get(f"p{(text := f'{each:g}')}_truth", np.nan))]
    members = {method: np.array([scores.scalars[f"p{p}"] for p in percents]) for method, scores in found.items()}
    return Quantiles(percents, np.array([truth[f"p{p}_truth"] for p in percents]), members)


def _has_power(spectrum: Spectrum) -> bool:
    return bool((spectrum.truth > 0).any() and (spectrum.members > 0).any())


def _training(figure: Figure) -> Picture:
    caption = "Loss, and the fair CRPS of validation ensembles over the error of bilinear interpolation."
    return Picture(figure, "Training", caption)


def calibrated(found: Calibration, ensemble: xr.Dataset) -> str:
    """Return in sentences what a calibration chose, how good it is on other dates, and if the ensemble is drawn so."""
    chosen = " ".join(f"sample.{key}={value}" for key, value in found.settings.items()) or "the recipe's way of drawing"
    sample = parse(ensemble.attrs["climdiff_recipe"], "ensemble").sample
    percent, low, high = found.held_out[1].difference
    sure = "" if low is None or high is None else f" [{low:.1f}, {high:.1f}]"
    apart = f"; on {found.dates_held_out} others its fair CRPS is {percent:+.1f} %{sure} from that of the recipe's way"
    return " ".join(
        (
            f"On {found.dates_chosen} dates of the validation split, {len(found.tried)} ways of drawing were tried and "
            f"{chosen} chosen{apart if found.settings else ''}.",
            f"This ensemble is drawn {'so' if sample == found.sample else 'otherwise'}.",
            *(f"{note.rstrip('.')}." for note in found.notes),
        )
    )


def _ways(verdict: Verdict, found: Calibration) -> list[Picture]:
    caption = "Fair CRPS of each way tried by its cost; fair CRPS and spread over skill by the factor on the noise."
    return [
        Picture(
            calibration_figure(ways(found, name), BAND, str(verdict.ensemble[name].attrs.get("units", ""))),
            f"Calibration of {name}",
            caption,
        )
        for name in verdict.scores[verdict.name].variables
        if all(name in each.scores for each in found.tried)
    ]


def _provenance(ensemble: xr.Dataset) -> dict[str, Any]:
    attributes = {key: ensemble.attrs.get(f"climdiff_{key}") for key in PROVENANCE}
    return {key.replace("_", " "): str(value) for key, value in attributes.items() if value not in (None, "")}
