"""The conditional law of the embedded world: fine rain and temperature given coarse weather and land.

With R, u, v, T the coarse rain, winds and temperature interpolated bilinearly to a fine cell and h its height:

    M = R exp(a tanh((u dh/dx + v dh/dy) / w0)) a / sinh(a)        expected rain [mm/day]
    p = 1 - exp(-(M / m0)^c),  m0 = m1 exp(b (T - 283 K))          probability of rain
    pr = M / (p Gamma(1 + 1/k)) max(0, log(p / Phi(-g)))^(1/k)     so  P(pr > r) = p exp(-(r p Gamma(1 + 1/k) / M)^k)
    tas = T - gamma (h - H) + s (rho g + sqrt(1 - rho^2) g')       H: coarse height interpolated

g, g' are independent standard Gaussian fields with a Matern-3/2 correlation; Phi is the normal distribution function.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import gamma, sinh

import numpy as np
from scipy.special import ndtr

from climdiff.catalog.landscape import Landscape
from climdiff.catalog.weather import LAPSE_RATE

PREDICTORS = ("pr", "uas", "vas", "tas")
CORRELATION_CELLS = 2.5  # Matern length: the correlation falls to 1/e at 2.15 times this, about 5 cells
WEIBULL_SHAPE = 1.2
_UNIT_MEAN = gamma(1.0 + 1.0 / WEIBULL_SHAPE)
_UPSLOPE_GAIN, _UPSLOPE_WIND = 1.8, 0.08  # [1], [m/s]
_UPSLOPE_MEAN = sinh(_UPSLOPE_GAIN) / _UPSLOPE_GAIN  # of exp(a t), t uniform in [-1, 1]: slopes leave the mean
_DRY_MEAN, _DRY_POWER, _DRY_WARMING = 2.5, 0.75, 0.05  # [mm/day], [1], [1/K]
TEMPERATURE_SPREAD, RAIN_COOLING = 0.8, -0.4  # [K], correlation of g and temperature
_BEYOND_ANY_RAIN = 1e6  # times the Weibull scale, exceeded with probability 0 in float64
_LARGEST_G = 4.5  # exceeded with probability 3.4e-6; keeps the heaviest rain physical


@dataclass(frozen=True, eq=False)
class Interpolation:
    """Bilinear interpolation from coarse to fine cell centres; beyond the outer centres the edge value holds."""

    low: np.ndarray
    weight: np.ndarray

    @classmethod
    def nested(cls, n_coarse: int, factor: int) -> Interpolation:
        """Return the interpolation along one axis with `factor` fine cells in each of `n_coarse` cells."""
        position = np.clip((np.arange(n_coarse * factor) + 0.5) / factor - 0.5, 0.0, n_coarse - 1.0)
        low = np.minimum(position.astype(int), max(n_coarse - 2, 0))
        return cls(low, position - low)

    def apply(self, values: np.ndarray, axis: int) -> np.ndarray:
        """Return `values` (y, x) interpolated along `axis`."""
        weight = self.weight[:, None] if axis == 0 else self.weight[None, :]
        high = np.minimum(self.low + 1, values.shape[axis] - 1)
        return values.take(self.low, axis) * (1.0 - weight) + values.take(high, axis) * weight


@dataclass(frozen=True, eq=False)
class Conditional:
    """The law of one day on the fine cells (y, x)."""

    mean: np.ndarray  # expected rain M [mm/day]
    probability: np.ndarray  # of rain, p [1]
    temperature: np.ndarray  # expected temperature [K]

    def rain(self, g: np.ndarray) -> np.ndarray:
        """Return rain [mm/day] for the Gaussian values `g`: increasing in g, 0 where Phi(-g) >= p."""
        exceeding = ndtr(-np.minimum(g, _LARGEST_G))
        excess = np.log(np.maximum(self.probability / exceeding, 1.0))
        return self._scale() * excess ** (1.0 / WEIBULL_SHAPE)

    def exceedance(self, threshold: float) -> np.ndarray:
        """Return P(pr > threshold [mm/day]) [1], closed form."""
        ratio = np.minimum(threshold / np.maximum(self._scale(), np.finfo(float).tiny), _BEYOND_ANY_RAIN)
        return self.probability * np.exp(-(ratio**WEIBULL_SHAPE))

    def _scale(self) -> np.ndarray:
        return self.mean / (np.maximum(self.probability, np.finfo(float).tiny) * _UNIT_MEAN)


@dataclass(frozen=True, eq=False)
class Law:
    """The law on one landscape."""

    land: Landscape
    rows: Interpolation
    columns: Interpolation
    amplitude: np.ndarray  # square root of the spectrum of g on a torus larger than the domain
    relative_height_m: np.ndarray  # h - H

    @classmethod
    def on(cls, land: Landscape) -> Law:
        """Return the law on `land`."""
        ny, nx = land.height_m.shape
        rows = Interpolation.nested(ny // land.factor, land.factor)
        columns = Interpolation.nested(nx // land.factor, land.factor)
        smooth_height = columns.apply(rows.apply(land.coarse_height_m, 0), 1)
        return cls(land, rows, columns, _torus_amplitude(ny, nx), land.height_m - smooth_height)

    def to_fine(self, coarse: np.ndarray) -> np.ndarray:
        """Return a coarse field (y, x) on the fine cells, float64."""
        return self.columns.apply(self.rows.apply(np.asarray(coarse, dtype=float), 0), 1)

    def given(self, coarse: Mapping[str, np.ndarray]) -> Conditional:
        """Return the law of one day on the fine cells, given its coarse `PREDICTORS` (y, x)."""
        rain_rate, wind_east, wind_north, temperature = (self.to_fine(coarse[name]) for name in PREDICTORS)
        upslope = wind_east * self.land.slope_east + wind_north * self.land.slope_north
        mean = rain_rate * np.exp(_UPSLOPE_GAIN * np.tanh(upslope / _UPSLOPE_WIND)) / _UPSLOPE_MEAN
        dry_mean = _DRY_MEAN * np.exp(_DRY_WARMING * (temperature - 283.0))
        probability = -np.expm1(-((mean / dry_mean) ** _DRY_POWER))
        return Conditional(mean, probability, temperature - LAPSE_RATE * self.relative_height_m)

    def sample(self, conditional: Conditional, draw: np.random.Generator) -> dict[str, np.ndarray]:
        """Return one draw {`pr` [mm/day], `tas` [K]: (y, x) float32} of the law of one day."""
        g, other = self.gaussian_fields(draw)
        anomaly = RAIN_COOLING * g + np.sqrt(1.0 - RAIN_COOLING**2) * other
        temperature = conditional.temperature + TEMPERATURE_SPREAD * anomaly
        return {"pr": conditional.rain(g).astype(np.float32), "tas": temperature.astype(np.float32)}

    def gaussian_fields(self, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return two independent fields (y, x), mean 0, variance 1, with the covariance of `correlation`.

        Exact by circulant embedding (Dietrich & Newsam, 1997): one complex transform gives both.
        """
        ny, nx = self.land.height_m.shape
        noise = draw.standard_normal((2, *self.amplitude.shape))
        fields = np.fft.fft2(self.amplitude * (noise[0] + 1j * noise[1]))[:ny, :nx]
        return fields.real, fields.imag


def correlation(distance_cells: np.ndarray) -> np.ndarray:
    """Return the correlation of g at a distance in fine cells (Matern, smoothness 3/2)."""
    ratio = np.asarray(distance_cells) / CORRELATION_CELLS
    return (1.0 + ratio) * np.exp(-ratio)


def _torus_amplitude(ny: int, nx: int) -> np.ndarray:
    """Return sqrt(spectrum / cells) on a torus wide enough that the domain never meets itself."""
    margin = int(np.ceil(12 * CORRELATION_CELLS))
    sides = [_fast_length(n + margin) for n in (ny, nx)]
    along = [np.minimum(np.arange(side), side - np.arange(side)) for side in sides]
    covariance = correlation(np.hypot(along[0][:, None], along[1][None, :]))
    return np.sqrt(np.maximum(np.fft.fft2(covariance).real, 0.0) / covariance.size)


def _fast_length(n: int) -> int:
    """Return the smallest multiple of 16 not below `n`: quick to transform."""
    return -(-n // 16) * 16
