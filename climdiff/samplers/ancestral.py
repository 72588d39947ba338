"""DDPM and DDIM: the lecture's Algorithm 18.2 and its deterministic sibling, in noise-level coordinates.

x' = z_t / sqrt(alpha_t): a sampler starts from z_T, standard normal noise (`start_point`), and walks down a list of
levels that ends in 0.
`noise(k)` returns fresh standard normal noise for step k (k = 0 is z_T, used by the caller).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

from torch import Tensor

from climdiff.diffusion.denoiser import Denoise, epsilon
from climdiff.diffusion.process import Chain

NoiseSource = Callable[[int], Tensor]
Sampler = Callable[[Denoise, Tensor, Tensor, NoiseSource], Tensor]
"""(denoise, x at sigmas[0], sigmas (steps + 1,) ending in 0, noise) -> x0."""


def start_point(sigmas: Tensor, noise: NoiseSource) -> Tensor:
    """Return z_T / sqrt(alpha_T) = sqrt(1 + sigma_T^2) z_T, float32 or as the noise is; sigma_T is the first level."""
    return math.sqrt(1 + float(sigmas[0]) ** 2) * noise(0)


def amplified(noise: NoiseSource, factor: float) -> NoiseSource:
    """Return the noise times a factor: members that differ from their mean by that factor, as far as all is linear.

    Where the estimate of x0 is linear in x, as for Gaussian data, any sampler makes x0 of a sum of its draws and a
    constant: start and fresh noise alike. The mean of members stays, their spread is multiplied, exactly.
    """
    return noise if factor == 1 else lambda draw: factor * noise(draw)


def ddim(denoise: Denoise, x: Tensor, sigmas: Tensor, noise: NoiseSource, eta: float = 0.0) -> Tensor:
    """Return x0 by DDIM(eta) (Song et al., 2021, eqs. 12 and 16).

    eta = 0 is deterministic given z_T; eta = 1 is DDPM's ancestral step with the posterior's variance, which is
    exactly q(z_{t-1} | z_t, x0) for neighboring levels of the chain.
    """
    for step in range(len(sigmas) - 1):
        now, then = float(sigmas[step]), float(sigmas[step + 1])
        x0 = denoise(x, sigmas[step].expand(len(x)))
        if then == 0:
            return x0
        fresh = eta * then * (1 - (then / now) ** 2) ** 0.5
        x = x0 + (then**2 - fresh**2) ** 0.5 * epsilon(x, x0, sigmas[step].to(x.dtype))
        if fresh > 0:
            x = x + fresh * noise(step + 1).to(x)
    return x


def ddpm(
    denoise: Denoise,
    x: Tensor,
    sigmas: Tensor,
    noise: NoiseSource,
    variance: Literal["posterior", "beta"] = "posterior",
) -> Tensor:
    """Return x0 by ancestral sampling (Ho et al., 2020, Algorithm 2).

    A step has the mean of q(z_{t-1} | z_t, x0). Its variance is that of the posterior, as for a point x
    (`ddim(eta=1)`), or beta_t, as for standard normal x and as Algorithm 18.2 of Prince (2023) is printed; beta_t is
    that of one step between the two levels, 1 - alpha_now / alpha_then.
    """
    if variance == "posterior":
        return ddim(denoise, x, sigmas, noise, eta=1.0)
    for step in range(len(sigmas) - 1):
        now, then = float(sigmas[step]), float(sigmas[step + 1])
        x0 = denoise(x, sigmas[step].expand(len(x)))
        if then == 0:
            return x0
        shrunk = (then / now) ** 2
        # the variance beta of z_{t-1} is beta / alpha_then in x'
        fresh = (1 - (1 + then**2) / (1 + now**2)) * (1 + then**2)
        x = shrunk * x + (1 - shrunk) * x0 + fresh**0.5 * noise(step + 1).to(x)
    return x


def algorithm_18_2(
    predict_epsilon: Callable[[Tensor, int], Tensor], chain: Chain, z: Tensor, noise: NoiseSource
) -> Tensor:
    """Return x by Algorithm 18.2 of Prince (2023) as printed, in z coordinates, with sigma_t^2 = beta_t.

    Written for reading and for holding `ddpm` against; T network evaluations.

    Args:
        predict_epsilon: f(z_t, t).
        chain: The process.
        z: z_T.
        noise: Fresh noise of step k; step T - t + 1 draws noise(T - t + 1).
    """
    for t in range(chain.n_steps, 0, -1):
        beta, alpha = chain.beta[t].to(z), chain.alpha[t].to(z)
        z = z / (1 - beta).sqrt() - beta / ((1 - alpha).sqrt() * (1 - beta).sqrt()) * predict_epsilon(z, t)
        if t > 1:
            z = z + beta.sqrt() * noise(chain.n_steps - t + 1).to(z)
    return z
