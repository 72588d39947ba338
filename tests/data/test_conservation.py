"""Fields in network space become consistent with the coarse input in physical units."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from climdiff import build
from climdiff.data.conservation import Conservation, block_weights
from climdiff.errors import DataError
from climdiff.grids.blocks import blocks_of
from climdiff.recipe.load import load


@pytest.fixture(scope="module")
def parts(real_data):
    """A slice of the radar data, whose coarse cells are means over 8 x 8 fine ones, and what conserves them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLIMDIFF_DATA", str(real_data))
        recipe = load("recipes/radar.yaml")
        pairs = build.open_splits(recipe, ["validation"])["validation"].select(slice(0, 6))
    encoder = build.encoder(recipe, pairs)
    blocks = {"pr": blocks_of(pairs.coarse_grid, pairs.fine_grid)}
    return pairs, encoder, Conservation(encoder, blocks, {"pr": (0.0, 200.0)}, frozenset({"pr"}))


def means(rain):
    return rain.reshape(*rain.shape[:-2], 8, 8, 8, 8).mean(axis=(-3, -1))


def test_the_truth_is_consistent_already(parts):
    pairs, encoder, conservation = parts
    guess = pairs.guess(slice(None))
    target = encoder.target(pairs.truth(slice(None)), guess)
    kept = conservation.bind(guess, pairs.coarse, range(6))(target)
    torch.testing.assert_close(kept, target, rtol=0, atol=2e-2)  # the coarse data are packed in steps of 0.01


def test_fault_080_any_field_becomes_consistent_within_its_bounds(parts):
    pairs, encoder, conservation = parts
    guess = pairs.guess(slice(None))
    noise = 3 * torch.randn(4, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    at = [5, 0, 0, 3]
    kept = conservation.bind(guess, pairs.coarse, at)(noise)
    chosen = guess.isel(time=at).assign_coords(time=np.arange(4))
    rain = encoder.to_dataset(kept[None], chosen)["pr"].values[0]
    np.testing.assert_allclose(means(rain), pairs.coarse["pr"].isel(time=at).values, rtol=1e-5, atol=1e-6)
    assert rain.min() >= 0.0
    assert rain.max() <= 200.0 * (1 + 1e-5)


def test_a_missing_mean_leaves_its_block_as_it_was_and_the_others_conserved(parts):
    pairs, encoder, conservation = parts
    guess = pairs.guess(slice(None))
    noise = torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    coarse = pairs.coarse.isel(time=[0]).copy(deep=True)
    coarse["pr"][0, 2, 3] = np.nan
    kept = conservation.bind(guess.isel(time=[0]), coarse, [0])(noise)
    assert kept.isfinite().all()
    back = encoder.target(
        encoder.to_dataset(noise[None], guess.isel(time=[0])).isel(realization=0), guess.isel(time=[0])
    )
    torch.testing.assert_close(kept[0, 0, 16:24, 24:32], back[0, 0, 16:24, 24:32], rtol=0, atol=1e-5)
    rain = encoder.to_dataset(kept[None], guess.isel(time=[0]))["pr"].values[0, 0]
    others = np.ones((8, 8), dtype=bool)
    others[2, 3] = False
    np.testing.assert_allclose(means(rain)[others], coarse["pr"].values[0][others], rtol=1e-5, atol=1e-6)


def test_a_missing_guess_keeps_the_draw(parts):
    pairs, _, conservation = parts
    guess = pairs.guess(slice(0, 1)).copy(deep=True)
    guess["pr"][0, :4, :4] = np.nan
    noise = torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    kept = conservation.bind(guess, pairs.coarse.isel(time=[0]), [0])(noise)
    assert torch.equal(kept[0, 0, :4, :4], noise[0, 0, :4, :4])
    assert kept.isfinite().all()


def test_the_kind_of_mean_is_the_one_the_data_have(parts):
    pairs, _, _ = parts
    assert block_weights(pairs, ["pr"]) == {"pr": "area"}


def test_the_coarse_fields_of_iberia_are_plain_means(real_data, monkeypatch):
    monkeypatch.setenv("CLIMDIFF_DATA", str(real_data))
    pairs = build.open_splits(load("recipes/iberia.yaml"), ["validation"])["validation"].select(slice(0, 20))
    assert block_weights(pairs, ["pr", "tas"]) == {"pr": "plain", "tas": "plain"}


def test_fault_020_a_coarse_field_that_is_no_block_mean_is_refused(parts):
    pairs, _, _ = parts
    doubled = dataclasses.replace(pairs, coarse=pairs.coarse * 2)
    with pytest.raises(
        DataError, match=r"CD-020 .*coarse 'pr' is no block mean of fine 'pr'.*Fix: set sample.conserve"
    ):
        block_weights(doubled, ["pr"])


def test_fault_020_grids_that_are_no_blocks_are_refused(parts):
    pairs, _, _ = parts
    shifted = pairs.coarse.assign_coords({pairs.coarse_grid.y_dim: pairs.coarse_grid.y + 1.0})
    moved = dataclasses.replace(pairs, coarse_grid=type(pairs.coarse_grid).from_dataset(shifted))
    with pytest.raises(DataError, match="CD-020"):
        block_weights(moved, ["pr"])
