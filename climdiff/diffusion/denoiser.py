r"""From a network to a denoiser D(x', sigma, y): the estimate of the clean field x from x' = x + sigma eps.

A parameterisation is four coefficients of the noise level s (Karras et al., 2022, eq. 7 and table 1), for data of unit
variance:

    D = skip(s) x' + out(s) F(scale(s) x', y, time(s))

| prediction      | the network's output is               | skip          | out                | time      |
| --------------- | ------------------------------------- | ------------- | ------------------ | --------- |
| `epsilon_plain` | f = F                                 | 1             | -s                 | t(s)      |
| `epsilon`       | f = sqrt(1 - alpha) z + sqrt(alpha) F | 1 / (1 + s^2) | -s / sqrt(1 + s^2) | t(s)      |
| `v`             | v = F                                 | 1 / (1 + s^2) | -s / sqrt(1 + s^2) | t(s)      |
| `x0`            | x = F                                 | 0             | 1                  | t(s)      |
| `edm`           | x, freed of what x' says              | 1 / (1 + s^2) | s / sqrt(1 + s^2)  | 250 log s |

scale is 1 / sqrt(1 + s^2) for all: scale x' is the lecture's z_t, of unit variance. t(s) is its diffusion time. EDM's
own time is log(s) / 4; a factor 1000 brings it to the range that the embedding of time is made for.

`epsilon_plain` is the textbook network. Its error in eps is multiplied by sigma in D: at sigma = 80 an error of
0.02, which no loss on eps notices, moves the clean field by 1.6 standard deviations, and every later step starts
from there. `epsilon` predicts the same eps through a skip: what is certain about the noise at a high level, that
it is nearly z itself, is passed by, and F learns the rest, scaled by sqrt(alpha). Its error in D stays below the
error of F at every noise level. docs/epsilon.md has the measurements. F then is what a v-prediction outputs
(Salimans & Ho, 2022): under the same weight of noise levels (`loss.py`) `epsilon` and `v` are one and the same model,
and `edm` differs from them by the sign of F and by the clock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from climdiff.diffusion.process import Chain
from climdiff.diffusion.schedules import time_of_sigma

Prediction = Literal["epsilon", "epsilon_plain", "v", "x0", "edm"]
Denoise = Callable[[Tensor, Tensor], Tensor]
"""(x, sigma) -> estimate of x0; x (batch, channel, y, x), sigma (batch,), the condition already bound."""


class Coefficients(NamedTuple):
    """The four coefficients of a parameterisation; Karras et al. (2022) write c_skip, c_out, c_in and c_noise."""

    skip: Tensor
    out: Tensor
    scale: Tensor
    time: Tensor


def coefficients(prediction: Prediction, sigma: Tensor, chain: Chain) -> Coefficients:
    """Return the row of the table above at noise level `sigma` (any shape)."""
    root = (1 + sigma**2).sqrt()
    scale, time = 1 / root, time_of_sigma(chain, sigma)
    match prediction:
        case "epsilon" | "v":
            return Coefficients(scale**2, -sigma * scale, scale, time)
        case "epsilon_plain":
            return Coefficients(torch.ones_like(sigma), -sigma, scale, time)
        case "x0":
            return Coefficients(torch.zeros_like(sigma), torch.ones_like(sigma), scale, time)
        case "edm":
            return Coefficients(scale**2, sigma * scale, scale, 250 * sigma.log())


def clean(prediction: Prediction, output: Tensor, x: Tensor, sigma: Tensor, chain: Chain) -> Tensor:
    """Return the estimate of x0 that an output of the network means; `sigma` broadcasts to `x` = x0 + sigma eps."""
    row = coefficients(prediction, sigma, chain)
    return row.skip * x + row.out * output


def output(prediction: Prediction, x0: Tensor, x: Tensor, sigma: Tensor, chain: Chain) -> Tensor:
    """Return what the network would have to output to mean `x0`; the inverse of `clean`.

    Two parameterisations convert into each other through x0: output("v", clean("epsilon", F, ...), ...).
    """
    row = coefficients(prediction, sigma, chain)
    return (x0 - row.skip * x) / row.out


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
        row = coefficients(self.prediction, sigma.to(x.device), self.chain)
        skip, out, scale = (each.to(x.dtype).reshape(-1, 1, 1, 1) for each in row[:3])
        told = _with_presence(condition, keep)
        answer = self.network((scale * x).to(condition.dtype), row.time.to(condition.dtype), told)
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
