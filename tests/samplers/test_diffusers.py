"""Whole trajectories against the schedulers of `diffusers`, an independent implementation, on one network and noise."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from climdiff.diffusion import levels, schedules
from climdiff.samplers.ancestral import ddim, ddpm
from climdiff.samplers.dpm_solver import dpmpp_2m, dpmpp_sde_2m
from climdiff.samplers.heun import heun

diffusers = pytest.importorskip("diffusers")

CHAIN = schedules.linear(1000)
COMMON = {"num_train_timesteps": 1000, "beta_schedule": "linear", "beta_start": 1e-4, "beta_end": 0.02}
SHAPE = (3, 2, 4, 4)


def predict_epsilon(z, t):
    """A smooth network of no meaning: any function of z and t serves."""
    return torch.sin(1.3 * z) * 0.7 + 0.2 * torch.cos(z.flip(1)) * (t / 1000)


def denoise(x, sigma):
    level = sigma.to(x).reshape(-1, 1, 1, 1)
    t = schedules.time_of_sigma(CHAIN, sigma[:1]).to(x)
    return x - level * predict_epsilon(x / (1 + level**2).sqrt(), t)


def noise(k):
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(k), dtype=torch.float64)


def test_alphas_are_the_same():
    scheduler = diffusers.DDPMScheduler(**COMMON)
    np.testing.assert_allclose(scheduler.alphas_cumprod.numpy(), CHAIN.alpha[1:].numpy(), rtol=1e-5)


def test_the_cosine_schedule_is_the_same():
    scheduler = diffusers.DDPMScheduler(num_train_timesteps=1000, beta_schedule="squaredcos_cap_v2")
    np.testing.assert_allclose(scheduler.alphas_cumprod.numpy(), schedules.cosine(1000).alpha[1:].numpy(), rtol=1e-4)


def test_the_terminal_rescaling_is_the_same():
    scheduler = diffusers.DDIMScheduler(**COMMON, rescale_betas_zero_snr=True)
    ours = schedules.zero_terminal(CHAIN, terminal=1e-12).alpha[1:].sqrt()
    np.testing.assert_allclose(scheduler.alphas_cumprod.sqrt().numpy(), ours.numpy(), atol=1e-5)


def test_trailing_and_uniform_times_are_the_same():
    for spacing, spaced in (("trailing", levels.trailing), ("linspace", levels.uniform)):
        scheduler = diffusers.DDIMScheduler(**COMMON, timestep_spacing=spacing)
        scheduler.set_timesteps(20)
        # diffusers counts t from 0
        ours = schedules.time_of_sigma(CHAIN, spaced(CHAIN, 20)[:-1]).round().long() - 1
        assert scheduler.timesteps.tolist() == ours.tolist()


def trajectory(scheduler, z, steps, monkeypatch, **options):
    """Return z after all steps of a scheduler that works on z, with our noise in place of its own."""
    drawn = iter(range(1, steps + 1))
    module = type(scheduler).__module__
    monkeypatch.setattr(f"{module}.randn_tensor", lambda *args, **kwargs: noise(next(drawn)))
    for t in scheduler.timesteps:
        z = scheduler.step(predict_epsilon(z, t.double() + 1), t, z, **options).prev_sample
    return z


@pytest.mark.parametrize(("theirs", "ours"), [("fixed_small", "posterior"), ("fixed_large", "beta")])
def test_ddpm_over_the_whole_chain(monkeypatch, theirs, ours):
    scheduler = diffusers.DDPMScheduler(**COMMON, variance_type=theirs, clip_sample=False)
    scheduler.set_timesteps(1000)
    z = noise(0)
    expected = trajectory(scheduler, z, 1000, monkeypatch)
    found = ddpm(denoise, z / CHAIN.alpha[-1].sqrt(), levels.whole_chain(CHAIN), noise, variance=ours)
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-5, atol=1e-5 * float(expected.abs().max()))


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_ddim_over_trailing_steps(monkeypatch, eta):
    scheduler = diffusers.DDIMScheduler(**COMMON, clip_sample=False, set_alpha_to_one=True, timestep_spacing="trailing")
    scheduler.set_timesteps(20)
    z = noise(0)
    expected = trajectory(scheduler, z, 20, monkeypatch, eta=eta)
    found = ddim(denoise, z / CHAIN.alpha[-1].sqrt(), levels.trailing(CHAIN, 20), noise, eta=eta)
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-5, atol=1e-5 * float(expected.abs().max()))


@pytest.mark.parametrize(("algorithm", "ours"), [("dpmsolver++", dpmpp_2m), ("sde-dpmsolver++", dpmpp_sde_2m)])
def test_dpm_solver_multistep(monkeypatch, algorithm, ours):
    scheduler = diffusers.DPMSolverMultistepScheduler(
        **COMMON,
        algorithm_type=algorithm,
        solver_order=2,
        final_sigmas_type="zero",
        lower_order_final=False,
        euler_at_final=True,
        timestep_spacing="trailing",
    )
    scheduler.set_timesteps(20)
    z = noise(0)
    expected = trajectory(scheduler, z, 20, monkeypatch)
    sigmas = CHAIN.sigma[torch.cat([scheduler.timesteps + 1, torch.zeros(1, dtype=torch.int64)])]
    found = ours(denoise, z / CHAIN.alpha[scheduler.timesteps[0] + 1].sqrt(), sigmas, noise)
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-5, atol=1e-5 * float(expected.abs().max()))


def test_heun_on_karras_levels():
    theirs = diffusers.HeunDiscreteScheduler(**COMMON, use_karras_sigmas=True, timestep_spacing="linspace")
    theirs.set_timesteps(12)
    sigmas = torch.cat([theirs.sigmas[:1], theirs.sigmas[1:-1:2], theirs.sigmas[-1:]]).double()
    x = float(sigmas[0]) * noise(0)
    expected = x
    for sigma, t in zip(theirs.sigmas, theirs.timesteps, strict=False):
        estimate = denoise(expected, sigma.double().expand(3))
        epsilon = (expected - estimate) / sigma.double()
        expected = theirs.step(epsilon, t, expected).prev_sample
    found = heun(denoise, x, sigmas, noise)
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-5, atol=1e-5 * float(expected.abs().max()))
