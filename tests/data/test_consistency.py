"""Fields in network space become consistent with the coarse input in physical units."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from climdiff import build
from climdiff.data.consistency import Consistency
from climdiff.errors import DataError
from climdiff.recipe.load import load


@pytest.fixture(scope="module")
def parts(real_data):
    """A slice of the radar data: coarse cells are means over 8 x 8 fine ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLIMDIFF_DATA", str(real_data))
        recipe = load("recipes/radar.yaml")
        pairs = build.open_splits(recipe, ["validation"])["validation"].select(slice(0, 6))
    return pairs, build.encoder(recipe, pairs)


def test_the_truth_is_consistent_already(parts):
    pairs, encoder = parts
    guess = pairs.guess(slice(None))
    target = encoder.target(pairs.truth(slice(None)), guess)
    consistency = Consistency.of(encoder, pairs.coarse_grid, {"pr": (0.0, 200.0)})
    kept = consistency.bind(guess, pairs.coarse, range(6))(target)
    torch.testing.assert_close(kept, target, rtol=0, atol=2e-2)  # the coarse data are packed in steps of 0.01


def test_fault_080_any_field_becomes_consistent_within_its_bounds(parts):
    pairs, encoder = parts
    guess = pairs.guess(slice(None))
    noise = 3 * torch.randn(4, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    at = [5, 0, 0, 3]
    consistency = Consistency.of(encoder, pairs.coarse_grid, {"pr": (0.0, 200.0)})
    kept = consistency.bind(guess, pairs.coarse, at)(noise)
    chosen = guess.isel(time=at).assign_coords(time=np.arange(4))
    rain = encoder.to_dataset(kept[None], chosen)["pr"].values[0]
    means = rain.reshape(4, 8, 8, 8, 8).mean(axis=(2, 4))
    np.testing.assert_allclose(means, pairs.coarse["pr"].isel(time=at).values, rtol=1e-5, atol=1e-6)
    assert rain.min() >= 0.0
    assert rain.max() <= 200.0 * (1 + 1e-5)


def test_fault_020_grids_that_are_no_blocks_are_refused(parts):
    pairs, encoder = parts
    shifted = pairs.coarse.assign_coords({pairs.coarse_grid.y_dim: pairs.coarse_grid.y + 1.0})
    moved = type(pairs.coarse_grid).from_dataset(shifted)
    with pytest.raises(DataError, match="CD-020"):
        Consistency.of(encoder, moved, {})
