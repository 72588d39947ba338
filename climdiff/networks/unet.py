"""The conditional U-Net f(z_t, y, t): encoder, attention at the bottom, decoder with the encoder's features beside it.

It knows no diffusion: it maps (noisy field, diffusion time, condition) to a field of the same shape. Any size of
domain is accepted; what does not divide by the network's factor is padded at the edge and cut off again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from climdiff.networks.blocks import ResidualBlock, SelfAttention, Upsample, downsample, group_norm, start_at_zero
from climdiff.networks.embeddings import TimeEmbedding

Size = Literal["tiny", "small", "base"]


@dataclass(frozen=True)
class Architecture:
    """Shape of a U-Net.

    `widths` are the channels of each level, finest first; `blocks` the residual blocks per level and direction;
    `stem` the side of the squares of cells folded into channels at entry (space-to-depth; 1 switches it off);
    `refine` the channels of the full-resolution path around the folded network (only used with a stem above 1);
    `labels` the number of classes (weather regimes, source models) of an optional label embedding.
    """

    widths: tuple[int, ...]
    blocks: int = 2
    stem: int = 2
    refine: int = 16
    dropout: float = 0.0
    labels: int = 0

    @property
    def factor(self) -> int:
        """Number of cells per side of one cell at the bottom of the network."""
        return self.stem * 2 ** (len(self.widths) - 1)


def architecture(size: Size, stem: int = 2, dropout: float = 0.0, labels: int = 0) -> Architecture:
    """Return the architecture named `size`; docs/networks.md lists the parameter counts."""
    match size:
        case "tiny":
            widths, blocks = (32, 64, 96), 1
        case "small":
            widths, blocks = (32, 96, 192), 1
        case "base":
            widths, blocks = (96, 192, 288), 2
    return Architecture(widths, blocks, stem=stem, dropout=dropout, labels=labels)


class UNet(nn.Module):
    """Conditional U-Net (Ronneberger et al., 2015; Ho et al., 2020, appendix B; Prince, 2023, section 18.5)."""

    def __init__(self, inputs: int, outputs: int, shape: Architecture) -> None:
        super().__init__()
        self.shape = shape
        widths, stem, embedding = shape.widths, shape.stem, 4 * shape.widths[0]
        self.embed_time = TimeEmbedding(2 * widths[0], embedding)
        self.embed_label = nn.Embedding(shape.labels, embedding) if shape.labels else None
        self.entry = nn.Conv2d(inputs * stem**2, widths[0], 3, padding=1)
        self.encoder, kept = _encoder(shape, embedding)
        self.bottom = _bottom(widths[-1], embedding, shape.dropout)
        self.decoder = _decoder(shape, embedding, kept)
        self.norm = group_norm(widths[0])
        if stem == 1:
            self.exit = start_at_zero(nn.Conv2d(widths[0], outputs, 3, padding=1))
        else:
            self.unfold = nn.Conv2d(widths[0], shape.refine * stem**2, 3, padding=1)
            self.detail = nn.Conv2d(inputs, shape.refine, 3, padding=1)
            self.blend = nn.Conv2d(2 * shape.refine, 2 * shape.refine, 3, padding=1)
            self.exit = start_at_zero(nn.Conv2d(2 * shape.refine, outputs, 3, padding=1))
        _store_channels_last(self)

    def forward(self, z: Tensor, t: Tensor, condition: Tensor, label: Tensor | None = None) -> Tensor:
        """Return f(z_t, y, t).

        Args:
            z: Noisy field (batch, channel, y, x).
            t: Diffusion time in steps of the chain (batch,).
            condition: All the network is told beside z and t, (batch, condition channel, y, x).
            label: Optional class index (batch,).

        Returns:
            A field (batch, outputs, y, x).
        """
        embedding = self.embed_time(t)
        if self.embed_label is not None and label is not None:
            embedding = embedding + self.embed_label(label)
        embedding = functional.silu(embedding)
        ny, nx = z.shape[-2:]
        fields = _pad(torch.cat([z, condition], dim=1), self.shape.factor)
        h = self.entry(functional.pixel_unshuffle(fields, self.shape.stem))
        return self._leave(self._through(h, embedding), fields)[..., :ny, :nx]

    def _through(self, h: Tensor, embedding: Tensor) -> Tensor:
        kept = [h]
        for layer in self.encoder:
            h = layer(h, embedding) if isinstance(layer, ResidualBlock) else layer(h)
            kept.append(h)
        for layer in self.bottom:
            h = layer(h, embedding) if isinstance(layer, ResidualBlock) else layer(h)
        for layer in self.decoder:
            h = layer(torch.cat([h, kept.pop()], dim=1), embedding) if isinstance(layer, ResidualBlock) else layer(h)
        return functional.silu(self.norm(h))

    def _leave(self, h: Tensor, fields: Tensor) -> Tensor:
        if self.shape.stem == 1:
            return self.exit(h)
        fine = functional.pixel_shuffle(self.unfold(h), self.shape.stem)
        fine = functional.silu(torch.cat([fine, self.detail(fields)], dim=1))
        return self.exit(functional.silu(self.blend(fine)))


def _encoder(shape: Architecture, embedding: int) -> tuple[nn.ModuleList, list[int]]:
    layers, kept = nn.ModuleList(), [shape.widths[0]]
    for level, width in enumerate(shape.widths):
        if level > 0:
            layers.append(downsample(shape.widths[level - 1], width))
            kept.append(width)
        for _ in range(shape.blocks):
            layers.append(ResidualBlock(width, width, embedding, shape.dropout))
            kept.append(width)
    return layers, kept


def _bottom(width: int, embedding: int, dropout: float) -> nn.ModuleList:
    return nn.ModuleList(
        [
            ResidualBlock(width, width, embedding, dropout),
            SelfAttention(width),
            ResidualBlock(width, width, embedding, dropout),
        ]
    )


def _decoder(shape: Architecture, embedding: int, kept: list[int]) -> nn.ModuleList:
    layers, partners, width = nn.ModuleList(), list(kept), shape.widths[-1]
    for level in reversed(range(len(shape.widths))):
        for _ in range(shape.blocks + 1):
            layers.append(ResidualBlock(width + partners.pop(), shape.widths[level], embedding, shape.dropout))
            width = shape.widths[level]
        if level > 0:
            layers.append(Upsample(width, shape.widths[level - 1]))
            width = shape.widths[level - 1]
    return layers


def _store_channels_last(network: nn.Module) -> None:
    """Store convolution weights with channels last, the layout convolutions are fastest in."""
    for parameter in network.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)


def _pad(fields: Tensor, factor: int) -> Tensor:
    ny, nx = fields.shape[-2:]
    below, right = -ny % factor, -nx % factor
    return functional.pad(fields, (0, right, 0, below), mode="replicate") if below or right else fields
