"""A network on another device than the CPU, on any machine: torch's meta device has shapes, and refuses CPU tensors."""

from __future__ import annotations

import pytest
import torch

from climdiff import drawing
from climdiff.diffusion import schedules
from climdiff.diffusion.denoiser import Denoiser
from climdiff.diffusion.guidance import Evidence, classifier_free, matched, observed, thresholded, told
from climdiff.networks.unet import Architecture, UNet
from climdiff.recipe.schema import Sample
from climdiff.samplers.ancestral import start_point
from climdiff.samplers.noise import Noise

CHAIN = schedules.cosine(1000)
SHAPE = (3, 1, 16, 16)
WAYS = {
    "ddpm": {},
    "ddpm, beta": {"variance": "beta"},
    "ddim": {"eta": 0.5},
    "euler": {"churn": 1.0},
    "heun": {"churn": 1.0},
    "dpmpp_2m": {},
    "dpmpp_2s": {},
    "dpmpp_sde_2m": {},
    "angular": {},
}


@pytest.fixture(scope="module")
def denoiser():
    return Denoiser(UNet(3, 1, Architecture((16, 32), blocks=1)), CHAIN, "epsilon").to("meta").eval()


def drawn(denoiser, sample, evidence=()):
    """Return a draw made as `downscalers.diffusion` makes it: levels, noise and evidence on the CPU."""
    sigmas = drawing.noise_levels(sample, CHAIN)
    noise = Noise(0, [(member, 0) for member in range(SHAPE[0])], SHAPE[1:])
    condition = torch.zeros(SHAPE, device="meta")
    denoise = classifier_free(denoiser.bind(condition), denoiser.unconditional(condition), 1.5)
    denoise = thresholded(told(denoise, evidence), torch.zeros(SHAPE, device="meta"), torch.ones(SHAPE, device="meta"))
    x = start_point(sigmas, noise).to("meta")
    return drawing.sampler(sample)(denoise, x, sigmas, noise)


@pytest.mark.parametrize("way", WAYS)
def test_every_sampler_runs_where_the_network_is(denoiser, way):
    sample = Sample(sampler=way.partition(",")[0], steps=4, **WAYS[way])
    with torch.no_grad():
        found = drawn(denoiser, sample)
    assert (found.device.type, tuple(found.shape)) == ("meta", SHAPE)


def test_evidence_goes_to_where_the_network_is(denoiser):
    known = torch.full(SHAPE, torch.nan)
    stations = observed(torch.tensor([3]), torch.ones(3, 1), torch.ones(3, 1), torch.ones(1))
    evidence = [Evidence(stations), Evidence(matched(known, torch.ones(1, 1, 1)), known)]
    found = drawn(denoiser, Sample(sampler="dpmpp_2m", steps=3), evidence)
    assert found.device.type == "meta"
