"""Members of a network in one evaluation: addresses, limits, block means, residuals."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from torch import nn

import climdiff
from climdiff import build
from climdiff.data.conservation import Conservation
from climdiff.downscalers.one_evaluation import Drawing, OneEvaluation, _position
from climdiff.grids.blocks import blocks_of


class Noisy(nn.Module):
    """The first predictor plus noise, or nothing but it."""

    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.channels = channels

    def noise_shape(self, cells):
        return self.channels, *cells

    def forward(self, z, condition):
        return self.weight * condition[:, :1] + z.sum(1, keepdim=True)


@pytest.fixture(scope="module")
def parts(trained, minute_recipe):
    coarse = build.open_splits(minute_recipe, ["test"])["test"].coarse.isel(time=slice(0, 3)).load()
    return climdiff.load(trained).downscaler, coarse


def downscaler(parts, channels=1, limits=(0.0, 20.0), **others):
    like, _ = parts
    drawing = Drawing({"pr": limits}, 4)
    return OneEvaluation(Noisy(channels), like.encoder, like.coarse_grid, like.method, drawing, **others)


def test_fault_083_the_number_of_members_and_dates_does_not_matter(parts):
    made = downscaler(parts)
    many = made.downscale(parts[1], list(range(9)), 0)["pr"].values
    few = made.downscale(parts[1].isel(time=[1, 2]), [3, 8], 0)["pr"].values
    np.testing.assert_array_equal(many[[3, 8]][:, 1:], few)


def test_limits_hold(parts):
    drawn = downscaler(parts, limits=(0.0, 1.5)).downscale(parts[1], range(4), 0)["pr"]
    assert float(drawn.min()) == 0.0
    assert float(drawn.max()) == pytest.approx(1.5, rel=1e-5)


def test_block_means_are_those_of_the_coarse_field(parts):
    like, coarse = parts
    blocks = blocks_of(like.coarse_grid, like.encoder.grid).plain()
    kept = Conservation(like.encoder, {"pr": blocks}, {"pr": (0.0, 1000.0)}, frozenset({"pr"}))

    def misfit(conservation):
        made = downscaler(parts, limits=(0.0, 1000.0), conservation=conservation)
        means = made.downscale(coarse, range(2), 0)["pr"].values.reshape(2, 3, 4, 4, 4, 4).mean(axis=(3, 5))
        return np.abs(means - coarse["pr"].values).max()

    # this recipe sets cells below its wet-day threshold to 0 afterwards
    assert misfit(kept) < 0.1
    assert misfit(None) > 1.0


def test_a_network_without_noise_makes_one_field(parts):
    drawn = downscaler(parts, channels=0).downscale(parts[1], range(2), 0)["pr"].values
    np.testing.assert_array_equal(drawn[0], drawn[1])


def test_a_dressed_member_is_the_field_and_one_whole_residual(parts):
    like, coarse = parts
    residuals = torch.randn(5, 1, *like.encoder.grid.shape, generator=torch.Generator().manual_seed(0))
    plain, dressed = (downscaler(parts, 0, (-np.inf, np.inf), residuals=each) for each in (None, residuals))
    guess = torch.zeros(3, like.encoder.n_condition, *like.encoder.grid.shape)
    addresses = [(member, 100 * date) for member in range(2) for date in range(3)]
    condition = guess.repeat(2, 1, 1, 1)
    added = dressed._made(condition, 7, addresses) - plain._made(condition, 7, addresses)
    for field, (member, key) in zip(added, addresses, strict=True):
        torch.testing.assert_close(field, residuals[_position(7, member, key, 5)])
    assert dressed.downscale(coarse, [0, 1], 0)["pr"].shape == (2, 3, *like.encoder.grid.shape)


def test_each_residual_is_as_likely_and_members_and_dates_share_none():
    counts = Counter(_position(1, member, key, 4) for member in range(40) for key in range(100))
    assert set(counts) == {0, 1, 2, 3}
    assert max(abs(count - 1000) for count in counts.values()) < 4 * np.sqrt(1000 * 0.75)
    pairs = [[_position(1, m, k, 1000) for k in range(100)] for m in range(2)]
    assert np.abs(np.corrcoef(pairs)[0, 1]) < 0.4
