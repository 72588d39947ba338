r"""The discrete chain that defines the process: forward steps, diffusion kernel, conditional posterior.

Notation (Prince, 2023, chapter 18; the same in every file of this folder):

| symbol  | meaning                                                                                          |
| ------- | ------------------------------------------------------------------------------------------------ |
| x       | clean field drawn from P(X): the transformed high-resolution field                                |
| y       | what we condition on: coarse predictors, static fields, position, season                          |
| z_t     | latent after t of T noising steps                                                                 |
| eps     | standard normal noise, same shape as x                                                            |
| beta_t  | noise schedule in (0, 1): how fast we move towards N(0, I)                                        |
| alpha_t | prod over s <= t of (1 - beta_s). Cumulative; DDPM papers call it alpha-bar                       |
| f       | the network f(z_t, y, t; phi); predicts eps                                                       |
| sigma_t | noise level sqrt((1 - alpha_t) / alpha_t) of x' = z_t / sqrt(alpha_t) = x + sigma_t eps           |

Everything here is float64: the chain is a definition, and tests hold samplers against it to 1e-12.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Chain:
    """The process: beta_1 .. beta_T, and alpha_0 = 1, alpha_1 .. alpha_T; index t is the lecture's t."""

    beta: Tensor
    alpha: Tensor

    @classmethod
    def from_beta(cls, beta: Tensor) -> Chain:
        """Return the chain of `beta` (T,): beta_1 first.

        Raises:
            ValueError: if a beta is outside (0, 1).
        """
        beta = beta.double()
        if not bool(((beta > 0) & (beta < 1)).all()):
            raise ValueError(f"every beta_t must be in (0, 1), found {beta.min():g} to {beta.max():g}")
        start = torch.zeros(1, dtype=torch.float64)
        padded = torch.cat([start, beta])
        return cls(padded, torch.cumprod(1 - padded, dim=0))

    @classmethod
    def from_alpha(cls, alpha: Tensor) -> Chain:
        """Return the chain of cumulative `alpha` (T,), falling from alpha_1 < 1 to alpha_T > 0.

        Raises:
            ValueError: if alpha does not fall, or leaves (0, 1).
        """
        padded = torch.cat([torch.ones(1, dtype=torch.float64), alpha.double()])
        if not bool((padded[1:] < padded[:-1]).all()) or not padded[-1] > 0:
            raise ValueError(f"alpha_t must fall from below 1 and stay above 0, found {alpha[0]:g} to {alpha[-1]:g}")
        start = torch.zeros(1, dtype=torch.float64)
        return cls(torch.cat([start, 1 - padded[1:] / padded[:-1]]), padded)

    @classmethod
    def from_sigma(cls, sigma: Tensor) -> Chain:
        """Return the chain of rising noise levels sigma_1 .. sigma_T, (T,); as `from_alpha` with 1 / (1 + sigma^2)."""
        return cls.from_alpha(1 / (1 + sigma.double() ** 2))

    @property
    def n_steps(self) -> int:
        """T, the number of noising steps."""
        return len(self.beta) - 1

    @property
    def sigma(self) -> Tensor:
        """Noise levels sigma_0 = 0, sigma_1 .. sigma_T, shape (T + 1,), increasing."""
        return ((1 - self.alpha) / self.alpha).sqrt()


def forward_step(chain: Chain, z: Tensor, t: int, eps: Tensor) -> Tensor:
    """Return z_t from z_{t-1} = `z`: sqrt(1 - beta_t) z_{t-1} + sqrt(beta_t) eps_t (Prince, 2023, eq. 18.1)."""
    return (1 - chain.beta[t]).sqrt() * z + chain.beta[t].sqrt() * eps


def kernel(chain: Chain, x: Tensor, t: int) -> tuple[Tensor, Tensor]:
    """Return mean and variance of q(z_t | x) = N(sqrt(alpha_t) x, (1 - alpha_t) I) (Prince, 2023, eq. 18.7)."""
    return chain.alpha[t].sqrt() * x, 1 - chain.alpha[t]


def posterior(chain: Chain, z: Tensor, x: Tensor, t: int) -> tuple[Tensor, Tensor]:
    """Return mean and variance of q(z_{t-1} | z_t, x), t >= 1 (Prince, 2023, eq. 18.15)."""
    alpha, before, beta = chain.alpha[t], chain.alpha[t - 1], chain.beta[t]
    of_z = (1 - before) / (1 - alpha) * (1 - beta).sqrt()
    of_x = before.sqrt() * beta / (1 - alpha)
    return of_z * z + of_x * x, beta * (1 - before) / (1 - alpha)


def log_joint(chain: Chain, x: Tensor, z: Tensor) -> Tensor:
    """Return log q(z_1 .. z_T | x), the log density of one whole path (Prince, 2023, eq. 18.3).

    Args:
        chain: The process.
        x: Clean field (...).
        z: The path z_1 .. z_T, shape (T, ...).

    Returns:
        A scalar: the sum over steps and cells of log N(z_t; sqrt(1 - beta_t) z_{t-1}, beta_t).
    """
    beta = chain.beta[1:].reshape(-1, *([1] * x.ndim))
    mean = (1 - beta).sqrt() * torch.cat([x[None], z[:-1]])
    return torch.distributions.Normal(mean, beta.sqrt().expand_as(mean)).log_prob(z).sum()
