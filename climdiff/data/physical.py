"""Physical fields of an estimate in network space, with gradients."""

from __future__ import annotations

from typing import Any

import torch
import xarray as xr
from torch import Tensor

from climdiff.data.encoder import Encoder
from climdiff.errors import DataError, Problem

STEP = 0.01
"""Of the differences that gradients are taken by [standard deviations in network space]."""


def physical(x0: Tensor, encoder: Encoder, guess: xr.Dataset) -> dict[str, Tensor]:
    """Return each target in physical units, (batch, y, x), on the CPU, differentiable in x0 (batch, channel, y, x).

    Transforms act on each cell alone, so the gradient is one number a cell: a central difference. It is 0 where a
    physical bound is reached: in a dry cell. A jump, as at the threshold of a wet day, is taken for a steep slope
    within `STEP` of it.

    Args:
        x0: Clean fields in network space.
        encoder: Between the two spaces.
        guess: Coarse fields on the fine grid, one date for each element of the batch.

    Raises:
        DataError: CD-033, on the way back: a gradient that is not finite.
    """
    fields = _Inverse.apply(x0, encoder, guess)
    return {name: fields[:, channel] for channel, name in enumerate(encoder.targets)}


class _Inverse(torch.autograd.Function):
    """The inverse transform as a function that torch can go back through."""

    @staticmethod
    def forward(ctx: Any, x0: Tensor, encoder: Encoder, guess: xr.Dataset) -> Tensor:
        values, low, high = (_inverted(x0 + step, encoder, guess) for step in (0.0, -STEP, STEP))
        ctx.save_for_backward((high - low) / (2 * STEP))
        ctx.device = x0.device
        return values

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        slope = ctx.saved_tensors[0]
        if not bool(gradients[0].isfinite().all()):
            what = "its gradient with respect to the physical fields is infinite or not a number"
            fix = "keep slopes finite, as of (pr + 0.01) ** (1 / 3) instead of pr ** (1 / 3)"
            raise DataError(Problem(33, "likelihood", what, fix))
        return (gradients[0] * slope).to(ctx.device), None, None


def _inverted(x0: Tensor, encoder: Encoder, guess: xr.Dataset) -> Tensor:
    fields = encoder.to_dataset(x0[None], guess).isel(realization=0)
    return torch.stack([torch.from_numpy(fields[name].values) for name in encoder.targets], dim=1)
