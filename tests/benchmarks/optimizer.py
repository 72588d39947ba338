"""What the optimizer takes of a training step, and other ways to do most of it.

    OMP_NUM_THREADS=2 python tests/benchmarks/optimizer.py

Muon makes each weight matrix's momentum orthogonal by polynomials: five times the same one in torch, three different
ones here. Both can be worked out on the square Gram matrix and applied to the wide one once, which is not built in.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from unittest.mock import patch

import torch
from contenders import OURS, ours
from networks import BATCH
from pairs import ratios, seconds
from rows import Row, spread, table
from torch import Tensor
from torch.optim._muon import DEFAULT_A, DEFAULT_B, DEFAULT_C, DEFAULT_NS_STEPS, EPS, _zeropower_via_newtonschulz

from climdiff.networks.precision import compute_dtype
from climdiff.networks.unet import UNet
from climdiff.training import muon
from climdiff.training.optimizer import Optimizer, _as_matrix, _matrices

SIDE, STEPS, BUDGET = 64, 8, 10.0
SIZES = ("5M", "20M")
OF_TORCH = ((DEFAULT_A, DEFAULT_B, DEFAULT_C),) * DEFAULT_NS_STEPS


def share(size: str) -> Row:
    """Return the seconds of the optimizer over those of the whole training step."""
    taken: list[float] = []
    step = Optimizer.step

    def timed(self: Optimizer, learning_rate: float) -> None:
        begun = time.perf_counter()
        step(self, learning_rate)
        taken.append(time.perf_counter() - begun)

    with patch.object(Optimizer, "step", timed):
        mine = ours(size, BATCH, SIDE)
        whole = seconds({"step": mine.step}, 0, least=STEPS)["step"]
    shares = [part / each for part, each in zip(taken[1:], whole, strict=True)]
    return spread(f"optimizer over the whole training step, {size}", shares)


def gram(coefficients: Sequence[tuple[float, float, float]], momentum: Tensor) -> Tensor:
    """Return what some polynomials do, worked out on the Gram matrix, in bfloat16."""
    wide = momentum if len(momentum) <= len(momentum.T) else momentum.T
    wide = (wide / wide.norm().clamp(min=EPS)).bfloat16()
    square, product = wide @ wide.T, torch.eye(len(wide), dtype=torch.bfloat16)
    for a, b, c in coefficients:
        factor = torch.addmm(square, square, square, beta=b, alpha=c)
        factor.diagonal().add_(a)
        product, square = factor @ product, factor @ square @ factor
    made = product @ wide
    return made if len(momentum) <= len(momentum.T) else made.T


def of_rank_one(way: Callable[[Tensor], Tensor]) -> float:
    """Return the norm of what a way makes of matrices of rank one, which have one singular value: about 1 if sound."""
    generator = torch.Generator().manual_seed(0)
    long, short = torch.randn(10, 288, 1, generator=generator), torch.randn(10, 1, 32, generator=generator)
    return max(float(way(matrix).float().norm()) for matrix in long @ short)


def plain(momentum: Tensor) -> Tensor:
    """Return what torch's Muon makes of a momentum."""
    return _zeropower_via_newtonschulz(momentum, OF_TORCH[0], len(OF_TORCH), EPS)


WAYS: dict[str, Callable[[Tensor], Tensor]] = {
    "torch's": plain,
    "ours": partial(muon.orthogonal, dtype=compute_dtype("auto", torch.device("cpu"))),
    "torch's on Gram matrices": partial(gram, OF_TORCH),
    "ours on Gram matrices": partial(gram, muon.COEFFICIENTS),
}


def _all(way: Callable[[Tensor], Tensor], momenta: list[Tensor]) -> None:
    for momentum in momenta:
        way(momentum)


def beside_torch(size: str) -> Iterator[Row]:
    """Yield the time of each way over torch's, for all matrices of a network."""
    generator = torch.Generator().manual_seed(0)
    shapes = [_as_matrix(weight, weight).shape for weight in _matrices(UNet(3, 1, OURS[size]))]
    momenta = [torch.randn(shape, generator=generator) for shape in shapes]
    found = seconds({name: partial(_all, way, momenta) for name, way in WAYS.items()}, BUDGET)
    for name in list(WAYS)[1:]:
        yield spread(f"orthogonalization, {size}: {name} over torch's", ratios(found, name, "torch's"))


if __name__ == "__main__":
    print(table([*(share(size) for size in SIZES), *(row for size in SIZES for row in beside_torch(size))]))
    norms = ", ".join(f"{name} {of_rank_one(way):.3g}" for name, way in WAYS.items())
    print(f"norm of a matrix of rank one made orthogonal: {norms}")
