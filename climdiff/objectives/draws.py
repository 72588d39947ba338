"""What the objectives share: a batch on the network's device, and fields made from it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from climdiff.diffusion.objective import Labelled
from climdiff.networks.noise_fed import NoiseFed
from climdiff.networks.precision import autocast


class Sample(NamedTuple):
    """A batch on the device: truth with 0 where it is missing, where it is known, and the condition."""

    truth: Tensor
    known: Tensor
    condition: Tensor


def sample(network: nn.Module, batch: Labelled) -> Sample:
    """Return a batch on the device of `network`, channels last."""
    device = next(network.parameters()).device
    target = batch.target.to(device, memory_format=torch.channels_last)
    known = ~target.isnan()
    condition = batch.condition.to(device, memory_format=torch.channels_last)
    return Sample(torch.where(known, target, torch.zeros_like(target)), known, condition)


def made(network: nn.Module, z: Tensor, condition: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the fields that `network` makes from noise `z`, computed in `dtype`, float32."""
    with autocast(dtype, condition.device):
        return network(z.to(condition.device), condition).float()


def two_made(network: NoiseFed, condition: Tensor, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
    """Return two fields for each condition, (2 batch, channel, y, x): all first ones, then all second ones."""
    shape = network.noise_shape((condition.shape[-2], condition.shape[-1]))
    z = torch.randn((2 * len(condition), *shape), generator=generator)
    return made(network, z, condition.repeat(2, 1, 1, 1).contiguous(memory_format=torch.channels_last), dtype)


def mean_of_known(values: Tensor, known: Tensor) -> Tensor:
    """Return the mean over known cells of each sample, (batch,); 0 where none is known."""
    return (values * known).sum(dim=(1, 2, 3)) / known.sum(dim=(1, 2, 3)).clamp(min=1)


def ungrouped(losses: Tensor) -> Tensor:
    """Return group 0 for each sample."""
    return torch.zeros(len(losses), dtype=torch.long)
