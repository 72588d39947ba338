"""The objective is a pure function of batch and generator."""

from __future__ import annotations

from typing import NamedTuple

import torch

from climdiff.diffusion import schedules
from climdiff.diffusion.denoiser import Denoiser
from climdiff.diffusion.objective import Objective
from climdiff.networks.unet import Architecture, UNet


class Batch(NamedTuple):
    target: torch.Tensor
    condition: torch.Tensor


def test_a_denoiser_learns_to_tell_noise_from_a_constant_field():
    """P(X) is a point: the perfect denoiser is constant, and the loss falls far below that of the start."""
    torch.manual_seed(0)
    denoiser = Denoiser(UNet(3, 1, Architecture((16,), blocks=1, stem=1)), schedules.cosine(100), "epsilon")
    objective = Objective(denoiser, "bounded", 0.1, torch.float32)
    batch = Batch(torch.full((8, 1, 8, 8), 0.7), torch.zeros(8, 1, 8, 8))
    optimizer = torch.optim.Adam(denoiser.parameters(), lr=3e-3)
    losses = []
    for step in range(60):
        loss = next(objective.losses(batch, torch.Generator().manual_seed(step), step + 1))[1].mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert sum(losses[-5:]) < 0.2 * sum(losses[:5])


def test_the_loss_depends_on_batch_and_generator_only():
    torch.manual_seed(0)
    denoiser = Denoiser(UNet(3, 1, Architecture((16,), blocks=1, stem=1)), schedules.cosine(100), "epsilon")
    batch = Batch(torch.randn(4, 1, 8, 8), torch.randn(4, 1, 8, 8))
    objective = Objective(denoiser, "uniform", 0.5, torch.float32)
    losses = [next(objective.losses(batch, torch.Generator().manual_seed(5), 1))[1].tolist() for _ in range(2)]
    assert losses[0] == losses[1]


def test_each_sample_is_in_the_band_of_its_noise_level():
    torch.manual_seed(0)
    chain = schedules.cosine(1000)
    objective = Objective(
        Denoiser(UNet(3, 1, Architecture((16,), blocks=1, stem=1)), chain, "epsilon"), "bounded", 0.0, torch.float32
    )
    batch = Batch(torch.zeros(64, 1, 8, 8), torch.zeros(64, 1, 8, 8))
    ((_, losses, group),) = objective.losses(batch, torch.Generator().manual_seed(0), 1)
    assert objective.groups == ("sigma_below_0.1", "sigma_0.1_to_1", "sigma_1_to_10", "sigma_above_10")
    assert losses.shape == group.shape == (64,)
    # the t of a batch are spread evenly: a band has the share of the chain's steps that lie in it
    levels = chain.sigma[1:]
    for number, (low, high) in enumerate([(0, 0.1), (0.1, 1), (1, 10), (10, 1e9)]):
        share = float(((levels > low) & (levels <= high)).double().mean())
        assert abs(float((group == number).double().mean()) - share) <= 2 / 64
