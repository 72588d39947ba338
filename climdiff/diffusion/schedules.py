"""Noise schedules: chains by their beta_t, by their alpha_t or by their noise levels, and noise level against time.

A schedule is a `Chain`; between its steps log sigma is linear in t, so that any noise level has a time and back.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from climdiff.diffusion.process import Chain


def linear(n_steps: int = 1000, first: float = 1e-4, last: float = 0.02) -> Chain:
    """Return the chain with beta_t linear in t (Ho et al., 2020, section 4).

    `first` and `last` are those of T = 1000 and scale with 1000 / T, so that z_T is at least as noisy for any T >= 50.
    """
    scale = 1000 / n_steps
    return Chain.from_beta(torch.linspace(first * scale, min(last * scale, 0.999), n_steps, dtype=torch.float64))


def cosine(n_steps: int = 1000, offset: float = 0.008, largest_beta: float = 0.999) -> Chain:
    """Return the chain with alpha_t = cos^2 of time and beta_t <= `largest_beta` (Nichol & Dhariwal, 2021, eq. 17)."""
    time = torch.arange(n_steps + 1, dtype=torch.float64) / n_steps
    alpha = torch.cos((time + offset) / (1 + offset) * math.pi / 2) ** 2
    return Chain.from_beta((1 - alpha[1:] / alpha[:-1]).clamp(max=largest_beta))


def sigmoid(n_steps: int = 1000, start: float = -3.0, end: float = 3.0, tau: float = 1.0) -> Chain:
    """Return the chain with alpha_t a falling sigmoid of time (Jabri et al., 2023, section 3; Chen, 2023, eq. 4)."""
    time = torch.arange(n_steps + 1, dtype=torch.float64) / n_steps
    value = ((time * (end - start) + start) / tau).sigmoid()
    alpha = (value[-1] - value) / (value[-1] - value[0])
    return Chain.from_beta((1 - alpha[1:] / alpha[:-1]).clamp(max=0.999))


def edm(n_steps: int = 1000, smallest: float = 0.002, largest: float = 80.0, rho: float = 7.0) -> Chain:
    """Return the chain whose noise levels rise evenly in sigma^(1/rho) (Karras et al., 2022, eq. 5)."""
    ends = torch.tensor([smallest, largest], dtype=torch.float64) ** (1 / rho)
    return Chain.from_sigma(torch.linspace(float(ends[0]), float(ends[1]), n_steps, dtype=torch.float64) ** rho)


def log_linear(n_steps: int = 1000, smallest: float = 0.002, largest: float = 80.0) -> Chain:
    """Return the chain whose noise levels rise evenly in log sigma (Lu et al., 2022, section 6: evenly in lambda)."""
    ends = math.log(smallest), math.log(largest)
    return Chain.from_sigma(torch.linspace(*ends, n_steps, dtype=torch.float64).exp())


def zero_terminal(chain: Chain, terminal: float = 1e-8) -> Chain:
    """Return the chain whose signal is gone at T: sqrt(alpha_t) shifted and scaled (Lin et al., 2024, Algorithm 1).

    sqrt(alpha_1) stays. alpha_T becomes `terminal` instead of 0, sigma_T = 1e4 instead of infinite, so that the
    noise-level view stays finite; what is left of x is far below the resolution of float32 arithmetic in a network.
    """
    root = chain.alpha[1:].sqrt()
    low = math.sqrt(terminal)
    root = low + (root - root[-1]) * (root[0] - low) / (root[0] - root[-1])
    return Chain.from_alpha(root**2)


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
