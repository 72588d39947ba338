"""Power of fields by wavelength: do members have the texture of the truth?

Every field loses its least-squares plane and is tapered by a Hann window in both directions before a plain FFT: a
field on a limited area is not periodic, and the jump at its edge would leak power into all short wavelengths (Errico
1985 takes out the trend; the window takes the rest). Forecast and truth are treated alike, so their ratio is fair; the
price is that the outer cells count less.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import sparse

MIN_CELLS = 8  # fewer cells give fewer than 4 rings, which is no spectrum
FIELDS_PER_BLOCK = 8  # of 128 x 128 cells, transform and powers (4 MB) fit a cache


def wavelengths(side: int) -> np.ndarray:
    """Return the wavelength at the middle of every ring of wavenumbers [cells]: side, side / 2, ... down to 2 cells.

    `side` is the shorter side of the field [cells].
    """
    return side / np.arange(1, side // 2 + 1)


def power_spectrum(fields: np.ndarray) -> np.ndarray:
    """Return the radially averaged power density of fields (..., y, x) as (..., ring), in squared units.

    The mean of |FFT|^2 / (n^2 mean(window^2)) over the wavenumbers of a ring, n the number of cells: ring means times
    the modes in a ring add up to the variance of the detrended field (in the window's weighting). Ring j holds
    (j - 1/2, j + 1/2] cycles per shorter side; waves shorter than two cells (the corners) are left out.
    """
    ny, nx = fields.shape[-2:]
    window = (_hann(ny)[:, None] * _hann(nx)).ravel()
    plane, rings = _plane(ny, nx), _ring_means(ny, nx)
    scale = (ny * nx) ** 2 * np.square(window).mean()
    flat = fields.reshape(math.prod(fields.shape[:-2]), ny * nx)
    means = np.empty((len(flat), rings.shape[0]))
    for start in range(0, len(flat), FIELDS_PER_BLOCK):
        block = flat[start : start + FIELDS_PER_BLOCK].astype(np.float64)
        block -= (block @ plane.T) @ plane
        block *= window
        waves = np.fft.rfft2(block.reshape(-1, ny, nx)).reshape(len(block), -1)
        power = np.square(waves.real)
        power += np.square(waves.imag)
        means[start : start + len(block)] = (rings @ power.T).T / scale
    return means.reshape(*fields.shape[:-2], rings.shape[0])


@lru_cache(maxsize=4)  # a tenth of the work of a few fields
def _ring_means(ny: int, nx: int) -> sparse.csr_array:
    """Return the matrix (ring, mode of the half plane of rfft2) that takes the mean over the modes of each ring."""
    cycles = np.hypot(np.fft.fftfreq(ny)[:, None], np.fft.rfftfreq(nx))
    ring = np.ceil(cycles * min(ny, nx) - 0.5).astype(int).ravel()
    modes = np.full((ny, nx // 2 + 1), 2.0)  # the half plane rfft2 leaves out mirrors the inner columns
    modes[:, 0] = 1
    if nx % 2 == 0:
        modes[:, -1] = 1
    weights = modes.ravel() / np.bincount(ring, modes.ravel())[ring]
    return sparse.csr_array((weights, (ring, np.arange(ring.size))))[1 : min(ny, nx) // 2 + 1]


def _hann(n: int) -> np.ndarray:
    """Return the Hann window of n cells, its zeros half a cell outside, so that no cell is lost."""
    return np.square(np.sin(np.pi * (np.arange(n) + 0.5) / n))


def _plane(ny: int, nx: int) -> np.ndarray:
    """Return orthonormal fields (3, cells) that span all planes a + b y + c x."""
    y, x = np.meshgrid(np.arange(ny) - (ny - 1) / 2, np.arange(nx) - (nx - 1) / 2, indexing="ij")
    basis = np.stack([np.ones_like(y), y, x]).reshape(3, -1)
    return np.asarray(basis / np.linalg.norm(basis, axis=1, keepdims=True))


def spectrum_sums(members: np.ndarray, truth: np.ndarray, complete: np.ndarray) -> dict[str, np.ndarray]:
    """Return spectra summed over the times that miss no cell, and their number; those of two blocks add up.

    Args:
        members: (realization, time, y, x).
        truth: (time, y, x).
        complete: (time,) bool, False where the truth misses a cell: no FFT of a field with holes.
    """
    truth, n_members = truth[complete], len(members)
    mean = np.zeros(truth.shape)
    power = np.zeros(min(truth.shape[-2:]) // 2)
    for member in members:
        chosen = member[complete]
        mean += chosen / n_members
        power += power_spectrum(chosen).reshape(-1, len(power)).sum(axis=0) / n_members
    return {
        "members": power,
        "mean": power_spectrum(mean).reshape(-1, len(power)).sum(axis=0),
        "truth": power_spectrum(truth).reshape(-1, len(power)).sum(axis=0),
        "n_fields": np.asarray(complete.sum()),
    }


@dataclass(frozen=True)
class Spectrum:
    """Mean power spectra by wavelength, longest first; every array is (ring,).

    `members` is the mean spectrum of single members, `mean` that of the ensemble mean (smoother, rightly), `truth` that
    of the truth. `wavelength_km` is NaN where the size of a cell is not known.
    """

    wavelength_cells: np.ndarray
    wavelength_km: np.ndarray
    members: np.ndarray
    mean: np.ndarray
    truth: np.ndarray
    n_fields: int

    @property
    def ratio(self) -> np.ndarray:
        """Power of members over power of the truth: 1 where the texture is right."""
        return np.divide(self.members, self.truth, out=np.full(len(self.truth), np.nan), where=self.truth > 0)


def spectrum(sums: Mapping[str, np.ndarray], side: int, spacing_km: float) -> Spectrum | None:
    """Return mean spectra from their sums, or None where no field was complete.

    `side` is the shorter side of the fields [cells], `spacing_km` that of a cell, NaN if unknown.
    """
    n_fields = int(sums["n_fields"])
    if n_fields == 0:
        return None
    cells = wavelengths(side)
    means = {name: sums[name] / n_fields for name in ("members", "mean", "truth")}
    return Spectrum(cells, cells * spacing_km, **means, n_fields=n_fields)
