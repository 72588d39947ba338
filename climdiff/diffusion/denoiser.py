r"""From a network to a denoiser D(x', sigma, y): the estimate of the clean field x from x' = x + sigma eps.

A parameterisation is a few coefficients of the noise level. The network F sees z = x' / sqrt(1 + sigma^2) (the
lecture's z_t, unit variance) and the diffusion time t(sigma):

    D = skip(sigma) x' + out(sigma) F(z, y, t)

| prediction      | the network's output is              | skip            | out                      |
| --------------- | ------------------------------------ | --------------- | ------------------------ |
| `epsilon_plain` | f = F                                | 1               | -sigma                   |
| `epsilon`       | f = sqrt(1 - alpha) z + sqrt(alpha) F| 1 / (1 + s^2)   | -sigma / sqrt(1 + s^2)   |
| `v`             | v = F                                | 1 / (1 + s^2)   | -sigma / sqrt(1 + s^2)   |
| `x0`            | x = F                                | 0               | 1                        |

`epsilon_plain` is the textbook network. Its error in eps is multiplied by sigma in D: at sigma = 80 an error of
0.02, which no loss on eps notices, moves the clean field by 1.6 standard deviations, and every later step starts
from there. `epsilon` predicts the same eps through a skip: what is certain about the noise at a high level, that
it is nearly z itself, is passed by, and F learns the rest, scaled by sqrt(alpha). Its error in D stays below the
error of F at every noise level. docs/epsilon.md has the measurements. F then is what a v-prediction outputs
(Salimans & Ho, 2022): under the same weight of noise levels (`loss.py`) `epsilon` and `v` are one and the same model.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from climdiff.diffusion.process import Chain
from climdiff.diffusion.schedules import time_of_sigma

Prediction = Literal["epsilon", "epsilon_plain", "v", "x0"]
Denoise = Callable[[Tensor, Tensor], Tensor]
"""(x, sigma) -> estimate of x0; x (batch, channel, y, x), sigma (batch,), the condition already bound."""


def coefficients(prediction: Prediction, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """Return (skip, out) of the table above at noise level `sigma`."""
    variance = 1 + sigma**2
    match prediction:
        case "epsilon" | "v":
            return 1 / variance, -sigma / variance.sqrt()
        case "epsilon_plain":
            return torch.ones_like(sigma), -sigma
        case "x0":
            return torch.zeros_like(sigma), torch.ones_like(sigma)


def epsilon(x: Tensor, x0: Tensor, sigma: Tensor) -> Tensor:
    """Return the noise (x - x0) / sigma that a denoised estimate implies; `sigma` broadcasts to `x`."""
    return (x - x0) / sigma


class Denoiser(nn.Module):
    """A network, its process and its parameterisation: calling it returns x0 and sees the condition.

    The condition tensor gets one more channel: 1 where the network is told y, 0 where y is dropped for
    classifier-free guidance (Ho & Salimans, 2022), so that 'no condition' is not mistaken for an average one.
    """

    def __init__(self, network: nn.Module, chain: Chain, prediction: Prediction) -> None:
        super().__init__()
        self.network = network
        self.chain = chain
        self.prediction: Prediction = prediction

    def forward(self, x: Tensor, sigma: Tensor, condition: Tensor, keep: Tensor | None = None) -> Tensor:
        """Return the estimate of x0 (batch, channel, y, x), float32.

        Args:
            x: Noisy field x' = x0 + sigma eps, (batch, channel, y, x).
            sigma: Noise level (batch,), > 0.
            condition: Condition channels (batch, condition channel, y, x).
            keep: 1 where the condition is given, 0 where it is dropped (batch,); all given by default.
        """
        level = sigma.to(x.dtype).reshape(-1, 1, 1, 1)
        skip, out = coefficients(self.prediction, level)
        z = x / (1 + level**2).sqrt()
        told = _with_presence(condition, keep)
        answer = self.network(z.to(condition.dtype), time_of_sigma(self.chain, sigma).to(condition.dtype), told)
        return skip * x + out * answer.to(x.dtype)

    def bind(self, condition: Tensor) -> Denoise:
        """Return the denoiser of P(X | y): (x, sigma) -> x0 with `condition` bound."""
        return lambda x, sigma: self(x, sigma, condition)

    def unconditional(self, condition: Tensor) -> Denoise:
        """Return the denoiser of P(X): the condition is dropped; `condition` gives only the shape."""
        keep = torch.zeros(len(condition), device=condition.device)
        return lambda x, sigma: self(x, sigma, condition, keep)


def _with_presence(condition: Tensor, keep: Tensor | None) -> Tensor:
    batch, _, ny, nx = condition.shape
    if keep is None:
        return torch.cat([condition, condition.new_ones(batch, 1, ny, nx)], dim=1)
    kept = keep.to(condition.dtype).reshape(-1, 1, 1, 1)
    return torch.cat([condition * kept, kept.expand(batch, 1, ny, nx)], dim=1)
