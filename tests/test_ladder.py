"""Every rung is fitted on the training period; one that the data cannot have is refused."""

from __future__ import annotations

import numpy as np
import pytest

from climdiff import build, ladder
from climdiff.errors import RecipeError


@pytest.fixture(scope="module")
def splits(minute_recipe):
    return build.open_splits(minute_recipe)


def test_baselines_are_fitted_on_the_training_period(minute_recipe, splits):
    found = ladder.baselines(minute_recipe, splits["train"])
    assert list(found) == ["bilinear", "climatology", "analogs", "oracle"]
    coarse = splits["test"].coarse.isel(time=slice(0, 2)).load()
    for baseline in found.values():
        made = baseline.downscaler.downscale(coarse, list(baseline.members), 0)
        assert made["pr"].sizes["realization"] == len(baseline.members)
        assert bool(np.isfinite(made["pr"]).all())


def test_an_oracle_of_real_data_is_refused(splits, minute_recipe):
    recipe = minute_recipe.model_copy(update={"data": minute_recipe.data.model_copy(update={"fine": "radar2km/fine"})})
    with pytest.raises(RecipeError, match=r"CD-037 verify\.baselines: an oracle knows the law of the embedded world"):
        ladder.baselines(recipe, splits["train"])
