"""What the optimizer takes of a training step, and other ways to do most of it.

    OMP_NUM_THREADS=2 python tests/benchmarks/optimizer.py

Muon makes each weight matrix's momentum orthogonal by polynomials of the wide matrix itself: five times the same one in
torch, three different ones here. Torch's can be worked out on the square Gram matrix, and applied to the wide one once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
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


def gram(momentum: Tensor) -> Tensor:
    """Return what torch's iteration does, worked out on the Gram matrix in float32."""
    wide = momentum if momentum.shape[0] <= momentum.shape[1] else momentum.T
    wide = (wide / wide.norm().clamp(min=EPS)).bfloat16()
    square, product = (wide @ wide.T).float(), torch.eye(len(wide))
    for _ in range(DEFAULT_NS_STEPS):
        factor = torch.addmm(square, square, square, beta=DEFAULT_B, alpha=DEFAULT_C)
        factor.diagonal().add_(DEFAULT_A)
        product, square = factor @ product, factor @ square @ factor
    made = product.bfloat16() @ wide
    return made if momentum.shape[0] <= momentum.shape[1] else made.T


def of_rank_one(way: Callable[[Tensor], Tensor]) -> float:
    """Return the norm of what a way makes of matrices of rank one, which have one singular value: about 1 if sound."""
    generator = torch.Generator().manual_seed(0)
    long, short = torch.randn(10, 288, 1, generator=generator), torch.randn(10, 1, 32, generator=generator)
    return max(float(way(matrix).float().norm()) for matrix in long @ short)


def plain(momentum: Tensor) -> Tensor:
    """Return what torch's Muon makes of a momentum."""
    return _zeropower_via_newtonschulz(momentum, (DEFAULT_A, DEFAULT_B, DEFAULT_C), DEFAULT_NS_STEPS, EPS)


def _all(way: Callable[[Tensor], Tensor], momenta: list[Tensor]) -> None:
    for momentum in momenta:
        way(momentum)


def cheaper(size: str) -> list[Row]:
    """Return the time of the Gram way over torch's for all matrices of a network, and how far results are apart."""
    generator = torch.Generator().manual_seed(0)
    shapes = [_as_matrix(weight, weight).shape for weight in _matrices(UNet(3, 1, OURS[size]))]
    momenta = [torch.randn(shape, generator=generator) for shape in shapes]
    mine = partial(muon.orthogonal, dtype=compute_dtype("auto", momenta[0].device))
    ways = {"torch": plain, "gram": gram, "ours": mine}
    found = seconds({name: partial(_all, way, momenta) for name, way in ways.items()}, BUDGET)
    apart = [float((gram(m).float() - plain(m).float()).norm() / plain(m).float().norm()) for m in momenta]
    return [
        spread(f"orthogonalization on Gram matrices over torch's, {size}", ratios(found, "gram", "torch")),
        spread(f"relative distance of the two results, {size}", apart),
        spread(f"orthogonalization by our three polynomials over torch's, {size}", ratios(found, "ours", "torch")),
    ]


if __name__ == "__main__":
    print(table([*(share(size) for size in SIZES), *(row for size in SIZES for row in cheaper(size))]))
    sound, unsound = of_rank_one(plain), of_rank_one(gram)
    print(f"norm of a matrix of rank one made orthogonal: torch {sound:.3g}, gram {unsound:.3g}")
