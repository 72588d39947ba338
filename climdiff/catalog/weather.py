"""The large-scale weather of the embedded world: travelling waves with a season and synoptic memory, day by day."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from climdiff.catalog.landscape import Landscape
from climdiff.catalog.streams import Stream, generator

PREDICTORS = ("psl", "uas", "vas", "huss", "tas", "pr")
LAPSE_RATE = 6.5e-3  # [K m-1]
_DAYS_PER_YEAR = 365.2425
_N_WAVES = 16
_MEMORY_DAYS, _MEMORY_LENGTH = 2.5, 10
_WAVE_SPEED = 5.0 * 86400.0  # eastwards [m/day]
_CORIOLIS, _AIR_DENSITY, _SURFACE_DRAG = 1e-4, 1.2, 0.6
_LATENTS = ("pressure", "warmth", "moisture", "lift", "cells")
_RAIN_SCALE = 6.0  # [mm/day]


@dataclass(frozen=True, eq=False)
class Waves:
    """Plane waves on the coarse cell centres: wave numbers [rad/m] and complex patterns per latent field."""

    east: np.ndarray  # (latent, wave)
    north: np.ndarray  # (latent, wave)
    pattern: np.ndarray  # (latent, wave, y, x)


def make_waves(land: Landscape, seed: int) -> Waves:
    """Return the waves of `seed`: wavelengths of 2500-7000 km, and 250-1200 km for the latent `cells` of rain."""
    draw = generator(seed, Stream.WAVES)
    shortest = np.where(np.array(_LATENTS) == "cells", 250e3, 2500e3)[:, None]
    longest = np.where(np.array(_LATENTS) == "cells", 1200e3, 7000e3)[:, None]
    shape = (len(_LATENTS), _N_WAVES)
    number = 2.0 * np.pi / (shortest * (longest / shortest) ** draw.uniform(size=shape))
    angle = draw.uniform(-0.45 * np.pi, 0.45 * np.pi, size=shape)
    east, north = number * np.cos(angle), number * np.sin(angle)
    phase = (
        east[:, :, None, None] * land.coarse_east_m[None, None, None, :]
        + north[:, :, None, None] * land.coarse_north_m[None, None, :, None]
    )
    return Waves(east, north, np.exp(1j * phase) / np.sqrt(_N_WAVES))


def noise_windows(seed: int, days: Iterable[int]) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (day, noise) with the innovations (memory, latent, wave) of each day and those before it, oldest first."""
    recent: dict[int, np.ndarray] = {}
    for day in map(int, days):
        needed = range(day - _MEMORY_LENGTH + 1, day + 1)
        recent = {each: recent[each] if each in recent else _innovation(seed, each) for each in needed}
        yield day, np.stack([recent[each] for each in needed])


def _innovation(seed: int, day: int) -> np.ndarray:
    parts = generator(seed, Stream.WEATHER, day=day).standard_normal((2, len(_LATENTS), _N_WAVES))
    return parts[0] + 1j * parts[1]


def weather(day: int, noise: np.ndarray, waves: Waves, land: Landscape) -> dict[str, np.ndarray]:
    """Return the coarse fields {name: (y, x) float32} of one day (days since 1970-01-01).

    `noise` holds the innovations of this day and the `memory - 1` before it, oldest first. Amplitudes are their
    exponentially weighted moving average (unit variance), turned by the phase the wave has travelled. Winds are
    geostrophic with a surface drag; humidity is a relative humidity times saturation; rain is the expected areal
    intensity. The formulas are in `docs/embedded-world.md`.
    """
    weights = np.exp(-np.arange(_MEMORY_LENGTH - 1, -1, -1) / _MEMORY_DAYS)
    weights /= np.sqrt(np.sum(weights**2))
    amplitude = np.einsum("j,jlk->lk", weights, noise) * np.exp(-1j * waves.east * (_WAVE_SPEED * day))
    latent = dict(zip(_LATENTS, np.einsum("lk,lkyx->lyx", amplitude, waves.pattern).real, strict=True))
    gradient_east = np.einsum("k,kyx->yx", 1j * waves.east[0] * amplitude[0], waves.pattern[0]).real
    gradient_north = np.einsum("k,kyx->yx", 1j * waves.north[0] * amplitude[0], waves.pattern[0]).real

    winter = _season(day, coldest_day=15.0)
    pressure_scale = 800.0 * (1.0 + 0.25 * winter)
    to_wind = _SURFACE_DRAG * pressure_scale / (_AIR_DENSITY * _CORIOLIS)
    psl = 101300.0 + pressure_scale * latent["pressure"]
    uas = 2.5 - to_wind * gradient_north
    vas = to_wind * gradient_east
    sea_level = 285.0 - 8.0 * _season(day, coldest_day=25.0) - 5e-6 * land.coarse_north_m[:, None]
    tas = sea_level + 2.5 * latent["warmth"] + 0.15 * vas - LAPSE_RATE * land.coarse_height_m
    humidity = np.clip(0.7 + 0.12 * latent["moisture"], 0.15, 1.0)
    rising = -0.3 - 0.7 * latent["pressure"] + 0.6 * latent["moisture"] + 0.6 * latent["lift"] + 0.7 * latent["cells"]
    rain = _RAIN_SCALE * np.maximum(0.0, rising) ** 1.2 * np.exp(0.02 * (tas - 283.0))
    fields = (psl, uas, vas, humidity * _saturation(tas, psl), tas, rain)
    return {name: field.astype(np.float32) for name, field in zip(PREDICTORS, fields, strict=True)}


def _season(day: int, coldest_day: float) -> float:
    """Return +1 on the coldest day of the year and -1 half a year later."""
    return float(np.cos(2.0 * np.pi * (day - coldest_day) / _DAYS_PER_YEAR))


def _saturation(temperature: np.ndarray, pressure: np.ndarray) -> np.ndarray:
    """Return saturation specific humidity [1] (Bolton, 1980, eq. 10)."""
    celsius = temperature - 273.15
    vapor = 611.2 * np.exp(17.67 * celsius / (celsius + 243.5))
    return 0.622 * vapor / (pressure - 0.378 * vapor)
