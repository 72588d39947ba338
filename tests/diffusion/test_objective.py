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
        loss = objective.loss(batch, torch.Generator().manual_seed(step))
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
    losses = [float(objective.loss(batch, torch.Generator().manual_seed(5)).detach()) for _ in range(2)]
    assert losses[0] == losses[1]
