"""What a store looks like before the first value: variables, coordinates and attributes after the CF conventions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import cftime
import numpy as np
import xarray as xr

CONVENTIONS = "CF-1.11"
REALIZATION = "realization"
TIME = "time"
_EPOCH = "1970-01-01"
_GREGORIAN = int(np.datetime64("1582-10-15", "us").astype(np.int64))
_TIME_UNITS = {
    "days": 86_400_000_000,
    "hours": 3_600_000_000,
    "minutes": 60_000_000,
    "seconds": 1_000_000,
    "milliseconds": 1_000,
    "microseconds": 1,
}


@dataclass(frozen=True)
class Template:
    """The target of a run: variables with their attributes, on a grid, described by global attributes.

    `variables` maps names to attributes (`units`, `standard_name`, `long_name`, `lower_bound`, `upper_bound`, ...).
    `coordinates` holds everything of the grid: 1-D coordinates, 2-D latitude and longitude, the grid mapping (a
    variable with the attribute `grid_mapping_name`). `y_dim` and `x_dim` are its two dimensions.
    """

    variables: Mapping[str, Mapping[str, Any]]
    coordinates: xr.Dataset
    y_dim: str
    x_dim: str
    title: str = "Downscaled ensemble"
    institution: str = "not specified"
    source: str = "climdiff"
    history: str = "made by climdiff generate"
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def dims(self) -> tuple[str, str, str, str]:
        """Dimensions of every variable."""
        return (REALIZATION, TIME, self.y_dim, self.x_dim)

    @property
    def shape(self) -> tuple[int, int]:
        """Size of the grid, (y, x)."""
        return self.coordinates.sizes[self.y_dim], self.coordinates.sizes[self.x_dim]

    def variable_attributes(self, name: str) -> dict[str, Any]:
        """Return the attributes stored with a variable, links to its coordinates and grid mapping included."""
        attributes = _attributes(self.variables[name])
        if attributes.get("standard_name") == "air_temperature":
            attributes.setdefault("units_metadata", "temperature: on_scale")
        auxiliary, mapping = [], None
        for key, values in self.coordinates.variables.items():
            if "grid_mapping_name" in values.attrs:
                mapping = str(key)
            elif key not in values.dims and {self.y_dim, self.x_dim}.intersection(values.dims):
                auxiliary.append(str(key))
        if auxiliary:
            attributes["coordinates"] = " ".join(sorted(auxiliary))
        if mapping:
            attributes["grid_mapping"] = mapping
        return attributes

    def global_attributes(self, provenance: Mapping[str, Any]) -> dict[str, Any]:
        """Return the global attributes; provenance keys get the prefix `climdiff_`."""
        attributes = {
            "Conventions": CONVENTIONS,
            "title": self.title,
            "institution": self.institution,
            "source": self.source,
            "history": self.history,
        }
        origin = {f"climdiff_{key}": value for key, value in provenance.items()}
        return attributes | _attributes({**self.attributes, **origin})


def coordinate_dataset(template: Template, times: xr.DataArray, n_members: int) -> xr.Dataset:
    """Return realization, time and the grid's own coordinates, ready to be written: encoded, no data variables."""
    realization = xr.Variable(
        REALIZATION,
        np.arange(n_members, dtype=np.int32),
        {"standard_name": "realization", "long_name": "ensemble member", "units": "1"},
    )
    variables = {REALIZATION: realization, TIME: encode_times(times)}
    for name, values in template.coordinates.variables.items():
        is_text = values.dtype.kind in "SUO"
        data = np.zeros((), np.int32) if is_text else values.values.astype(values.dtype.newbyteorder("="))
        attributes = {key: value for key, value in values.attrs.items() if key not in ("coordinates", "_FillValue")}
        variables[str(name)] = xr.Variable(() if is_text else values.dims, data, _attributes(attributes))
    return xr.Dataset(variables)


def encode_times(times: xr.DataArray) -> xr.Variable:
    """Return times as int64 in the coarsest unit since 1970 that is exact, with units and calendar as attributes.

    The calendar is the one the times were read with.
    """
    values = np.asarray(times.values).reshape(-1)
    if np.issubdtype(values.dtype, np.datetime64):
        micro = values.astype("datetime64[us]").astype(np.int64)
        is_standard = times.encoding.get("calendar") in ("standard", "gregorian") and micro.min() >= _GREGORIAN
        calendar = "standard" if is_standard else "proleptic_gregorian"
    else:
        calendar = values[0].calendar
        micro = np.asarray(cftime.date2num(values, f"microseconds since {_EPOCH}", calendar)).astype(np.int64)
    unit = next(name for name, size in _TIME_UNITS.items() if not (micro % size).any())
    attributes = _attributes(
        {key: times.attrs[key] for key in times.attrs if key not in ("units", "calendar", "bounds")}
    )
    attributes |= {"standard_name": "time", "axis": "T", "units": f"{unit} since {_EPOCH}", "calendar": calendar}
    if calendar in ("standard", "gregorian", "proleptic_gregorian"):
        attributes["units_metadata"] = "leap_seconds: none"
    return xr.Variable(TIME, micro // _TIME_UNITS[unit], attributes)


def date_text(value: Any) -> str:
    """Return a time, datetime64 or cftime, as people read it."""
    return str(np.datetime_as_string(value, unit="s")) if isinstance(value, np.datetime64) else str(value)


def fingerprint(dataset: xr.Dataset) -> str:
    """Return a sha256 of every variable's name, dimensions, type, values and attributes."""
    digest = hashlib.sha256()
    for name in sorted(map(str, dataset.variables)):
        values = dataset.variables[name]
        head = [name, values.dims, values.shape, values.dtype.str, _attributes(values.attrs)]
        digest.update(json.dumps(head, sort_keys=True).encode())
        digest.update(np.ascontiguousarray(values.values).tobytes())
    return digest.hexdigest()


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it: numpy scalars, arrays and tuples become Python's numbers and lists."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return value


def _attributes(values: Mapping[Any, Any]) -> dict[str, Any]:
    """Return attributes as netCDF can hold them too: no None, truth values and mappings as text."""
    attributes = {str(key): plain(value) for key, value in values.items() if value is not None}
    return {key: json.dumps(value) if isinstance(value, bool | dict) else value for key, value in attributes.items()}
