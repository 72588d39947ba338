"""RainFARM: rain spread within the coarse cells by random fields with the spectrum of training rain.

Rebora et al. (2006): a Gaussian field with a power law spectrum at the scales that the coarse field does not have is
made log-normal and adjusted to the coarse means. We differ in three ways: the large scales are those of the
interpolated coarse field itself; the slope is that of fine training fields, where theirs extends that of the coarse
field; and the spread of the Gaussian field is fitted to the variance within coarse cells instead of being one. It knows
neither place nor season, and a wet coarse cell is wet in nearly all its cells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from climdiff.data.pairs import Pairs
from climdiff.data.times import evenly_spread
from climdiff.downscalers.contract import ensemble
from climdiff.downscalers.draws import date_keys, generator
from climdiff.downscalers.guess import Guess
from climdiff.errors import DataError, Problem
from climdiff.grids.blocks import Blocks
from climdiff.grids.conserving import scaled

FITTED_ON = 128  # training dates, evenly spread
N_ROUNDS = 12
SPREADS = (0.05, 3.0)
SLOPES = (0.0, 6.0)


@dataclass(frozen=True)
class Texture:
    """Power density falls with wavenumber to the power of `-slope`; `spread` is the deviation of log rain."""

    slope: float
    spread: float


class RainFARM:
    """Disaggregates rain: members have the block means of the coarse field."""

    def __init__(self, train: Pairs, blocks: Mapping[str, Blocks], limits: Mapping[str, tuple[float, float]]) -> None:
        """Fit the texture of each variable on training dates.

        Args:
            train: Training pairs whose coarse fields are block means.
            blocks: How fine cells make up the coarse ones, for each variable to be disaggregated.
            limits: Lowest and highest value of a cell, per variable.

        Raises:
            DataError: CD-033, a variable without rain on the dates looked at; as `Guess`.
        """
        assert train.fine is not None
        self.guess = Guess.of_pairs(train, tuple(blocks))
        self.attributes = {name: train.fine[name].attrs for name in blocks}
        self.blocks, self.limits = dict(blocks), dict(limits)
        dates = evenly_spread(train.n_times, FITTED_ON)
        coarse, truth = train.coarse.isel(time=dates), train.truth(dates)
        self.textures = {name: self._fit(name, coarse, truth[name].values) for name in blocks}

    def downscale(self, coarse: xr.Dataset, members: Sequence[int], seed: int) -> xr.Dataset:
        """Return members without number; see `contract.Downscaler`. A cell that cannot be interpolated is missing.

        Raises:
            DataError: As `Guess`.
        """
        guess, keys = self.guess(coarse), date_keys(coarse["time"])
        fields = {}
        for number, (name, texture) in enumerate(self.textures.items()):
            values = np.empty((len(members), *guess[name].shape), np.float32)
            for row, member in enumerate(members):
                noise = [generator(seed, member, key, number).standard_normal(guess[name].shape[1:]) for key in keys]
                values[row] = self._spread(name, texture, guess, coarse, np.stack(noise))
            fields[name] = values
        return ensemble(fields, self.attributes, self.guess.target, members, coarse["time"])

    def _spread(
        self, name: str, texture: Texture, guess: xr.Dataset, coarse: xr.Dataset, noise: np.ndarray
    ) -> np.ndarray:
        """Return the rain of each date, (time, y, x), from white noise of that shape."""
        blocks = self.blocks[name]
        large = guess[name].values.astype(np.float64).clip(min=0)
        rough = large * np.exp(texture.spread * shaped(noise, texture.slope, blocks.factor))
        means = blocks.oriented(coarse[name].transpose("time", ...).values.astype(np.float64))
        return scaled(rough, means, blocks, self.limits[name][1])

    def _fit(self, name: str, coarse: xr.Dataset, truth: np.ndarray) -> Texture:
        """Return the texture whose fields have slope and variance within blocks of the truth, by corrections.

        Blocks that miss a cell or their mean do not count: they are 0 in the truth and in what it is compared with.
        """
        coarse, truth = coarse.load(scheduler="synchronous"), truth.astype(np.float64)
        blocks, guess = self.blocks[name], self.guess(coarse)
        means = blocks.oriented(coarse[name].transpose("time", ...).values)
        whole = blocks.cells(np.isfinite(truth) & np.isfinite(guess[name].values)).all(-1) & np.isfinite(means)
        inside = blocks.spread(whole)
        wet = np.flatnonzero((inside & (truth > 0)).any(axis=(1, 2)))
        if not len(wet):
            what = f"no rain '{name}' in blocks without missing cells on {len(truth)} dates, spread over training"
            raise DataError(Problem(33, "training data", what, "leave rainfarm out, or train on a rainier period"))
        coarse, guess, whole, inside = coarse.isel(time=wet), guess.isel(time=wet), whole[wet], inside[wet]
        truth = np.where(inside, truth[wet], 0.0)
        noise = np.random.default_rng(0).standard_normal(truth.shape)
        slope, variance = spectral_slope(truth, blocks.factor), _variance(truth, blocks, whole)
        texture = Texture(slope, 1.0)
        for _ in range(N_ROUNDS):
            made = np.where(inside, self._spread(name, texture, guess, coarse, noise), 0.0)
            steeper = slope - spectral_slope(made, blocks.factor)
            rougher = np.sqrt(variance / max(_variance(made, blocks, whole), np.finfo(float).tiny))
            texture = Texture(
                float(np.clip(texture.slope + steeper, *SLOPES)),
                float(np.clip(texture.spread * rougher**0.5, *SPREADS)),
            )
        return texture


def _variance(fields: np.ndarray, blocks: Blocks, whole: np.ndarray) -> float:
    """Return the mean variance within the blocks that are `whole`, (time, Y, X)."""
    return float(blocks.cells(fields).var(axis=-1)[whole].mean())


def shaped(noise: np.ndarray, slope: float, factor: tuple[int, int]) -> np.ndarray:
    """Return white noise (..., y, x) as Gaussian fields of variance 1 with a power law spectrum at unresolved scales.

    These are the waves shorter than two coarse cells of `factor` fine ones; all others have no power.
    """
    cycles, unresolved = _waves(noise.shape[-2:], factor)
    weight = np.where(unresolved, np.maximum(cycles, 1e-9) ** (-slope / 2), 0.0)
    fields = np.fft.irfft2(np.fft.rfft2(noise) * weight, s=noise.shape[-2:])
    modes = np.full(weight.shape, 2.0)  # the half plane rfft2 leaves out mirrors the inner columns
    modes[:, 0] = 1.0
    if noise.shape[-1] % 2 == 0:
        modes[:, -1] = 1.0
    return fields / np.sqrt((modes * weight**2).sum() / (noise.shape[-2] * noise.shape[-1]))


def spectral_slope(fields: np.ndarray, factor: tuple[int, int]) -> float:
    """Return the slope of mean power density over wavenumber of fields (time, y, x), at unresolved scales.

    A least squares line through logarithms of ring means; a Hann window takes out the jump at the edges.
    """
    ny, nx = fields.shape[-2:]
    window = np.hanning(ny + 2)[1:-1, None] * np.hanning(nx + 2)[1:-1]
    centered = fields - fields.mean(axis=(-2, -1), keepdims=True)
    power = (np.abs(np.fft.rfft2(centered * window)) ** 2).mean(axis=0)
    cycles, unresolved = _waves((ny, nx), factor)
    ring = np.rint(cycles * min(ny, nx)).astype(int)
    inside = unresolved & (cycles <= 0.5) & (power > 0)
    count = np.bincount(ring[inside])
    used = np.flatnonzero(count)
    means = np.bincount(ring[inside], power[inside])[used] / count[used]
    return float(-np.polyfit(np.log(used), np.log(means), 1)[0])


def _waves(shape: tuple[int, int], factor: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the wavenumber of each mode of rfft2 [cycles per cell], and whether coarse cells cannot resolve it."""
    y, x = np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])
    return np.hypot(y, x), (np.abs(y) > 0.5 / factor[0]) | (np.abs(x) > 0.5 / factor[1])
