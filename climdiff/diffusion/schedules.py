"""Noise schedules: the chain's beta_t, noise level against diffusion time, and the levels a sampler visits."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from climdiff.diffusion.process import Chain


def linear(n_steps: int = 1000, first: float = 1e-4, last: float = 0.02) -> Chain:
    """Return the chain with beta_t linear in t (Ho et al., 2020, section 4).

    `first` and `last` are those of T = 1000 and scale with 1000 / T, so that z_T is as noisy for any T >= 50.
    """
    scale = 1000 / n_steps
    return Chain.from_beta(torch.linspace(first * scale, min(last * scale, 0.999), n_steps, dtype=torch.float64))


def cosine(n_steps: int = 1000, offset: float = 0.008, largest_beta: float = 0.999) -> Chain:
    """Return the chain with alpha_t = cos^2 of time and beta_t <= `largest_beta` (Nichol & Dhariwal, 2021, eq. 17)."""
    time = torch.arange(n_steps + 1, dtype=torch.float64) / n_steps
    alpha = torch.cos((time + offset) / (1 + offset) * math.pi / 2) ** 2
    return Chain.from_beta((1 - alpha[1:] / alpha[:-1]).clamp(max=largest_beta))


def time_of_sigma(chain: Chain, sigma: Tensor) -> Tensor:
    """Return diffusion time t of noise level `sigma` (> 0), by linear interpolation of log sigma between steps.

    Levels of the chain give whole t; levels outside it give its first and last step.
    """
    levels = chain.sigma[1:].log().to(sigma.device)
    wanted = sigma.double().log()
    right = torch.searchsorted(levels, wanted.contiguous()).clamp(1, len(levels) - 1)
    low, high = levels[right - 1], levels[right]
    return (right + (wanted - low) / (high - low)).clamp(1, len(levels))


def sigma_of_time(chain: Chain, t: Tensor) -> Tensor:
    """Return the noise level at diffusion time `t` in [1, T]: the inverse of `time_of_sigma`."""
    levels = chain.sigma[1:].log().to(t.device)
    left = t.double().floor().long().clamp(1, len(levels) - 1)
    return torch.lerp(levels[left - 1], levels[left], t.double() - left).exp()


def whole_chain(chain: Chain) -> Tensor:
    """Return all noise levels of the chain from sigma_T down to sigma_1, then 0: shape (T + 1,)."""
    return chain.sigma.flip(0)


def trailing(chain: Chain, steps: int) -> Tensor:
    """Return `steps` levels evenly spaced in t, counted from T, then 0 (Lin et al., 2024, table 2: trailing)."""
    t = torch.linspace(chain.n_steps, 0, steps + 1, dtype=torch.float64)[:-1].round().long()
    return torch.cat([chain.sigma[t], torch.zeros(1, dtype=torch.float64)])


def karras(chain: Chain, steps: int, rho: float = 7.0, smallest: float = 0.01, largest: float = 80.0) -> Tensor:
    """Return `steps` levels evenly spaced in sigma^(1/rho), then 0 (Karras et al., 2022, eq. 5).

    The ends are `largest` and `smallest`, kept inside the chain's own range.
    """
    high = min(largest, float(chain.sigma[-1])) ** (1 / rho)
    low = max(smallest, float(chain.sigma[1])) ** (1 / rho)
    levels = torch.linspace(high, low, steps, dtype=torch.float64) ** rho
    return torch.cat([levels, torch.zeros(1, dtype=torch.float64)])
