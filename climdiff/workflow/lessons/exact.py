"""Laws whose denoiser is known exactly, so that the process can be shown without a trained network.

A network f learns E[eps | z_t, y]. For these two laws that mean has a closed form, and a sampler that uses it draws
from the law itself, up to the sampler's own error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.special import ndtri
from torch import Tensor

from climdiff.catalog.landscape import make_landscape
from climdiff.catalog.law import Conditional, Law
from climdiff.catalog.synthetic import World
from climdiff.diffusion.denoiser import Denoise, epsilon
from climdiff.diffusion.process import Chain

_SUREST = 0.005
"""In the mean of x, probabilities of rain are kept this far from 0 and 1; amounts of rain use them as they are."""


@dataclass(frozen=True, eq=False)
class Mixture:
    """A mixture of round normals in a few dimensions; x is (batch, dimension, 1, 1).

    Attributes:
        means: (component, dimension).
        stds: (component,).
        weights: (component,), their sum is 1.
    """

    means: Tensor
    stds: Tensor
    weights: Tensor

    def component(self, number: int) -> Mixture:
        """Return the law of one component: P(X | y) where y names it."""
        one = slice(number, number + 1)
        return replace(self, means=self.means[one], stds=self.stds[one], weights=torch.ones(1, dtype=torch.float64))

    def diffused(self, alpha: float) -> Mixture:
        """Return the law of z_t = sqrt(alpha_t) x + sqrt(1 - alpha_t) eps, a mixture as well."""
        return replace(self, means=alpha**0.5 * self.means, stds=(alpha * self.stds**2 + 1 - alpha).sqrt())

    def density(self, x: Tensor) -> Tensor:
        """Return the density at `x` (..., dimension)."""
        return self._log_joint(x, self.stds**2).exp().sum(-1)

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Return E[x | x + sigma eps]: the mean of each component, weighted by how probable it made `x`."""
        flat, level = x.flatten(1), sigma.reshape(-1, 1).to(x)
        variance = self.stds**2 + level**2
        share = self._log_joint(flat, variance).softmax(-1)
        pull = (self.stds**2 / variance)[..., None]
        means = pull * flat[:, None, :] + (1 - pull) * self.means
        return (share[..., None] * means).sum(1).reshape(x.shape)

    def _log_joint(self, x: Tensor, variance: Tensor) -> Tensor:
        """Return log of weight times density of each component, (..., component)."""
        distance = ((x[..., None, :] - self.means) ** 2).sum(-1)
        return self.weights.log() - distance / (2 * variance) - x.shape[-1] / 2 * (2 * torch.pi * variance).log()


@dataclass(frozen=True, eq=False)
class RainLaw:
    """The law of one day's rain in the embedded world, given its coarse weather; x is (batch, 1, y, x) on a torus.

    x is normal: above 0 where it rains and below where it is dry, with the Matern correlation of the world's law, in
    units of `scale`. The domain is the first corner of the torus.

    Attributes:
        conditional: The world's law of the day.
        mean: Mean of x, (1, 1, y, x): scale times it is the normal quantile of the probability of rain.
        spectrum: Eigenvalues of the covariance of x, (y, x).
        scale: Standard deviations of the world's Gaussian field in one unit of x.
        coarse_rain: The coarse rain that the law is conditioned on [mm/day], (coarse y, coarse x).
    """

    conditional: Conditional
    mean: Tensor
    spectrum: Tensor
    scale: float
    coarse_rain: np.ndarray

    @classmethod
    def of(cls, day: str, size: int = 64, factor: int = 8) -> RainLaw:
        """Return the law of a date, such as `2001-01-31`, in the default world."""
        world = World(size=size, factor=factor)
        law = Law.on(make_landscape(world.shape, world.factor, world.spacing_km, world.seed))
        coarse = next(world.weather([int(np.datetime64(day, "D").astype(np.int64))]))
        conditional = law.given(coarse)
        threshold = ndtri(np.clip(conditional.probability, _SUREST, 1 - _SUREST))
        scale = float(np.sqrt(1 + threshold.var()))
        margin = [(0, side - size) for side in law.amplitude.shape]
        mean = np.pad(threshold / scale, margin, mode="edge")[None, None]
        spectrum = law.amplitude**2 * law.amplitude.size / scale**2
        return cls(conditional, torch.from_numpy(mean), torch.from_numpy(spectrum), scale, coarse["pr"])

    def draw(self, white: Tensor) -> Tensor:
        """Return x of this law from standard normal values of the same shape."""
        return self.mean + _filtered(white.double(), self.spectrum.sqrt())

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Return E[x | x + sigma eps]: wave by wave, what stands out of the noise (the Wiener filter)."""
        level = sigma.reshape(-1, 1, 1, 1).to(x)
        return self.mean + _filtered(x - self.mean, self.spectrum / (self.spectrum + level**2))

    def rain(self, x: Tensor) -> np.ndarray:
        """Return rain [mm/day] on the domain (batch, y, x) from x on the torus."""
        g = self.scale * self.domain(x - self.mean)
        return np.stack([self.conditional.rain(each) for each in g])

    def domain(self, x: Tensor) -> np.ndarray:
        """Return the part (batch, y, x) of `x` that lies on the domain."""
        ny, nx = self.conditional.mean.shape
        return x[:, 0, :ny, :nx].numpy()


def noise_predictor(denoise: Denoise, chain: Chain) -> Callable[[Tensor, int], Tensor]:
    """Return f(z_t, t), what a perfect network would answer, from a denoiser: the bridge of `diffusion.process`."""

    def predict(z: Tensor, t: int) -> Tensor:
        x = z / chain.alpha[t].sqrt()
        return epsilon(x, denoise(x, chain.sigma[t].expand(len(x))), chain.sigma[t])

    return predict


def _filtered(values: Tensor, gain: Tensor) -> Tensor:
    return torch.fft.ifft2(gain * torch.fft.fft2(values)).real
