"""The land of the embedded world: nested latitude-longitude grids, orography and coast."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from climdiff.catalog.streams import Stream, generator

KM_PER_DEGREE = 111.195
CENTER_LATITUDE = 45.0
CENTER_LONGITUDE = 8.0
_N_HILLS = 60
_SHORTEST_KM, _LONGEST_KM = 80.0, 700.0
_HEIGHT_M = 900.0
_SEA_SHARE_LEVEL = -0.35
_COAST_WIDTH = 0.08


@dataclass(frozen=True, eq=False)
class Landscape:
    """Cell centres and static fields; `fine` cells nest in `coarse` cells, `factor` to a side.

    Coordinates are degrees (`lat`, `lon`, ascending) and distances from the centre of the domain in metres
    (`north_m`, `east_m`); `height_m` is 0 over sea, `land` the share of land in a cell.
    """

    factor: int
    fine_lat: np.ndarray
    fine_lon: np.ndarray
    coarse_lat: np.ndarray
    coarse_lon: np.ndarray
    coarse_north_m: np.ndarray
    coarse_east_m: np.ndarray
    height_m: np.ndarray
    land: np.ndarray
    slope_north: np.ndarray
    slope_east: np.ndarray

    @property
    def coarse_height_m(self) -> np.ndarray:
        """Block means of the height (coarse y, coarse x) [m]."""
        return block_mean(self.height_m, self.factor)


def block_mean(values: np.ndarray, factor: int) -> np.ndarray:
    """Return means over blocks of `factor` x `factor` cells of the last two dimensions."""
    *leading, ny, nx = values.shape
    return values.reshape(*leading, ny // factor, factor, nx // factor, factor).mean(axis=(-3, -1))


def make_landscape(shape: tuple[int, int], factor: int, spacing_km: float, seed: int) -> Landscape:
    """Return the landscape of `seed` seen through `shape` cells of `spacing_km`.

    Orography is a sum of plane waves with a red spectrum, evaluated at cell centres in kilometres from the domain's
    centre, so a larger or finer grid shows more of the same land.
    """
    north_km = _centers(shape[0], spacing_km)
    east_km = _centers(shape[1], spacing_km)
    rough, smooth = _relief(north_km, east_km, seed)
    continent = smooth - _SEA_SHARE_LEVEL
    land = 1.0 / (1.0 + np.exp(-continent / _COAST_WIDTH))
    height_m = _HEIGHT_M * land * np.maximum(0.0, 0.5 * continent + 0.6 * rough + 0.15)
    slope_north, slope_east = (np.asarray(slope) for slope in np.gradient(height_m, spacing_km * 1000.0))
    degrees_north = north_km / KM_PER_DEGREE + CENTER_LATITUDE
    degrees_east = east_km / (KM_PER_DEGREE * np.cos(np.deg2rad(CENTER_LATITUDE))) + CENTER_LONGITUDE
    return Landscape(
        factor=factor,
        fine_lat=degrees_north,
        fine_lon=degrees_east,
        coarse_lat=degrees_north.reshape(-1, factor).mean(axis=1),
        coarse_lon=degrees_east.reshape(-1, factor).mean(axis=1),
        coarse_north_m=1000.0 * north_km.reshape(-1, factor).mean(axis=1),
        coarse_east_m=1000.0 * east_km.reshape(-1, factor).mean(axis=1),
        height_m=height_m,
        land=land,
        slope_north=slope_north,
        slope_east=slope_east,
    )


def _centers(n: int, spacing_km: float) -> np.ndarray:
    return (np.arange(n) - (n - 1) / 2.0) * spacing_km


def _relief(north_km: np.ndarray, east_km: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (rough, smooth) fields of unit variance: hills below 250 km of wavelength, continents above."""
    draw = generator(seed, Stream.LANDSCAPE)
    wavelengths = np.exp(draw.uniform(np.log(_SHORTEST_KM), np.log(_LONGEST_KM), _N_HILLS))
    angles = draw.uniform(0.0, 2.0 * np.pi, _N_HILLS)
    phases = draw.uniform(0.0, 2.0 * np.pi, _N_HILLS)
    fields = [np.zeros((north_km.size, east_km.size)), np.zeros((north_km.size, east_km.size))]
    power = [0.0, 0.0]
    for wavelength, angle, phase in zip(wavelengths, angles, phases, strict=True):
        along = np.cos(angle) * east_km[None, :] + np.sin(angle) * north_km[:, None]
        amplitude = np.sqrt(wavelength)
        which = int(wavelength > 250.0)
        fields[which] += amplitude * np.cos(2.0 * np.pi * along / wavelength + phase)
        power[which] += 0.5 * amplitude**2
    return fields[0] / np.sqrt(power[0]), fields[1] / np.sqrt(power[1])
