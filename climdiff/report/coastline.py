"""The coastline drawn on maps: Natural Earth 1:50m, shipped with the package and never downloaded."""

from __future__ import annotations

import functools
import gzip
from importlib import resources

import numpy as np
import shapely

FILE = "coastline-50m.geojson.gz"


@functools.cache
def world_coastline() -> shapely.MultiLineString:
    """Return every coast of the world as lines of (longitude, latitude) [degrees], longitudes in -180..180.

    Source: Natural Earth 4.1.0, 1:50m land (public domain); how the file was made:
    `docs/decisions/0001-coastline.md`.
    """
    packed = resources.files("climdiff.report").joinpath(FILE).read_bytes()
    return shapely.from_geojson(gzip.decompress(packed))


def coastline_around(lat: np.ndarray, lon: np.ndarray, margin: float = 1.0) -> shapely.Geometry:
    """Return the coastline within `margin` degrees of the points (lat, lon), clipped to their box.

    Longitudes may start at any offset, and the box may cross the antimeridian; the lines returned are in -180..180.
    The result is empty where there is no coast.
    """
    south, north = max(float(np.min(lat)) - margin, -90.0), min(float(np.max(lat)) + margin, 90.0)
    boxes = [(west, south, east, north) for west, east in _longitude_ranges(lon, margin)]
    return shapely.union_all([shapely.clip_by_rect(world_coastline(), *box) for box in boxes])


def _longitude_ranges(lon: np.ndarray, margin: float) -> list[tuple[float, float]]:
    """Return the ranges within -180..180 that cover `lon`: one, or two when it crosses the antimeridian."""
    angles = np.deg2rad(np.asarray(lon, dtype=float))
    center = float(np.rad2deg(np.arctan2(np.sin(angles).mean(), np.cos(angles).mean())))
    offsets = (np.asarray(lon, dtype=float) - center + 180.0) % 360.0 - 180.0
    west, east = center + float(offsets.min()) - margin, center + float(offsets.max()) + margin
    if east - west >= 360.0:
        return [(-180.0, 180.0)]
    if west < -180.0:
        return [(west + 360.0, 180.0), (-180.0, east)]
    if east > 180.0:
        return [(west, 180.0), (-180.0, east - 360.0)]
    return [(west, east)]
