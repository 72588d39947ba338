"""The numbers behind the lecture's pictures of how data become noise, from the process itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from climdiff.diffusion import levels, schedules
from climdiff.diffusion.process import Chain, forward_step, kernel, posterior
from climdiff.report.lessons.noising import Forward, Kernel, Posterior, Schedules
from climdiff.samplers.noise import Noise, normal
from climdiff.workflow.lessons.exact import RainLaw

SEED = 18
DAY = "2001-09-25"
"""A date of the embedded world with rain in about half of the domain."""

STEPS = 100
"""T of the lecture's pictures."""

N_DRAWS = 20_000


def forward() -> Forward:
    """Return paths from four x, the end of many, and a rain field on the same chain."""
    chain = schedules.linear(STEPS)
    starts = torch.tensor([-2.5, -0.5, 1.0, 3.0], dtype=torch.float64)
    z = starts.repeat_interleave(N_DRAWS // 4).reshape(4, -1)
    law = RainLaw.of(DAY)
    noise = Noise(SEED, [(2, 0)], (1, *law.spectrum.shape))  # member 0 is the noise of the four x
    field = law.draw(noise(0))
    rain = law.rain(field)[0]
    times = [0, 10, 25, 40, STEPS]
    paths, fields = [z[:, :12]], [law.domain(field)[0]]
    for t in range(1, STEPS + 1):
        z = forward_step(chain, z, t, _normal(t, z.shape))
        field = forward_step(chain, field, t, noise(t))
        paths.append(z[:, :12])
        if t in times:
            fields.append(law.domain(field)[0])
    grid = np.linspace(-3.8, 3.8, 191)
    density = np.exp(-(grid**2) / 2) / np.sqrt(2 * np.pi)
    drawn = torch.stack(paths, dim=-1).numpy(), z.flatten().numpy()
    signal = chain.alpha[times].sqrt().numpy()
    return Forward(*drawn, grid, density, np.array(times), signal, np.stack(fields), rain)


def kernel_lesson() -> Kernel:
    """Return the kernel of x = 2 at every t, and samples made in t steps and in one jump."""
    chain, x = schedules.linear(STEPS), torch.full((N_DRAWS,), 2.0, dtype=torch.float64)
    times = [10, 25, 60]
    grid = np.linspace(-3.2, 3.2, 161)
    moments = [kernel(chain, x[0], t) for t in range(STEPS + 1)]
    mean = np.array([float(each[0]) for each in moments])
    variance = np.array([float(each[1]) for each in moments])
    density = np.zeros((STEPS + 1, len(grid)))
    density[1:] = _normal_density(grid, mean[1:, None], variance[1:, None])
    z, paths, stepped, jumped = x, [x[:6]], [], []
    for t in range(1, STEPS + 1):
        z = forward_step(chain, z, t, _normal(t, z.shape))
        paths.append(z[:6])
        if t in times:
            stepped.append(z)
            center, spread = kernel(chain, x, t)
            jumped.append(center + spread.sqrt() * _normal(STEPS + t, x.shape))
    drawn = torch.stack(stepped).numpy(), torch.stack(jumped).numpy()
    path = torch.stack(paths, dim=-1).numpy()
    return Kernel(mean, np.sqrt(variance), grid, density, path, np.array(times), *drawn)


def posterior_lesson() -> Posterior:
    """Return the posterior at three t, beside the product of its two parts on a grid, and its weights at all t."""
    chain, x = schedules.linear(STEPS), torch.ones((), dtype=torch.float64)
    times = np.array([3, 10, 40])
    z, grid, before, step, product, closed = (np.array(each) for each in zip(*_step_back(chain, x, times), strict=True))
    zero, one = torch.zeros((), dtype=torch.float64), torch.ones((), dtype=torch.float64)
    of_z = [posterior(chain, one, zero, t) for t in range(1, STEPS + 1)]
    of_x = [posterior(chain, zero, one, t) for t in range(1, STEPS + 1)]
    return Posterior(
        float(x),
        times,
        z,
        grid,
        before,
        step,
        product,
        closed,
        np.array([float(mean) for mean, _ in of_z]),
        np.array([float(mean) for mean, _ in of_x]),
        np.sqrt([float(variance) for _, variance in of_z]),
        chain.beta[1:].sqrt().numpy(),
    )


def _step_back(chain: Chain, x: Tensor, times: np.ndarray, away: float = 1.8) -> Iterator[tuple[Any, ...]]:
    """Yield z_t, a grid of z_{t-1} and four densities on it, as in `Posterior`; z_t lies `away` spreads low."""
    for t in times.tolist():
        mean, variance = kernel(chain, x, t)
        z, beta = float(mean - away * variance.sqrt()), float(chain.beta[t])
        center, spread = (float(each) for each in kernel(chain, x, t - 1))
        # q(z_t | z_{t-1}) as a function of z_{t-1} is a normal around z_t / sqrt(1 - beta_t)
        ends = (center, spread**0.5), (z / (1 - beta) ** 0.5, (beta / (1 - beta)) ** 0.5)
        grid = np.linspace(min(m - 3.2 * s for m, s in ends), max(m + 3.2 * s for m, s in ends), 801)
        before = _normal_density(grid, center, spread)
        step = _scaled(grid, _normal_density(z, (1 - beta) ** 0.5 * grid, beta))
        closed = (float(each) for each in posterior(chain, torch.tensor(z, dtype=torch.float64), x, t))
        yield z, grid, before, step, _scaled(grid, before * step), _normal_density(grid, *closed)


def _scaled(grid: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return values on an even grid as a density: their sum over the grid is 1."""
    return values / (values.sum() * (grid[1] - grid[0]))


def schedules_lesson() -> Schedules:
    """Return every schedule with T = 1000, and the levels of 12 evaluations on the cosine schedule."""
    cosine = schedules.cosine()
    chains = {
        "linear": schedules.linear(),
        "cosine": cosine,
        "sigmoid": schedules.sigmoid(),
        "edm": schedules.edm(),
        "log-linear": schedules.log_linear(),
        "linear, zero terminal": schedules.zero_terminal(schedules.linear()),
    }
    spacings = (levels.trailing, levels.uniform, levels.karras, levels.angle)
    return Schedules(
        np.arange(1, cosine.n_steps + 1) / cosine.n_steps,
        {name: chain.alpha[1:].numpy() for name, chain in chains.items()},
        {name: chain.sigma[1:].numpy() for name, chain in chains.items()},
        {spacing.__name__: spacing(cosine, 12)[:-1].numpy() for spacing in spacings},
        "cosine",
    )


def _normal(draw: int, shape: tuple[int, ...]) -> Tensor:
    return torch.from_numpy(normal(SEED, 0, 0, draw, shape)).double()


def _normal_density(value: np.ndarray | float, mean: np.ndarray | float, variance: np.ndarray | float) -> np.ndarray:
    return np.asarray(np.exp(-((value - mean) ** 2) / (2 * variance)) / np.sqrt(2 * np.pi * variance))
