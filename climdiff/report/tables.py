"""Scores as a reader meets them first: a sentence and a few key numbers, and what each method is."""

from __future__ import annotations

import math
from collections.abc import Mapping

from climdiff.report.cards import Scores
from climdiff.report.labels import number, plain, sentence, units_label

METHODS: Mapping[str, str] = {
    "diffusion": "the model of this run",
    "bilinear": "the coarse field, interpolated: one field, no spread",
    "conservative": "the same by shared area, constant in coarse cells",
    "pixel_law": "each cell alone: training values of cells whose interpolated value was about the same",
    "climatology": "fields of other dates of the training period, at random",
    "analogs": "fields of the training dates whose coarse fields were most alike",
    "rescaled_analogs": "the same, every block rescaled to the coarse mean of the date",
    "oracle": "members drawn from the law that made the data: the best any method can reach",
    "quantile_mapping": "the interpolated coarse field with its distribution corrected",
    "bcsd": "coarse values corrected by rank, their anomaly put on the fine climatology",
    "regression": "a linear regression on the coarse fields, plus what it left over on like training dates",
    "rescaled_regression": "the same, every block rescaled to the coarse mean of the date",
    "rainfarm": "random fields of the texture of training rain that keep the coarse means",
    "unet": "the model's own network, trained to give the mean: one field, no spread",
    "dressed_unet": "the same, with what it left over on training dates added at random",
    "crps": "the model's own network fed with noise, trained by the score itself",
    "vae": "a conditional variational autoencoder",
    "gan": "a conditional generative adversarial network",
}


def headline(long_name: str, units: str, scores: Scores, model: str) -> str:
    """Return the result for one variable in a sentence: the model's CRPS beside the error of interpolation."""
    name, mine = sentence(long_name), _value(scores.get(model, {}), "crps_fair")
    if mine is None:
        return f"{name} was not scored for {plain(model)}."
    text = f"{name}: fair CRPS {number(mine)} {units_label(units)}".rstrip()
    if bilinear := _value(scores.get("bilinear", {}), "crps_fair"):
        text += f", {number(mine / bilinear)} of the mean absolute error of bilinear interpolation ({number(bilinear)})"
    return f"{text}."


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


def _value(row: Mapping[str, float | None], key: str) -> float | None:
    value = row.get(key)
    return value if value is not None and math.isfinite(value) else None
