"""Regression: the squared error in network space, whose optimum is the mean of the fields given the condition.

Why not the absolute error, whose optimum is the median: the mean leaves residuals of mean zero, which is what can be
added again (`downscalers.one_evaluation`) or learned by a second stage. The price is a mean absolute error a little
above the least one where residuals are skewed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from climdiff.diffusion.objective import Labelled
from climdiff.objectives.draws import made, mean_of_known, sample, ungrouped


class Regression(NamedTuple):
    """The mean squared error of a network without noise, as an objective; `dtype` is what it computes in."""

    network: nn.Module
    dtype: torch.dtype

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """The network."""
        return {"regression": self.network}

    @property
    def groups(self) -> tuple[str, ...]:
        """No groups."""
        return ()

    def losses(self, batch: Labelled, generator: torch.Generator, step: int) -> Iterator[tuple[str, Tensor, Tensor]]:
        """Yield the mean squared error of each sample (batch,) over its known cells, and zeros."""
        truth, known, condition = sample(self.network, batch)
        z = condition[:, :0]
        losses = mean_of_known((made(self.network, z, condition, self.dtype) - truth).square(), known)
        yield "regression", losses, ungrouped(losses)
