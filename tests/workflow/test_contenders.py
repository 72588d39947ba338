"""What a model is judged beside is made a block at a time, and is what its downscaler makes at once."""

from __future__ import annotations

import numpy as np
import pytest

from climdiff import build, ladder
from climdiff.workflow import contenders, rungs


@pytest.fixture(scope="module")
def splits(minute_recipe):
    return build.open_splits(minute_recipe, ("train", "test"))


def asking(recipe, baselines):
    return recipe.model_copy(update={"verify": recipe.verify.model_copy(update={"baselines": baselines})})


def test_blocks_of_times_make_the_ensemble_of_the_downscaler(minute_recipe, splits, monkeypatch):
    monkeypatch.setattr(contenders, "BLOCK_TIMES", 7)
    recipe, test = asking(minute_recipe, ("analogs",)), splits["test"]
    (found,) = contenders.baselines(recipe, splits["train"], test).values()
    assert found["pr"].chunksizes["time"] == (7, 7, 6)
    baseline = ladder.baselines(recipe, splits["train"])["analogs"]
    expected = baseline.downscaler.downscale(test.coarse.load(), list(baseline.members), recipe.seed)
    np.testing.assert_array_equal(found["pr"].values, expected["pr"].values)
    assert found["pr"].attrs["units"] == test.fine["pr"].attrs["units"]


def test_the_full_ladder_asks_for_the_networks_and_says_how_to_train_them(minute_recipe, splits, tmp_path):
    lines = []
    assert contenders.networks(asking(minute_recipe, "full_ladder"), tmp_path, splits["test"], lines.append) == {}
    assert len(lines) == len(rungs.NEURAL) and all("climdiff run RECIPE trains it" in line for line in lines)
    assert contenders.networks(asking(minute_recipe, "ladder"), tmp_path, splits["test"], lines.append) == {}
    assert len(lines) == len(rungs.NEURAL)


def test_every_ladder_has_the_baselines_that_need_no_network(minute_recipe):
    for asked in ("ladder", "full_ladder"):
        assert rungs.without(asking(minute_recipe, asked)).verify.baselines == "ladder"
    assert rungs.without(asking(minute_recipe, ("crps", "analogs"))).verify.baselines == ("analogs",)
