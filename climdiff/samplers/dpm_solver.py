"""DPM-Solver++: fast solvers of the probability-flow equation and its stochastic sibling, on the estimate of x0.

In noise-level coordinates with h = log(now / then) a step is x_then = (then / now) x + (1 - then / now) d, exact when
the estimate of x0 stays d; orders differ in what they take for d. The step to sigma = 0 is x0 itself, of first order.
"""

from __future__ import annotations

import math

from torch import Tensor

from climdiff.diffusion.denoiser import Denoise
from climdiff.samplers.ancestral import NoiseSource


def dpmpp_2m(denoise: Denoise, x: Tensor, sigmas: Tensor, noise: NoiseSource) -> Tensor:
    """Return x0 by DPM-Solver++(2M) (Lu et al., 2022, Algorithm 2), one evaluation a step, second order.

    d extrapolates the last two estimates of x0 to the middle of the step; the first step has only one and is of first
    order. Deterministic given z_T: `noise` is not used.
    """
    last: tuple[Tensor, float] | None = None
    for step in range(len(sigmas) - 1):
        now, then = float(sigmas[step]), float(sigmas[step + 1])
        x0 = denoise(x, sigmas[step].expand(len(x)))
        if then == 0:
            return x0
        h = math.log(now / then)
        direction = _middle(x0, h, last)
        x = (then / now) * x + (1 - then / now) * direction
        last = x0, h
    return x


def dpmpp_2s(denoise: Denoise, x: Tensor, sigmas: Tensor, noise: NoiseSource) -> Tensor:
    """Return x0 by DPM-Solver++(2S) (Lu et al., 2022, Algorithm 1), second order, two evaluations a step.

    d is the estimate of x0 in the middle of the step, at the geometric mean of its levels (r = 1/2). N steps take
    2 N - 1 evaluations. Deterministic given z_T: `noise` is not used.
    """
    for step in range(len(sigmas) - 1):
        now, then = float(sigmas[step]), float(sigmas[step + 1])
        x0 = denoise(x, sigmas[step].expand(len(x)))
        if then == 0:
            return x0
        middle = (sigmas[step] * sigmas[step + 1]).sqrt()
        halfway = (float(middle) / now) * x + (1 - float(middle) / now) * x0
        x = (then / now) * x + (1 - then / now) * denoise(halfway, middle.expand(len(x)))
    return x


def dpmpp_sde_2m(denoise: Denoise, x: Tensor, sigmas: Tensor, noise: NoiseSource) -> Tensor:
    """Return x0 by SDE-DPM-Solver++(2M) (Lu et al., 2022, eq. 18 and appendix A.2), one evaluation a step.

    As `dpmpp_2m`, with the step of the reverse stochastic equation: twice the pull to d, and fresh noise that makes up
    for it. With d = x0 it is `ddpm`.
    """
    last: tuple[Tensor, float] | None = None
    for step in range(len(sigmas) - 1):
        now, then = float(sigmas[step]), float(sigmas[step + 1])
        x0 = denoise(x, sigmas[step].expand(len(x)))
        if then == 0:
            return x0
        h = math.log(now / then)
        direction = _middle(x0, h, last)
        shrunk = (then / now) ** 2
        x = shrunk * x + (1 - shrunk) * direction + then * math.sqrt(1 - shrunk) * noise(step + 1).to(x)
        last = x0, h
    return x


def _middle(x0: Tensor, h: float, last: tuple[Tensor, float] | None) -> Tensor:
    """Return x0 in the middle of a step of length `h`, extrapolated from the `last` estimate and its step's length."""
    if last is None:
        return x0
    before, length = last
    return x0 + h / (2 * length) * (x0 - before)
