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
_POLE = frozenset({"grid_mapping_name", "grid_north_pole_latitude", "grid_north_pole_longitude"})
_ZERO = frozenset({"north_pole_grid_longitude", "longitude_of_prime_meridian", "false_easting", "false_northing"})
"""Attributes that are 0 where they are absent (CF, appendix F)."""
_UNREAD = frozenset({"proj4", "proj4_params", "proj4_string", "proj4text", "GeoTransform"})
"""What some writers add, and neither CF nor pyproj reads."""


def meters(units: str) -> float | None:
    """Return how many meters one of these units is, or None where it is no length we know."""
    return _METERS.get(units.strip().lower())


def meaning(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes that tell what the axes are, in one spelling: float32 and -162 for 198 degrees.

    Those of a rotated pole are angles on any globe.
    """
    is_rotated = mapping.get("grid_mapping_name") == ROTATED
    read = {key: _spelled(key, mapping[key]) for key in mapping if key not in _UNREAD}
    return {
        key: value
        for key, value in read.items()
        if not (key in _ZERO and value == 0) and not (is_rotated and key not in _POLE | _ZERO)
    }


def _spelled(key: str, value: Any) -> Any:
    if isinstance(value, list):
        return _spelled(key, value[0]) if len(value) == 1 else [_spelled(key, item) for item in value]
    if not isinstance(value, int | float):
        return value
    return round(180.0 - (180.0 - value) % 360.0, 4) if "longitude" in key else float(np.float32(value))


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
