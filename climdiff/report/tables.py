"""Scores as a reader meets them: a sentence, a few key numbers, and tables with the best method marked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from climdiff.report.labels import fixed, number, plain, sentence, significant_decimals, units_label

Scores = Mapping[str, Mapping[str, float | None]]  # {downscaler: {score: value}}
_IDEAL = {"spread_skill": 1.0, "bias": 0.0}  # best values of scores that are not best when lowest


@dataclass(frozen=True)
class Column:
    """A score as the table shows it: its heading, what it means, and whether it has the units of the variable."""

    heading: str
    meaning: str
    has_units: bool = True
    is_ranked: bool = True


COLUMNS: Mapping[str, Column] = {
    "crps_fair": Column(
        "CRPS",
        "Fair continuous ranked probability score: the error of the whole ensemble, whatever its size; lower is "
        "better. For a single field it is the mean absolute error.",
    ),
    "mae": Column("MAE", "Mean absolute error of the ensemble mean; lower is better."),
    "rmse": Column("RMSE", "Root mean square error of the ensemble mean; lower is better."),
    "bias": Column("Bias", "Mean of the ensemble minus mean of the truth; best at 0."),
    "spread_skill": Column(
        "Spread/skill",
        "Spread of the ensemble over the error of its mean, corrected for its size: below 1 the ensemble is too sure "
        "of itself, above 1 not sure enough.",
        has_units=False,
    ),
    "n_members": Column("Members", "Number of members that were scored.", has_units=False, is_ranked=False),
}
METHODS: Mapping[str, str] = {
    "diffusion": "the model of this run",
    "bilinear": "the coarse field, interpolated: one field, no spread",
    "climatology": "fields of other dates of the training period, at random",
    "analogs": "fields of the training dates whose coarse fields were most alike",
    "oracle": "members drawn from the law that made the data: the best any method can reach",
    "quantile_mapping": "the interpolated coarse field with its distribution corrected",
    "regression": "a regression on the coarse fields",
    "unet": "the model's own network, trained to give the mean: one field, no spread",
    "dressed_unet": "the same, with what it left over on training dates added at random",
    "crps": "the model's own network fed with noise, trained by the score itself",
    "vae": "a conditional variational autoencoder",
    "gan": "a conditional generative adversarial network",
}


@dataclass(frozen=True)
class Cell:
    """One number of a table, and whether it is the best of its column."""

    text: str
    is_best: bool


def headline(long_name: str, units: str, scores: Scores, model: str) -> str:
    """Return the result for one variable in a sentence: the model's CRPS beside that of every other downscaler."""
    crps = {name: value for name, row in scores.items() if (value := _value(row, "crps_fair")) is not None}
    name = sentence(long_name)
    if model not in crps:
        return f"{name} was not scored for {plain(model)}."
    mine = crps.pop(model)
    text = f"{name}: fair CRPS {number(mine)} {units_label(units)}".rstrip()
    if bilinear := crps.pop("bilinear", None):
        text += f", {number(mine / bilinear)} of the mean absolute error of bilinear interpolation ({number(bilinear)})"
    others = ", ".join(f"{plain(other)} {number(value)}" for other, value in crps.items())
    return f"{text}; {others}." if others else f"{text}."


def key_numbers(units: str, scores: Scores, model: str) -> list[tuple[str, str]]:
    """Return the few (number, meaning) pairs that a reader looks for first; what is unknown is left out."""
    crps = _value(scores.get(model, {}), "crps_fair")
    ratio = _value(scores.get(model, {}), "spread_skill")
    found = []
    if crps is not None:
        found.append((f"{number(crps)} {units_label(units)}".rstrip(), "fair CRPS"))
        for other, meaning in (("bilinear", "of bilinear's MAE"), ("oracle", "of the oracle's CRPS")):
            if reference := _value(scores.get(other, {}), "crps_fair"):
                found.append((f"{100 * crps / reference:.0f} %", meaning))
    if ratio is not None:
        found.append((f"{ratio:.2f}", "spread / skill (best 1)"))
    return found


def score_table(scores: Scores) -> tuple[list[str], dict[str, list[Cell]]]:
    """Return the scores that are known as (keys of columns, {downscaler: cells}), the best of each column marked.

    Scores in the units of the variable share their number of decimals. The oracle is not ranked: it knows the law that
    made the data.
    """
    keys = [key for key in COLUMNS if any(_value(row, key) is not None for row in scores.values())]
    errors = [value for row in scores.values() for key in ("crps_fair", "mae") if (value := _value(row, key))]
    decimals = significant_decimals(min(errors, default=1.0))
    best = {key: _best(scores, key) for key in keys}
    rows = {
        name: [Cell(_text(key, _value(row, key), decimals), name in best[key]) for key in keys]
        for name, row in scores.items()
    }
    return keys, rows


def event_table(scores: Scores) -> tuple[list[str], dict[str, list[str]]]:
    """Return scores of events as (headings, {downscaler: cells}): fair Brier score and frequency at each threshold."""
    keys = dict.fromkeys(key for row in scores.values() for key in row if key.startswith("brier_fair@"))
    thresholds = [key.partition("@")[2] for key in keys]
    headings = [f"{what}, ≥ {level}" for level in thresholds for what in ("Brier", "frequency")]
    asked = [f"{kind}@{level}" for level in thresholds for kind in ("brier_fair", "wet_fraction")]
    rows = {name: [_text("", _value(row, key), 4) for key in asked] for name, row in scores.items()}
    truth = {level: next(iter(scores.values())).get(f"wet_fraction_truth@{level}") for level in thresholds}
    if thresholds:
        rows["truth"] = [text for level in thresholds for text in ("", _text("", truth[level], 4))]
    return headings, rows


def _value(row: Mapping[str, float | None], key: str) -> float | None:
    value = row.get(key)
    return value if value is not None and math.isfinite(value) else None


def _best(scores: Scores, key: str) -> set[str]:
    """Return the downscalers with the best value of a column; none where there is nothing to choose from."""
    found = {
        name: value for name, row in scores.items() if (value := _value(row, key)) is not None and name != "oracle"
    }
    if not COLUMNS[key].is_ranked or len(found) < 2:
        return set()
    errors = {name: abs(value - _IDEAL.get(key, 0.0)) for name, value in found.items()}
    return {name for name, error in errors.items() if error == min(errors.values())}


def _text(key: str, value: float | None, decimals: int) -> str:
    if value is None:
        return "–"
    match key:
        case "n_members":
            decimals = 0
        case "spread_skill":
            decimals = 2
    return fixed(value, decimals)
