"""What a model is judged beside is made a block at a time, and is what its downscaler makes at once."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from climdiff import build, ladder
from climdiff.data.pairs import align
from climdiff.verification import ensembles, variables
from climdiff.verification.scorecard import scorecard
from climdiff.workflow import contenders, rungs


@pytest.fixture(scope="module")
def splits(minute_recipe):
    return build.open_splits(minute_recipe, ("train", "test"))


def asking(recipe, baselines):
    return recipe.model_copy(update={"verify": recipe.verify.model_copy(update={"baselines": baselines})})


def test_blocks_of_times_make_the_ensemble_of_the_downscaler(minute_recipe, splits, monkeypatch):
    monkeypatch.setattr(contenders, "BLOCK_TIMES", 7)
    recipe, test = asking(minute_recipe, ("analogs",)), splits["test"]
    made, left_out = contenders.baselines(recipe, splits["train"], test, pytest.fail)
    (found,) = made.values()
    assert left_out == {}
    assert found["pr"].chunksizes["time"] == (7, 7, 6)
    baseline = ladder.baselines(recipe, splits["train"])["analogs"]
    expected = baseline.downscaler.downscale(test.coarse.load(), list(baseline.members), recipe.seed)
    np.testing.assert_array_equal(found["pr"].values, expected["pr"].values)
    assert found["pr"].attrs["units"] == test.fine["pr"].attrs["units"]


class Counting:
    """Gives the coarse field of rain and its double, and counts how often it is asked."""

    def __init__(self):
        self.calls = 0

    def downscale(self, coarse, members, seed):
        self.calls += 1
        dims = ("realization", "time", "y", "x")
        rain = np.broadcast_to(coarse["pr"], (len(members), *coarse["pr"].shape)).astype(np.float32)
        return xr.Dataset({"pr": (dims, rain), "double": (dims, 2 * rain)})


@pytest.mark.parametrize("kept_bytes, expected", [(2**20, 3), (1, 9)])
def test_the_variables_of_a_block_are_drawn_together(kept_bytes, expected, monkeypatch):
    monkeypatch.setattr(contenders, "KEPT_BYTES", kept_bytes)
    monkeypatch.setattr(variables, "BLOCK_BYTES", 8 * 4 * 16 * 2 * 32)  # pairs of variables: 32 times at once
    monkeypatch.setattr(ensembles, "BLOCK_BYTES", 4 * 3 * 16 * 32)
    dims = ("time", "y", "x")
    axes = {dim: (dim, np.arange(4.0), {"units": "km"}) for dim in ("y", "x")}
    times = xr.date_range("2001-01-01", periods=70, use_cftime=False)
    rain = np.random.default_rng(0).random((70, 4, 4), np.float32)
    fine = xr.Dataset({"pr": (dims, rain), "double": (dims, 2 * rain)}, {"time": times, **axes})
    counting, pairs = Counting(), align(fine[["pr"]], fine)
    kept = contenders.Kept()
    scores = scorecard(contenders.lazily(counting, pairs.coarse, [0, 1, 2], 0, pairs, kept=kept), fine)
    assert counting.calls == expected
    assert len(kept.blocks) == (3 if kept_bytes > 1 else 1)
    assert all(each.scalars["mae"] == 0 for each in scores.variables.values())


def test_the_full_ladder_asks_for_the_networks_and_says_how_to_train_them(minute_recipe, splits, tmp_path):
    lines = []
    assert contenders.networks(asking(minute_recipe, "full_ladder"), tmp_path, splits["test"], lines.append) == {}
    assert len(lines) == len(rungs.NEURAL)
    assert all(": climdiff train RUN/recipe.json model.method=" in line for line in lines)
    assert contenders.networks(asking(minute_recipe, "ladder"), tmp_path, splits["test"], lines.append) == {}
    assert len(lines) == len(rungs.NEURAL)


def test_every_ladder_has_the_baselines_that_need_no_network(minute_recipe):
    for asked in ("ladder", "full_ladder"):
        assert rungs.without(asking(minute_recipe, asked)).verify.baselines == "ladder"
    assert rungs.without(asking(minute_recipe, ("crps", "analogs"))).verify.baselines == ("analogs",)
