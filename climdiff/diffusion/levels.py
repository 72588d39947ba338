"""The noise levels a sampler visits: from the highest down to 0, (steps + 1,), float64.

| levels      | spacing                                | good for                                     |
| ----------- | -------------------------------------- | -------------------------------------------- |
| whole_chain | every step of the chain                | Algorithm 18.2 as printed                    |
| trailing    | even in t, beginning at T              | DDPM and DDIM over many steps                |
| uniform     | even in t, beginning at T, ending at 1 | DDIM as first published                      |
| karras      | even in sigma^(1/rho)                  | DPM-Solver++ and Heun                        |
| angle       | even in atan(sigma)                    | few steps of `angular`                       |
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from climdiff.diffusion.process import Chain


def whole_chain(chain: Chain) -> Tensor:
    """Return all noise levels of the chain from sigma_T down to sigma_1, then 0: shape (T + 1,)."""
    return chain.sigma.flip(0)


def trailing(chain: Chain, steps: int) -> Tensor:
    """Return `steps` levels evenly spaced in t, counted from T, then 0 (Lin et al., 2024, table 2: trailing)."""
    t = torch.linspace(chain.n_steps, 0, steps + 1, dtype=torch.float64)[:-1].round().long()
    return _to_zero(chain.sigma[t])


def karras(chain: Chain, steps: int, rho: float = 7.0, smallest: float = 0.01, largest: float = 80.0) -> Tensor:
    """Return `steps` levels evenly spaced in sigma^(1/rho), then 0 (Karras et al., 2022, eq. 5).

    The ends are `largest` and `smallest`, kept inside the chain's own range.
    """
    high, low = _ends(chain, smallest, largest)
    return _to_zero(torch.linspace(high ** (1 / rho), low ** (1 / rho), steps, dtype=torch.float64) ** rho)


def uniform(chain: Chain, steps: int) -> Tensor:
    """Return `steps` levels evenly spaced in t from T to 1, then 0 (Lin et al., 2024, table 2: linspace)."""
    t = torch.linspace(chain.n_steps, 1, steps, dtype=torch.float64).round().long()
    return _to_zero(chain.sigma[t])


def angle(chain: Chain, steps: int, smallest: float = 0.01, largest: float = 80.0) -> Tensor:
    """Return `steps` levels evenly spaced in the angle atan(sigma), then 0; ends as in `karras`."""
    high, low = _ends(chain, smallest, largest)
    return _to_zero(torch.linspace(math.atan(high), math.atan(low), steps, dtype=torch.float64).tan())


def _ends(chain: Chain, smallest: float, largest: float) -> tuple[float, float]:
    return min(largest, float(chain.sigma[-1])), max(smallest, float(chain.sigma[1]))


def _to_zero(levels: Tensor) -> Tensor:
    return torch.cat([levels, torch.zeros(1, dtype=torch.float64)])
