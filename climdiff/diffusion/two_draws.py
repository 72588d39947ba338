"""The fair CRPS of two draws, differentiable: what teaches networks that draw a member in one evaluation.

In expectation it is lowest for draws whose law is the true one (Ferro, 2014), so spread is learned with skill
(Pacchiardi et al., 2024; Lang et al., 2024, train weather models so). The score of single cells says nothing about what
cells have in common: it is added up over cells, means of 2 x 2 and 4 x 4 cells, and differences of neighbors, which
tell textures apart.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

FUNCTIONALS: tuple[tuple[int, Callable[[Tensor], Tensor]], ...] = (
    (1, lambda field: field),
    (2, lambda field: avg_pool2d(field, 2)),
    (4, lambda field: avg_pool2d(field, 4)),
    (2, lambda field: field[..., 1:, :] - field[..., :-1, :]),
    (2, lambda field: field[..., :, 1:] - field[..., :, :-1]),
)
"""Least side of a field, and what two draws and the truth are compared in, of (batch, channel, y, x) each.

A value that involves a missing cell is NaN; cells beyond the last whole square of 2 or 4 are in no mean.
"""


def fair_crps(one: Tensor, other: Tensor, truth: Tensor) -> Tensor:
    """Return the fair CRPS of two draws, (|x1 - y| + |x2 - y| - |x1 - x2|) / 2, as means over all `FUNCTIONALS`.

    Args:
        one: A draw (batch, channel, y, x).
        other: Another draw for the same conditions.
        truth: The truth; what involves a missing cell (NaN) does not count, nor what the field is too small for.

    Returns:
        (batch,), the sum of the means over each functional.
    """
    total = truth.new_zeros(len(truth))
    for side, functional in FUNCTIONALS:
        if min(truth.shape[-2:]) < side:
            continue
        a, b, y = functional(one), functional(other), functional(truth)
        known = ~y.isnan()
        y = torch.where(known, y, torch.zeros_like(y))
        score = 0.5 * ((a - y).abs() + (b - y).abs() - (a - b).abs()) * known
        total = total + score.sum(dim=(1, 2, 3)) / known.sum(dim=(1, 2, 3)).clamp(min=1)
    return total
