"""Euler and Heun of Karras et al. (2022): the probability-flow equation, with noise stirred in where asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from climdiff.diffusion.denoiser import Denoise
from climdiff.samplers.ancestral import NoiseSource


@dataclass(frozen=True)
class Churn:
    """How much noise is added back before each step (Karras et al., 2022, Algorithm 2); none by default.

    `amount` is S_churn, spread over the steps whose level is in [`low`, `high`]; a step raises its level by at most a
    factor sqrt(2). `inflation` is S_noise, the standard deviation of the added noise.
    """

    amount: float = 0.0
    low: float = 0.0
    high: float = math.inf
    inflation: float = 1.0

    def raised(self, level: float, n_steps: int) -> float:
        """Return the level from which the step that begins at `level` is done."""
        if not self.low <= level <= self.high:
            return level
        return level * (1 + min(self.amount / n_steps, math.sqrt(2) - 1))


def euler(denoise: Denoise, x: Tensor, sigmas: Tensor, noise: NoiseSource, churn: Churn = Churn()) -> Tensor:
    """Return x0 by Euler's method, one evaluation a step, first order; without churn it is `ddim(eta=0)`."""
    return _walk(denoise, x, sigmas, noise, churn, is_corrected=False)


def heun(denoise: Denoise, x: Tensor, sigmas: Tensor, noise: NoiseSource, churn: Churn = Churn()) -> Tensor:
    """Return x0 by Heun's method (Karras et al., 2022, Algorithms 1 and 2), second order.

    Steps along dx/dsigma = (x - x0) / sigma (their eqs. 1 and 3), the estimate of the noise. Two evaluations a step,
    one in the step to sigma = 0: 2 N - 1 for N steps.
    """
    return _walk(denoise, x, sigmas, noise, churn, is_corrected=True)


def _walk(
    denoise: Denoise, x: Tensor, sigmas: Tensor, noise: NoiseSource, churn: Churn, *, is_corrected: bool
) -> Tensor:
    n_steps = len(sigmas) - 1
    for step in range(n_steps):
        start, then = float(sigmas[step]), float(sigmas[step + 1])
        now = churn.raised(start, n_steps)
        if now > start:
            x = x + math.sqrt(now**2 - start**2) * churn.inflation * noise(step + 1).to(x)
        x0 = _estimate(denoise, x, now, sigmas)
        if then == 0:
            return x0
        slope = (x - x0) / now
        ahead = x + (then - now) * slope
        if is_corrected:
            ahead = x + (then - now) * (slope + (ahead - _estimate(denoise, ahead, then, sigmas)) / then) / 2
        x = ahead
    return x


def _estimate(denoise: Denoise, x: Tensor, level: float, sigmas: Tensor) -> Tensor:
    return denoise(x, sigmas.new_tensor(level).expand(len(x)))
