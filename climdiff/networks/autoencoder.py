"""A conditional variational autoencoder: fields to latent maps and back, the condition known on both ways.

(Kingma & Welling, 2014; Sohn et al., 2015). The decoder is the U-Net of the other methods, fed with the latent map
where these are fed with noise, so that what differs between them is how they are taught.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from climdiff.networks.blocks import downsample, group_norm, start_at_zero
from climdiff.networks.unet import Architecture

WIDEST = 8.0
"""Bound of the log variance of a latent value, so that no exponential overflows."""


class Encoder(nn.Module):
    """Field and condition to mean and log variance of the latent map, each at the resolution of the U-Net's bottom."""

    def __init__(self, inputs: int, latent_channels: int, shape: Architecture) -> None:
        super().__init__()
        self.shape = shape
        layers: list[nn.Module] = [nn.Conv2d(inputs * shape.stem**2, shape.widths[0], 3, padding=1)]
        for width, wider in pairwise(shape.widths):
            layers += [*_convolved(width), group_norm(width), nn.SiLU(), downsample(width, wider)]
        last = shape.widths[-1]
        exit_ = start_at_zero(nn.Conv2d(last, 2 * latent_channels, 1))  # the first posterior is the prior
        self.layers = nn.Sequential(*layers, *_convolved(last), group_norm(last), nn.SiLU(), exit_)

    def forward(self, x: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log variance of q(z | x, y), (batch, latent channel, y / factor, x / factor) each."""
        fields = _padded(torch.cat([x.to(condition.dtype), condition], dim=1), self.shape.factor)
        mean, log_variance = self.layers(functional.pixel_unshuffle(fields, self.shape.stem)).float().chunk(2, dim=1)
        return mean, log_variance.clamp(-WIDEST, WIDEST)


class Autoencoder(nn.Module):
    """Encoder, decoder, and the standard deviation of what the decoder leaves over, one for each target.

    That deviation is learned, which sets the balance of reconstruction and prior (Rybkin et al., 2021).
    """

    def __init__(self, encoder: Encoder, decoder: nn.Module, latent_channels: int, n_target: int) -> None:
        """Join an encoder and a network f(z, t, condition), whose inputs are latent channels and the condition."""
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.latent_channels = latent_channels
        self.log_deviation = nn.Parameter(torch.zeros(n_target))

    def noise_shape(self, cells: tuple[int, int]) -> tuple[int, int, int]:
        """Return the shape of the latent map of a field of `cells` (y, x)."""
        factor = self.encoder.shape.factor
        return self.latent_channels, -(-cells[0] // factor), -(-cells[1] // factor)

    def forward(self, z: Tensor, condition: Tensor) -> Tensor:
        """Return the mean of p(x | z, y), float32, for latent maps `z` (batch, *noise_shape)."""
        ny, nx = condition.shape[-2:]
        spread = functional.interpolate(z.to(condition.dtype), scale_factor=float(self.encoder.shape.factor))
        time = condition.new_zeros(len(condition))
        return self.decoder(spread[..., :ny, :nx], time, condition).float()


def _convolved(width: int) -> list[nn.Module]:
    return [group_norm(width), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1)]


def _padded(fields: Tensor, factor: int) -> Tensor:
    ny, nx = fields.shape[-2:]
    return functional.pad(fields, (0, -nx % factor, 0, -ny % factor), mode="replicate")
