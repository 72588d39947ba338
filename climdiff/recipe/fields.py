"""The types that keys of a recipe have, and what every section is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag

from climdiff.recipe import names
from climdiff.recipe.findings import Finding, refuse
from climdiff.recipe.steps import Step

Name = Annotated[str, Field(pattern=names.NAME)]
Reference = Annotated[str, Field(pattern=names.REFERENCE)]
Variable = Annotated[str, Field(pattern=names.VARIABLE)]
Subset = Annotated[str, Field(pattern=names.SUBSET)]
Option = bool | int | float | Annotated[str, Field(max_length=200)] | tuple[int, int]
Fraction = Annotated[float, Field(ge=0.0, le=0.9)]
Count = Annotated[int, Field(ge=1, le=100_000_000)]
Members = Annotated[int, Field(ge=2, le=100_000)]


def _date(text: str) -> str:
    """Return `text` if some CF calendar has this day (30 February exists in `360_day`)."""
    parts = text.split("-")
    if [len(part) for part in parts] != [4, 2, 2] or not all(part.isascii() and part.isdigit() for part in parts):
        raise refuse(Finding(f"expected a date, found {text!r}", "write it as YYYY-MM-DD"))
    _, month, day = map(int, parts)
    if not 1 <= month <= 12 or not 1 <= day <= (31 if month in {1, 3, 5, 7, 8, 10, 12} else 30):
        raise refuse(Finding(f"{text} is in no calendar", "write an existing day as YYYY-MM-DD"))
    return text


def _ordered(period: tuple[str, str]) -> tuple[str, str]:
    first, last = period
    if last < first:
        finding = Finding(
            f"the period ends ({last}) before it begins ({first})", "write the earlier date first", code=43
        )
        raise refuse(finding)
    return period


def _moment(text: str) -> str:
    day, mark, clock = text[:10], text[10:11], text[11:]
    _date(day)
    if mark and not (mark in "T " and re.fullmatch(r"([01]\d|2[0-3])(:[0-5]\d){0,2}", clock, re.ASCII)):
        raise refuse(Finding(f"expected a time, found {text!r}", "write it as YYYY-MM-DDThh:mm"))
    return text


def unique(listed: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names if none is there twice."""
    twice = sorted({name for name in listed if listed.count(name) > 1})
    if twice:
        raise refuse(Finding(f"{', '.join(twice)} given twice", "name each once"))
    return listed


def _upright(box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    south, north = box[:2]
    if north < south:
        raise refuse(Finding(f"south ({south:g}) lies north of north ({north:g})", "give [south, north, west, east]"))
    return box


def _kind_of_selection(value: object) -> str:
    return "subset" if isinstance(value, str) else "period"


Date = Annotated[str, AfterValidator(_date)]
Moment = Annotated[str, AfterValidator(_moment)]
Period = Annotated[tuple[Date, Date], AfterValidator(_ordered)]
Selection = Annotated[
    Annotated[Subset, Tag("subset")] | Annotated[Period, Tag("period")],
    Discriminator(_kind_of_selection),
]
Variables = Annotated[tuple[Variable, ...], Field(min_length=1, max_length=256), AfterValidator(unique)]
StepsByVariable = Annotated[Mapping[Variable, tuple[Step, ...]], Field(max_length=256)]
Sampler = Literal["ddpm", "ddim", "euler", "heun", "dpmpp_2m", "dpmpp_2s", "dpmpp_sde_2m", "angular", "one_step"]
Levels = Annotated[tuple[Annotated[float, Field(gt=0.0, le=100_000.0)], ...], Field(min_length=1, max_length=10_000)]
NeuralRung = Literal["unet", "dressed_unet", "crps", "vae", "gan"]
Baseline = Literal[
    "bilinear",
    "conservative",
    "climatology",
    "pixel_law",
    "quantile_mapping",
    "bcsd",
    "analogs",
    "rescaled_analogs",
    "regression",
    "rescaled_regression",
    "rainfarm",
    "oracle",
]
Baselines = Annotated[
    Annotated[Literal["ladder", "full_ladder"], Tag("ladder")]
    | Annotated[tuple[Literal[Baseline, NeuralRung], ...], AfterValidator(unique), Tag("methods")],
    Discriminator(lambda value: "ladder" if isinstance(value, str) else "methods"),
]
FilePath = Annotated[str, Field(min_length=1, max_length=1000)]
HalfLife = Annotated[float, Field(ge=0.0, le=36_500.0)]
Bound = Annotated[float, Field(ge=-1e9, le=1e9)]
Box = Annotated[tuple[Bound, Bound, Bound, Bound], AfterValidator(_upright)]
HARMLESS: dict[str, Any] = {"harmless": True}


class Section(BaseModel):
    """A part of a recipe: closed (no unknown key), strict (no guessed type), frozen."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False, validate_default=True, defer_build=True
    )
