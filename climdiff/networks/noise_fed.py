"""A network that makes a field in one evaluation, from a condition and noise beside it."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor, nn


class Maker(Protocol):
    """Any network that makes a field from noise and a condition in one evaluation."""

    def noise_shape(self, cells: tuple[int, int]) -> tuple[int, int, int]:
        """Return the shape (channel, y, x) of the noise behind a field of `cells` (y, x)."""
        ...

    def __call__(self, z: Tensor, condition: Tensor) -> Tensor:
        """Return a field (batch, channel, y, x) from standard normal `z` (batch, *noise_shape) and a condition."""
        ...


class NoiseFed(nn.Module):
    """A U-Net fed with noise channels; with none of them it makes one field, whatever the member."""

    def __init__(self, network: nn.Module, noise_channels: int) -> None:
        """Wrap a network f(z, t, condition), whose inputs are the noise channels and those of the condition."""
        super().__init__()
        self.network = network
        self.noise_channels = noise_channels

    def noise_shape(self, cells: tuple[int, int]) -> tuple[int, int, int]:
        """Return (noise channels, y, x): every cell has noise of its own."""
        return self.noise_channels, *cells

    def forward(self, z: Tensor, condition: Tensor) -> Tensor:
        """Return the field that `z` stands for, float32; see `Maker`. The U-Net's clock stands still at 0."""
        return self.network(z.to(condition.dtype), condition.new_zeros(len(condition)), condition).float()
