"""DPM-Solver++: fast multistep solvers of the probability-flow equation, on the estimate of x0."""

from __future__ import annotations

import math

from torch import Tensor

from climdiff.diffusion.denoiser import Denoise
from climdiff.samplers.ancestral import NoiseSource


def dpmpp_2m(denoise: Denoise, x: Tensor, sigmas: Tensor, noise: NoiseSource) -> Tensor:
    """Return x0 by DPM-Solver++(2M) (Lu et al., 2022, Algorithm 2), one evaluation a step, second order.

    In noise-level coordinates with h = log(sigma_now / sigma_then): x_then = (then / now) x + (1 - then / now) d, where
    d extrapolates the last two estimates of x0 to the middle of the step. The first step and the step to
    sigma = 0 are of first order, as no two estimates bracket them. Deterministic given z_T: `noise` is not used.
    """
    last: Tensor | None = None
    last_step = 0.0
    for step in range(len(sigmas) - 1):
        now, then = float(sigmas[step]), float(sigmas[step + 1])
        x0 = denoise(x, sigmas[step].expand(len(x)))
        if then == 0:
            return x0
        h = math.log(now / then)
        direction = x0 if last is None else x0 + h / (2 * last_step) * (x0 - last)
        x = (then / now) * x + (1 - then / now) * direction
        last, last_step = x0, h
    return x
