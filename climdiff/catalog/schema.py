"""What a catalog entry says: a data set, its parts, and the variables in them; closed and frozen."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

NAME = r"^[a-z0-9][a-z0-9_-]{0,63}$"
VARIABLE = r"^[A-Za-z][A-Za-z0-9_]{0,63}$"

Name = Annotated[str, Field(pattern=NAME)]
VariableName = Annotated[str, Field(pattern=VARIABLE)]
Text = Annotated[str, Field(min_length=1, max_length=4000)]
Range = Annotated[tuple[float, float], Field(strict=False)]
Engine = Literal["netcdf4", "zarr", "synthetic"]
Calendar = Literal["standard", "proleptic_gregorian", "noleap", "365_day", "all_leap", "366_day", "360_day", "julian"]


class Section(BaseModel):
    """A part of an entry: closed (no unknown key), strict (no guessed type), frozen."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False, defer_build=True)


class Variable(Section):
    """One variable as climdiff sees it, and how to make it from the one in the file.

    `scale_factor` and `add_offset` say the conversion in place of the units in the file; `above` makes a mask, 1 where
    the source exceeds it; `missing` are values in the file that stand for missing ones.
    """

    standard_name: Text
    units: Text
    long_name: Text | None = None
    source_name: str | None = None
    scale_factor: float | None = None
    add_offset: float | None = None
    above: float | None = None
    missing: Annotated[tuple[float, ...], Field(strict=False)] = ()
    valid_range: Range | None = None
    is_plausibility_checked: bool = True
    lower_bound: float | None = None
    upper_bound: float | None = None

    @property
    def attributes(self) -> dict[str, str | float]:
        """The CF attributes of this variable, and its physical bounds."""
        named = {
            "standard_name": self.standard_name,
            "units": self.units,
            "long_name": self.long_name,
            "lower_bound": self.lower_bound,
            "upper_bound": self.upper_bound,
        }
        if self.valid_range is not None:
            named |= {"valid_min": self.valid_range[0], "valid_max": self.valid_range[1]}
        if not self.is_plausibility_checked:
            named["is_plausibility_checked"] = "false"
        return {name: value for name, value in named.items() if value is not None}


class Part(Section):
    """Fields on one grid: where they are and what is in them.

    `urlpath` (or one per subset) is a path below the folder in `CLIMDIFF_DATA`, with `*` for files that follow each
    other in time, or the address of a remote zarr store. `rename` maps names in the file to ours; `auxiliary` names
    further coordinates to keep; `coordinates_from` another part of the entry that has the coordinates this one lacks.
    `time_step` [days] is given where times are equidistant, within `months` if the data cover only some.
    """

    engine: Engine = "netcdf4"
    urlpath: Text | None = None
    subsets: Mapping[Name, Text] = {}
    default_subset: Name | None = None
    group: Text | None = None
    rename: Mapping[str, VariableName] = {}
    auxiliary: Annotated[tuple[VariableName, ...], Field(strict=False)] = ()
    coordinates_from: Name | None = None
    calendar: Calendar | None = None
    time_step: Annotated[float, Field(gt=0.0)] | None = None
    months: Annotated[tuple[Annotated[int, Field(ge=1, le=12)], ...], Field(strict=False)] = ()
    variables: Annotated[Mapping[VariableName, Variable], Field(min_length=1)]

    @model_validator(mode="after")
    def _has_one_address(self) -> Part:
        if self.engine != "synthetic" and (self.urlpath is None) == (not self.subsets):
            raise ValueError("give either urlpath or subsets")
        if self.default_subset is not None and self.default_subset not in self.subsets:
            raise ValueError(f"default_subset {self.default_subset!r} is not one of {sorted(self.subsets)}")
        return self


class Entry(Section):
    """A data set: who made it, under which licence, and its parts."""

    name: Name
    path: Path
    title: Text
    licence: Text
    source: Text
    citation: Text
    description: Text
    parts: Annotated[Mapping[Name, Part], Field(min_length=1)]

    @model_validator(mode="after")
    def _parts_exist(self) -> Entry:
        for name, part in self.parts.items():
            if part.coordinates_from is not None and part.coordinates_from not in self.parts.keys() - {name}:
                others = sorted(self.parts.keys() - {name})
                raise ValueError(f"coordinates_from of {name!r} is {part.coordinates_from!r}, expected one of {others}")
        return self
