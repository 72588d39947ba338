"""Between native grid coordinates and latitude and longitude, by the CF grid mapping."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyproj

ROTATED = "rotated_latitude_longitude"
_METERS: Mapping[str, float] = {
    **dict.fromkeys(("m", "metre", "metres", "meter", "meters"), 1.0),
    **dict.fromkeys(("km", "kilometre", "kilometres", "kilometer", "kilometers"), 1000.0),
}


def meters(units: str) -> float | None:
    """Return how many meters one of these units is, or None where it is no length we know."""
    return _METERS.get(units.strip().lower())


def to_latlon(mapping: Mapping[str, Any], y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return latitude and longitude [degrees] of native positions [m, or degrees on a rotated grid]."""
    longitude, latitude = _transformer(json.dumps(dict(mapping), sort_keys=True)).transform(x, y, direction="INVERSE")
    return np.asarray(latitude), np.asarray(longitude)


def from_latlon(mapping: Mapping[str, Any], lat: np.ndarray, lon: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return native positions (y, x) [m, or degrees on a rotated grid] of latitude and longitude [degrees]."""
    x, y = _transformer(json.dumps(dict(mapping), sort_keys=True)).transform(lon, lat)
    return np.asarray(y), np.asarray(x)


@functools.lru_cache(maxsize=16)
def _transformer(mapping: str) -> pyproj.Transformer:
    """Return the transformer from latitude and longitude, on the mapping's own globe, to native coordinates."""
    native = pyproj.CRS.from_cf(json.loads(mapping))
    geographic = native.source_crs if native.is_derived and native.is_geographic else native.geodetic_crs
    return pyproj.Transformer.from_crs(geographic, native, always_xy=True)
