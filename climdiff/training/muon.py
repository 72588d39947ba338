"""Muon (Jordan et al., 2024): steps of a weight matrix along its momentum made orthogonal.

Torch has a Muon that works in bfloat16 on any processor, also where that is slower than float32 by far, and repeats one
polynomial. This one works in the type that the network computes in, with polynomials that are each made for what
the one before leaves (Amsel et al., 2025), so that fewer are enough.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

MOMENTUM = 0.95
LEAST_NORM = 1e-7
"""A momentum whose norm is less has come to nothing, and its step is smaller for it."""
COEFFICIENTS = ((7.9103, -22.0788, 15.8691), (3.6073, -2.6467, 0.5110), (2.6713, -1.9853, 0.4535))
"""Odd polynomials a s + b s^3 + c s^5 that bring singular values between 0.01 and 1 near 1, one after the other.

By algorithm 1 of Amsel et al. (2025); all but the last expect values 1 % too large, for what is rounded.
"""


class Muon(torch.optim.Optimizer):
    """Moves matrices along their momentum (Nesterov), made orthogonal and as large as a step of AdamW.

    Args:
        matrices: What is trained, (rows, columns) each.
        lr: Learning rate, shared with AdamW: updates have a root mean square of 0.2 (Liu et al., 2025, section 2.2).
        weight_decay: Share of the learning rate by which weights shrink at every step.
        dtype: What it computes in.
    """

    def __init__(self, matrices: Iterable[nn.Parameter], lr: float, weight_decay: float, dtype: torch.dtype) -> None:
        super().__init__(matrices, {"lr": lr, "weight_decay": weight_decay})
        self.dtype = dtype

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]  # no closure
        """Move every matrix that has a gradient."""
        for group in self.param_groups:
            for matrix in group["params"]:
                if matrix.grad is not None:
                    self._move(matrix, group["lr"], group["weight_decay"])

    def _move(self, matrix: nn.Parameter, lr: float, weight_decay: float) -> None:
        gradient, state = matrix.grad, self.state[matrix]
        assert gradient is not None
        if not state:
            state["momentum_buffer"] = torch.zeros_like(gradient)
        momentum = state["momentum_buffer"].lerp_(gradient, 1 - MOMENTUM)
        ahead = orthogonal(gradient.lerp(momentum, MOMENTUM), self.dtype)
        matrix.mul_(1 - lr * weight_decay).add_(ahead, alpha=-0.2 * lr * math.sqrt(max(matrix.shape)))


def orthogonal(matrix: Tensor, dtype: torch.dtype) -> Tensor:
    """Return a matrix of the same singular vectors whose singular values are near 1, worked out in `dtype`."""
    rows, columns = matrix.shape
    if rows > columns:
        return orthogonal(matrix.T, dtype).T
    x = (matrix / matrix.norm().clamp(min=LEAST_NORM)).to(dtype)
    for a, b, c in COEFFICIENTS:
        square = x @ x.T
        x = torch.addmm(x, torch.addmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return x
