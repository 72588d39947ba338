"""Ways to run the same network, timed side by side: precision, compilation, members together, blocks.

    OMP_NUM_THREADS=1 python tests/benchmarks/variants.py

The tiny network of the recipes on 64 x 64 cells. A ratio above 1 says how many times faster than the shipped way a
variant is, per member; none of them changes what is drawn by more than rounding, except other blocks and
normalizations, which would have to be trained anew.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from time import process_time

import torch
from contenders import CONDITIONS, fields
from pairs import ratios, seconds
from rows import spread, table
from torch import Tensor, nn

from climdiff.networks.blocks import ResidualBlock
from climdiff.networks.precision import autocast, compute_dtype
from climdiff.networks.unet import Architecture, UNet, architecture

SIDE, BUDGET = 64, 40.0
MEMBERS, TOGETHER = 64, 32
"""Members of each piece of work, and how many of them are evaluated together as shipped."""
Work = Callable[[], object]


class Whole(nn.Module):
    """Normalization by mean and deviation of all channels and cells: one group."""

    def __init__(self, norm: nn.GroupNorm) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, norm.num_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalized features."""
        return self.norm(x)


class MeanSquare(nn.Module):
    """Normalization by the mean square of all channels at each cell (RMSNorm), the cheapest there is."""

    def __init__(self, norm: nn.GroupNorm) -> None:
        super().__init__()
        self.weight = norm.weight

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalized features."""
        return x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-5) * self.weight[:, None, None]


class Nothing(nn.Identity):
    """No normalization: what all others would cost less at best."""

    def __init__(self, _: nn.GroupNorm) -> None:
        super().__init__()


def network() -> UNet:
    """Return the tiny network."""
    torch.manual_seed(0)
    return UNet(CONDITIONS + 2, 1, architecture("tiny")).eval()


def evaluation(net: Callable[..., Tensor], together: int, dtype: torch.dtype, weights: torch.dtype) -> Work:
    """Return the evaluation of all members, `together` at a time."""
    field, given = fields(together, SIDE)
    z, condition = field.to(weights), torch.cat([given, torch.ones_like(given)], dim=1).to(weights)
    t = torch.full((together,), 500.0, dtype=weights)

    def work() -> None:
        with torch.inference_mode(), autocast(dtype, torch.device("cpu")):
            for _ in range(MEMBERS // together):
                net(z, t, condition)

    return work


def normalized(kind: Callable[[nn.GroupNorm], nn.Module]) -> UNet:
    """Return the tiny network with another normalization."""
    net = network()
    for module in list(net.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.GroupNorm):
                setattr(module, name, kind(child))
    return net


def depthwise(widths: tuple[int, ...], side: int = 3) -> UNet:
    """Return a network whose residual blocks convolve each channel alone and mix channels at single cells."""
    torch.manual_seed(0)
    net = UNet(CONDITIONS + 2, 1, Architecture(widths, 1)).eval()
    for block in net.modules():
        if isinstance(block, ResidualBlock):
            for name in ("conv_in", "conv_out"):
                full = getattr(block, name)
                apart = nn.Conv2d(full.in_channels, full.in_channels, side, padding=side // 2, groups=full.in_channels)
                setattr(block, name, nn.Sequential(apart, nn.Conv2d(full.in_channels, full.out_channels, 1)))
    return net.to(memory_format=torch.channels_last)


def main() -> None:
    """Print the table."""
    dtype = compute_dtype("auto", torch.device("cpu"))
    shipped = evaluation(network(), TOGETHER, dtype, torch.float32)
    halved = copy.deepcopy(network()).to(torch.bfloat16)
    ways: dict[str, Work] = {
        "shipped": shipped,
        "float32": evaluation(network(), TOGETHER, torch.float32, torch.float32),
        "bfloat16 weights": evaluation(halved, TOGETHER, dtype, torch.bfloat16),
        "torch.compile": evaluation(torch.compile(network()), TOGETHER, dtype, torch.float32),
    }
    ways |= {f"{n} members at a time": evaluation(network(), n, dtype, torch.float32) for n in (1, 4, 8, 16, 64)}
    ways |= {
        "one group": evaluation(normalized(Whole), TOGETHER, dtype, torch.float32),
        "mean square of each cell": evaluation(normalized(MeanSquare), TOGETHER, dtype, torch.float32),
        "no normalization": evaluation(normalized(Nothing), TOGETHER, dtype, torch.float32),
    }
    ways |= {
        "depthwise blocks, as wide (a third of the weights)": evaluation(
            depthwise((32, 64, 96)), TOGETHER, dtype, torch.float32
        ),
        "depthwise blocks, twice as wide (1.2 times the weights)": evaluation(
            depthwise((64, 128, 192)), TOGETHER, dtype, torch.float32
        ),
    }
    found = seconds(ways, BUDGET, 7, process_time)
    lines = [spread(name, ratios(found, "shipped", name)) for name in list(ways)[1:]]
    print(table(lines))


if __name__ == "__main__":
    main()
