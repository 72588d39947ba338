"""The validation score is the fair CRPS of the ensemble it says, over the error of the interpolated field."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from climdiff import build, bundle
from climdiff.errors import DataError
from climdiff.verification.probabilistic import crps_fair
from climdiff.workflow.validation import Validation


@pytest.fixture(scope="module")
def parts(trained, minute_recipe):
    model = bundle.load(trained)
    pairs = build.open_splits(minute_recipe, ("validation",))["validation"]
    return model, pairs


def test_the_score_is_that_of_the_members(parts, minute_recipe):
    model, pairs = parts
    downscaler = model.downscaler.changed(conservation=None)
    downscaler = downscaler.changed(dtype=torch.float32)
    validate = Validation(
        minute_recipe, pairs, downscaler.encoder, lambda network: downscaler.changed(denoiser=network)
    )
    found = validate(downscaler.denoiser)
    index = np.unique(np.linspace(0, pairs.n_times - 1, minute_recipe.train.validation_times).round().astype(int))
    chosen = pairs.select(index)
    members = downscaler.downscale(chosen.coarse, range(minute_recipe.train.validation_members), minute_recipe.seed)
    truth, guess = (each["pr"].values for each in (chosen.truth(slice(None)), chosen.guess(slice(None))))
    area = np.broadcast_to(pairs.fine_grid.cell_area(), truth.shape)
    expected = np.average(crps_fair(members["pr"].values, truth), weights=area)
    assert found["crps_fair_pr"] == pytest.approx(expected, rel=1e-5)
    assert found["score"] == pytest.approx(expected / np.average(np.abs(guess - truth), weights=area), rel=1e-5)
    assert abs(expected / crps_fair(members["pr"].values, truth).mean() - 1) > 1e-4  # area makes a difference


def test_fault_034_a_truth_that_never_changes_cannot_be_scored(parts, minute_recipe):
    from dataclasses import replace

    model, pairs = parts
    flat = replace(pairs, fine=pairs.fine * 0, coarse=pairs.coarse * 0)
    with pytest.raises(DataError, match=r"CD-034 .*is the same everywhere"):
        Validation(minute_recipe, flat, model.downscaler.encoder, lambda network: model.downscaler)
