"""Networks of equal size, ours and those of two libraries, each with a training step and an evaluation.

Peers run 'as shipped' (float32, AdamW as it comes) and 'with our flags' (bfloat16 convolutions, fused AdamW, channels
last). Our own step is `training.loop.Run.advance`, with all that belongs to it: clipping, Muon, moving average.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from unittest.mock import MagicMock

import torch
from torch import Tensor, nn

from climdiff.data.batches import Batch
from climdiff.diffusion.denoiser import Denoiser
from climdiff.diffusion.objective import Objective
from climdiff.diffusion.schedules import cosine
from climdiff.networks.precision import autocast, compute_dtype
from climdiff.networks.unet import Architecture, UNet, architecture
from climdiff.training.loop import Run, Settings

CONDITIONS = 1
"""Channels of the condition; the network sees one more that says whether it is given, and the noisy field."""
OURS = {"2M": architecture("tiny"), "5M": architecture("small"), "20M": architecture("base")}
DIFFUSERS = {"2M": 18, "5M": 32, "20M": 64}
DIFFUSERS_EXAMPLE = {"2M": 16, "5M": 28, "20M": 56}
LUCIDRAINS = {"2M": 16, "5M": 24, "20M": 48}
PEERS = ("diffusers", "diffusers' example", "lucidrains")
Answer = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Contender:
    """A network with its weights counted, and what is timed."""

    weights: int
    step: Callable[[], object]
    evaluate: Callable[[], object]
    network: nn.Module


def fields(batch: int, side: int) -> tuple[Tensor, Tensor]:
    """Return a target and a condition, (batch, channel, side, side), the same for all contenders."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(batch, 1, side, side, generator=generator), torch.randn(
        batch, CONDITIONS, side, side, generator=generator
    )


def ours(size: str, batch: int, side: int) -> Contender:
    """Return climdiff's network of a size and the training step of its loop."""
    return shaped(OURS[size], batch, side)


def shaped(shape: Architecture, batch: int, side: int) -> Contender:
    """Return climdiff's network of any shape and the training step of its loop."""
    torch.manual_seed(0)
    denoiser = Denoiser(UNet(CONDITIONS + 2, 1, shape), cosine(1000), "epsilon")
    dtype = compute_dtype("auto", torch.device("cpu"))
    run = Run(Objective(denoiser, "bounded", 0.1, dtype), _settings(), {})
    target, condition = fields(batch, side)
    drawn = Batch(target, condition, torch.arange(batch))
    sigma = torch.ones(batch, dtype=torch.float64)

    def evaluate() -> Tensor:
        with torch.no_grad(), autocast(dtype, torch.device("cpu")):
            return run.average.network(target, sigma, condition)

    return Contender(_count(denoiser), lambda: run.advance(drawn), evaluate, denoiser)


def peer(name: str, size: str, batch: int, side: int, flags: bool) -> Contender:
    """Return a peer's network with the plain training step of its examples: noise, mean squared error, AdamW."""
    network, answer = peer_network(name, size, flags)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4, **({"fused": True} if flags else {}))
    target, condition = fields(batch, side)
    time = torch.randint(0, 1000, (batch,), generator=torch.Generator().manual_seed(1))

    def step() -> None:
        noise = torch.randn_like(target)
        nn.functional.mse_loss(answer(0.7 * target + 0.7 * noise, condition, time).float(), noise).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    def evaluate() -> Tensor:
        with torch.no_grad():
            return answer(target, condition, time)

    return Contender(_count(network), step, evaluate, network)


def peer_network(name: str, size: str, flags: bool) -> tuple[nn.Module, Answer]:
    """Return a peer's network, and how it answers to a noisy field, a condition and the steps of the chain."""
    torch.manual_seed(0)
    network = PEER_NETWORKS[name](size)
    if flags:
        network = network.to(memory_format=torch.channels_last)
    dtype = compute_dtype("auto", torch.device("cpu")) if flags else torch.float32

    def answer(field: Tensor, condition: Tensor, time: Tensor) -> Tensor:
        seen = torch.cat([field, condition, torch.ones_like(field)], dim=1)
        seen = seen.contiguous(memory_format=torch.channels_last) if flags else seen
        with autocast(dtype, torch.device("cpu")):
            return network(seen, time)

    return network, answer


class Sample(nn.Module):
    """A diffusers network that answers with a plain tensor."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, seen: Tensor, time: Tensor) -> Tensor:
        """Return the network's output."""
        return self.network(seen, time).sample


def diffusers_network(size: str) -> nn.Module:
    """Return UNet2DModel with the blocks it has by default, attention at three of four levels, narrowed to `size`."""
    from diffusers import UNet2DModel

    c = DIFFUSERS[size]
    widths = (c, 2 * c, 3 * c, 4 * c)
    network = UNet2DModel(
        in_channels=CONDITIONS + 2, out_channels=1, block_out_channels=widths, norm_num_groups=math.gcd(16, c)
    )
    return Sample(network)


def diffusers_example(size: str) -> nn.Module:
    """Return UNet2DModel laid out as in diffusers' training example, attention at one of six levels, narrowed."""
    from diffusers import UNet2DModel

    c = DIFFUSERS_EXAMPLE[size]
    down, up = ["DownBlock2D"] * 6, ["UpBlock2D"] * 6
    down[4], up[1] = "AttnDownBlock2D", "AttnUpBlock2D"
    network = UNet2DModel(
        in_channels=CONDITIONS + 2,
        out_channels=1,
        block_out_channels=(c, c, 2 * c, 2 * c, 4 * c, 4 * c),
        down_block_types=tuple(down),
        up_block_types=tuple(up),
        norm_num_groups=4,
    )
    return Sample(network)


def lucidrains_network(size: str) -> nn.Module:
    """Return the Unet of denoising-diffusion-pytorch, with default multipliers."""
    # The package imports torchvision and pytorch-fid for its data set and its score, which the network has no use
    # for; there is no build of torchvision for every CPU build of torch.
    for name in (
        "torchvision",
        "torchvision.transforms",
        "pytorch_fid",
        "pytorch_fid.fid_score",
        "pytorch_fid.inception",
    ):
        sys.modules.setdefault(name, MagicMock())
    from denoising_diffusion_pytorch.denoising_diffusion_pytorch import Unet

    return Unet(dim=LUCIDRAINS[size], channels=CONDITIONS + 2, out_dim=1)


PEER_NETWORKS: dict[str, Callable[[str], nn.Module]] = {
    "diffusers": diffusers_network,
    "diffusers' example": diffusers_example,
    "lucidrains": lucidrains_network,
}


def _count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _settings() -> Settings:
    return Settings(
        steps=10**6,
        optimizer="muon",
        learning_rate=1e-4,
        warmup_steps=1,
        weight_decay=0.01,
        gradient_clip=1.0,
        ema_half_life=500,
        validate_every=10**6,
        checkpoint_every=10**6,
        keep_checkpoints=1,
        log_every=10**6,
        seed=0,
    )
