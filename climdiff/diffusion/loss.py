r"""The loss of Algorithm 18.1 and its weighting over noise levels.

With t ~ Uniform{1..T} and eps ~ N(0, I), the lecture minimises || f(z_t, y, t) - eps ||^2 with weight 1 at every
t. In terms of the clean field this weights || D - x ||^2 by 1 / sigma^2: errors at high noise hardly count, though
the first steps of a sampler decide the large scales there. `weights` gives the factor on the squared error in eps:

| weighting | factor on ||f - eps||^2     | on ||D - x||^2                                                |
| --------- | --------------------------- | ------------------------------------------------------------- |
| uniform   | 1 (Algorithm 18.1)          | 1 / sigma^2, the signal-to-noise ratio                        |
| bounded   | 1 + sigma^2                 | 1 + 1 / sigma^2 (Salimans & Ho, 2022: 'SNR + 1')              |
| min_snr   | min(1, 5 sigma^2)           | min(SNR, 5) (Hang et al., 2023)                               |
| clean     | sigma^2                     | 1 (Ho et al., 2020, in terms of x)                            |
| edm       | 1 + sigma^2                 | 1 + 1 / sigma^2, log sigma ~ N(-1.2, 1.2^2) (Karras et al., 2022) |

All but `edm` draw t uniformly; `edm` draws noise levels where it holds most to be learned.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from climdiff.diffusion.denoiser import Denoiser
from climdiff.diffusion.process import Chain
from climdiff.diffusion.schedules import sigma_of_time, time_of_sigma

Weighting = Literal["uniform", "bounded", "min_snr", "clean", "edm"]
EDM_MEAN, EDM_STD = -1.2, 1.2
"""Of log sigma in training (Karras et al., 2022, table 1)."""


class Draw(NamedTuple):
    """What Algorithm 18.1 draws for a batch: diffusion times (batch,), noise like x, condition kept (batch,)."""

    t: Tensor
    eps: Tensor
    keep: Tensor


def draw(x: Tensor, chain: Chain, weighting: Weighting, condition_dropout: float, generator: torch.Generator) -> Draw:
    """Return t, eps and the condition dropout of one batch `x` (batch, channel, y, x).

    The t of a batch are stratified: element i has its t in the i-th of `batch` equally likely parts, so a batch as a
    whole is spread evenly and the loss varies less (Kingma et al., 2021, appendix I.1, do the same with one offset for
    all). It rests on the samples of a batch being in random order.
    """
    batch = len(x)
    part = (torch.arange(batch) + torch.rand(batch, generator=generator, dtype=torch.float64)) / batch
    if weighting == "edm":
        t = time_of_sigma(chain, (EDM_MEAN + EDM_STD * torch.special.ndtri(part)).exp())
    else:
        t = (part * chain.n_steps).floor().clamp(max=chain.n_steps - 1) + 1
    eps = torch.randn(x.shape, generator=generator)
    keep = (torch.rand(batch, generator=generator) >= condition_dropout).float()
    return Draw(t, eps, keep)


def weights(weighting: Weighting, sigma: Tensor) -> Tensor:
    """Return the factor on the squared error in eps at noise level `sigma` (table above)."""
    match weighting:
        case "uniform":
            return torch.ones_like(sigma)
        case "bounded" | "edm":
            return 1 + sigma**2
        case "min_snr":
            return (5 * sigma**2).clamp(max=1)
        case "clean":
            return sigma**2


def epsilon_loss(denoiser: Denoiser, x: Tensor, condition: Tensor, drawn: Draw, weighting: Weighting) -> Tensor:
    """Return the weighted mean squared error in eps of each sample, (batch,).

    Cells where `x` is NaN are missing: they enter the network as 0 before noise and are left out of the mean.
    """
    known = ~x.isnan()
    clean = torch.where(known, x, torch.zeros_like(x))
    sigma = sigma_of_time(denoiser.chain, drawn.t).to(x.device)
    level = sigma.float().reshape(-1, 1, 1, 1)
    noisy = clean + level * drawn.eps.to(x.device)
    x0 = denoiser(noisy, sigma, condition, drawn.keep.to(x.device))
    # the error in eps is the error in x0 over sigma; written so, the weight and 1 / sigma^2 meet before rounding
    factor = (weights(weighting, sigma) / sigma**2).float().reshape(-1, 1, 1, 1)
    squared = factor * (x0 - clean) ** 2 * known
    return squared.sum(dim=(1, 2, 3)) / known.sum(dim=(1, 2, 3)).clamp(min=1)
