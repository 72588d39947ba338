"""All forecasts are scored alike; a baseline that does not take missing predictors is left out with its reason."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from climdiff import build
from climdiff.errors import OutputError
from climdiff.grids.blocks import blocks_of
from climdiff.workflow.contenders import baselines
from climdiff.workflow.scoring import Against


@pytest.fixture(scope="module")
def pairs(minute_recipe):
    return build.open_splits(minute_recipe, ["train", "test"])


def with_a_hole(test):
    hole = (test.coarse["time"] == test.coarse["time"][3]) & (test.coarse["pr"] > -1)
    return replace(test, coarse=test.coarse.where(~hole))


def test_every_method_without_a_network_is_scored_or_left_out_where_a_date_has_no_predictors(pairs, minute_recipe):
    ladder = minute_recipe.model_copy(
        update={"verify": minute_recipe.verify.model_copy(update={"baselines": "ladder"})}
    )
    test, lines = with_a_hole(pairs["test"]), []
    contenders, unfit = baselines(ladder, pairs["train"], test, lines.append)
    assert set(unfit) == {"rescaled_analogs", "rescaled_regression", "rainfarm"}
    scores, left_out = Against(test, ladder).beside(contenders, (), lines.append)
    assert set(scores) | set(left_out) == set(contenders)
    assert "climatology" in scores and {"bilinear", "conservative", "analogs", "regression"} <= set(left_out)
    assert lines == [f"'{name}' is left out: {why}" for name, why in (unfit | left_out).items()]
    with pytest.raises(OutputError, match="CD-011"):
        Against(test, ladder).beside({"bilinear": contenders["bilinear"]}, {"bilinear"}, lines.append)


@pytest.mark.parametrize("kind", ["area", "plain"])
def test_block_means_are_taken_as_the_coarse_field_takes_them(pairs, minute_recipe, kind):
    test = pairs["test"]
    truth = test.truth(slice(None))
    blocks = blocks_of(test.coarse_grid, test.fine_grid)
    means = (blocks.plain() if kind == "plain" else blocks).mean(truth["pr"].values.astype(np.float64))
    kept = replace(test, coarse=test.coarse.assign(pr=test.coarse["pr"].copy(data=blocks.oriented(means))))
    found = Against(kept, minute_recipe).score("truth", truth.expand_dims(realization=2))["pr"].scalars
    assert found["coarse_rmse"] == pytest.approx(0, abs=1e-6)
