"""The numbers behind the lecture's pictures of how noise becomes data, by our samplers with exact denoisers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from climdiff.diffusion import levels, schedules
from climdiff.diffusion.denoiser import Denoise
from climdiff.diffusion.guidance import classifier_free
from climdiff.diffusion.process import Chain
from climdiff.report.lessons.denoising import Ensemble, Guidance, Reverse
from climdiff.samplers.ancestral import NoiseSource, algorithm_18_2, start_point
from climdiff.samplers.heun import heun
from climdiff.samplers.noise import Noise, normal
from climdiff.workflow.lessons.exact import Mixture, RainLaw, noise_predictor
from climdiff.workflow.lessons.noising import DAY, SEED, STEPS

N_DRAWS = 8000
N_MEMBERS = 64
TWO_MODES = Mixture(
    torch.tensor([[-1.1], [0.9]], dtype=torch.float64),
    torch.tensor([0.25, 0.4], dtype=torch.float64),
    torch.tensor([0.4, 0.6], dtype=torch.float64),
)
THREE_CLASSES = Mixture(
    torch.tensor([[0.0, 0.6], [-0.8, -0.8], [0.8, -0.8]], dtype=torch.float64),
    torch.full((3,), 0.5, dtype=torch.float64),
    torch.full((3,), 1 / 3, dtype=torch.float64),
)


def reverse() -> Reverse:
    """Return paths of Algorithm 18.2 from N(0, 1) to a density of two modes, and from noise to a rain field."""
    chain = schedules.linear(STEPS)
    noise = _values((N_DRAWS, 1, 1, 1))
    path = _walked(TWO_MODES.denoise, chain, noise)[:, :, 0, 0, 0]
    grid = np.linspace(-3.2, 3.2, 193)
    points = torch.from_numpy(grid)[:, None]
    density = torch.stack([TWO_MODES.diffused(float(alpha)).density(points) for alpha in chain.alpha])
    law = RainLaw.of(DAY)
    latents = _walked(law.denoise, chain, Noise(SEED, [(1, 0)], (1, *law.spectrum.shape)))
    times = np.array([STEPS, 40, 20, 8, 0])
    rain = [_expected_rain(law, chain, latents[STEPS - t], int(t)) for t in times]
    shown = np.concatenate([law.domain(latents[STEPS - t]) for t in times])
    ends = path[0].numpy(), path[-1].numpy()
    return Reverse(path[:, :40].numpy(), *ends, grid, density.numpy(), times, shown, np.concatenate(rain))


def ensemble() -> Ensemble:
    """Return members of one day's law, each from its own z_T by a sampler that adds no noise on the way."""
    law, chain = RainLaw.of(DAY), schedules.cosine()
    sigmas = levels.karras(chain, 20)
    noise = Noise(SEED, [(member, 1) for member in range(1, N_MEMBERS + 1)], (1, *law.spectrum.shape))
    z = noise(0).double()
    members = law.rain(heun(law.denoise, start_point(sigmas, lambda k: z), sigmas, noise))
    return Ensemble(law.coarse_rain, law.domain(z[:2]), members, law.conditional.mean)


def guidance() -> Guidance:
    """Return samples of three classes guided towards the first, by weight."""
    condition = THREE_CLASSES.component(0)
    shown, swept = np.array([0.0, 0.5, 1.0, 2.0, 4.0]), np.linspace(0, 4, 17)
    samples = {float(weight): guided_samples(float(weight)) for weight in swept}
    center, std = condition.means[0].numpy(), float(condition.stds[0])
    mean = np.array([drawn[:, 1].mean() for drawn in samples.values()])
    spread = np.array([drawn[:, 1].std() for drawn in samples.values()])
    grid = np.linspace(-2.7, 2.7, 136)
    plane = torch.from_numpy(np.stack(np.meshgrid(grid, grid), axis=-1))
    return Guidance(
        shown,
        np.stack([samples[weight][:1500] for weight in shown.tolist()]),
        grid,
        THREE_CLASSES.density(plane).numpy(),
        condition.density(plane).numpy(),
        center,
        std,
        swept,
        mean,
        spread,
    )


def guided_samples(weight: float, n_draws: int = 4000) -> np.ndarray:
    """Return samples (draw, 2) of the three classes, guided towards the first by `weight`."""
    denoise = classifier_free(THREE_CLASSES.component(0).denoise, THREE_CLASSES.denoise, weight)
    sigmas = levels.angle(schedules.cosine(), 30)
    noise = _values((n_draws, 2, 1, 1))
    return heun(denoise, start_point(sigmas, noise), sigmas, noise).flatten(1).numpy()


def _walked(denoise: Denoise, chain: Chain, noise: NoiseSource) -> Tensor:
    """Return z_T, ..., z_1, x of Algorithm 18.2, (T + 1, batch, channel, y, x); noise(0) is z_T."""
    visited: list[Tensor] = []
    predict = noise_predictor(denoise, chain)

    def watched(z: Tensor, t: int) -> Tensor:
        visited.append(z)
        return predict(z, t)

    x = algorithm_18_2(watched, chain, noise(0).double(), noise)
    return torch.stack([*visited, x])


def _expected_rain(law: RainLaw, chain: Chain, z: Tensor, t: int) -> np.ndarray:
    """Return rain of the estimate of x from z_t, on the domain; of x itself at t = 0."""
    if t == 0:
        return law.rain(z)
    return law.rain(law.denoise(z / chain.alpha[t].sqrt(), chain.sigma[t].expand(len(z))))


def _values(shape: tuple[int, ...]) -> Callable[[int], Tensor]:
    return lambda draw: torch.from_numpy(normal(SEED, 2, 0, draw, shape)).double()
