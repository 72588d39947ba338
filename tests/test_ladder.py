"""Every rung is fitted on the training period; one that the data cannot have is refused, or left out of the ladder."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from climdiff import build, ladder
from climdiff.errors import DataError, Problem, RecipeError
from climdiff.recipe.fields import Baseline


@pytest.fixture(scope="module")
def splits(minute_recipe):
    return build.open_splits(minute_recipe)


@pytest.fixture(scope="module")
def conserving(splits):
    """Return training pairs whose coarse rain is the block mean of the fine one."""
    train = splits["train"]
    fine = train.fine["pr"].values
    means = fine.reshape(len(fine), 4, 4, 4, 4).mean(axis=(2, 4))
    return replace(train, coarse=train.coarse.assign(pr=train.coarse["pr"].copy(data=means)))


def asking(recipe, baselines, **data):
    verify = recipe.verify.model_copy(update={"baselines": baselines})
    return recipe.model_copy(update={"verify": verify, "data": recipe.data.model_copy(update=data)})


def test_baselines_are_fitted_on_the_training_period(minute_recipe, splits):
    found = ladder.baselines(minute_recipe, splits["train"])
    assert list(found) == ["bilinear", "climatology", "analogs", "oracle"]


def test_the_ladder_is_every_method_that_the_data_allow(minute_recipe, splits, conserving):
    recipe = asking(minute_recipe, "ladder")
    assert list(ladder.baselines(recipe, conserving)) == list(get_args(Baseline))
    left_out = {}
    found = ladder.baselines(recipe, splits["train"], left_out.__setitem__)
    need_blocks = {"rescaled_analogs", "rescaled_regression", "rainfarm"}
    assert set(found) == set(get_args(Baseline)) - need_blocks
    assert set(left_out) == need_blocks
    assert all(why.startswith("coarse 'pr' is no block mean") for why in left_out.values()), left_out
    elsewhere, other_left_out = asking(minute_recipe, "ladder", fine="radar2km/fine"), {}
    other = ladder.baselines(elsewhere, splits["train"], other_left_out.__setitem__)
    assert set(found) - set(other) == {"oracle"}
    assert set(other_left_out) == need_blocks  # nobody expects an oracle there


def test_every_rung_makes_whole_members_that_do_not_depend_on_each_other(minute_recipe, conserving, splits):
    coarse = splits["test"].coarse.isel(time=slice(0, 3)).load()
    for name, baseline in ladder.baselines(asking(minute_recipe, "ladder"), conserving).items():
        assert baseline.variables == ("pr",)
        members = list(baseline.members)
        made = baseline.downscaler.downscale(coarse, members, 0)["pr"]
        assert made.dtype == np.float32, name
        assert made.sizes["realization"] == len(members), name
        assert bool(np.isfinite(made).all()) and float(made.min()) >= 0, name
        alone = baseline.downscaler.downscale(coarse.isel(time=[1]), members[-1:], 0)["pr"]
        np.testing.assert_array_equal(alone[0, 0], made[-1, 1], err_msg=name)


def test_targets_without_a_coarse_field_leave_the_rungs_that_need_none(minute_recipe, splits):
    train = splits["train"]
    train = replace(train, coarse=train.coarse.drop_vars("pr"))
    predictors = tuple(name for name in minute_recipe.data.predictors if name != "pr")
    steps = {"pr": tuple(step for step in minute_recipe.transforms.targets["pr"] if step.name != "residual")}
    transforms = minute_recipe.transforms.model_copy(update={"targets": steps, "predictors": {}})
    recipe = asking(minute_recipe, "ladder", predictors=predictors).model_copy(update={"transforms": transforms})
    assert list(ladder.baselines(recipe, train)) == ["climatology", "analogs", "regression", "oracle"]
    for name in ladder.FROM_TARGETS:
        with pytest.raises(RecipeError, match=rf"CD-036 .*no variable 'pr', which verify.baselines: {name} names"):
            ladder.baselines(asking(recipe, (name,)), train)


def test_an_oracle_of_real_data_is_refused(splits, minute_recipe):
    recipe = asking(minute_recipe, ("oracle",), fine="radar2km/fine")
    with pytest.raises(RecipeError, match=r"CD-037 verify\.baselines: an oracle knows the law of the embedded world"):
        ladder.baselines(recipe, splits["train"])


@pytest.mark.parametrize("name", ladder.FROM_BLOCKS)
def test_rungs_that_keep_block_means_are_refused_where_there_are_none(name, splits, minute_recipe):
    with pytest.raises(RecipeError, match=rf"CD-020 verify\.baselines: {name}: coarse 'pr' is no block mean"):
        ladder.baselines(asking(minute_recipe, (name,)), splits["train"])


def test_a_regression_needs_dates(splits, minute_recipe):
    few = splits["train"].select(slice(0, 19))
    with pytest.raises(RecipeError, match=r"CD-033 verify\.baselines: regression: 19 training dates .* at least 20"):
        ladder.baselines(asking(minute_recipe, ("regression",)), few)
    assert "regression" not in ladder.baselines(asking(minute_recipe, "ladder"), few)


def test_dates_with_gaps_train_no_rung(splits, minute_recipe):
    train = splits["train"]
    holes = train.fine["pr"].copy(deep=True)
    holes[3, 0, 0] = holes[7] = np.nan
    broken = replace(train, fine=train.fine.assign(pr=holes))
    recipe = asking(minute_recipe, ("climatology", "regression"), on_missing="mask")
    coarse = splits["test"].coarse.isel(time=[0]).load()
    for name, baseline in ladder.baselines(recipe, broken).items():
        assert bool(np.isfinite(baseline.downscaler.downscale(coarse, range(10), 0)["pr"]).all()), name
    each = train.fine["pr"].copy(deep=True)
    for at in range(len(each)):
        each[at, at % 16, at // 16 % 16] = np.nan
    with pytest.raises(DataError, match=r"CD-033 fine training data: on each of the 365 dates some variable misses"):
        ladder.baselines(recipe, replace(train, fine=train.fine.assign(pr=each)))


def test_dates_without_whole_predictors_train_no_rung(splits, minute_recipe):
    train = splits["train"]
    given = train.coarse.load().copy(deep=True)
    given["pr"][3, 0, 0] = np.nan
    broken = replace(train, coarse=given)
    recipe = asking(minute_recipe, "ladder", on_missing="mask")
    found, expected = ladder.baselines(recipe, broken), ladder.baselines(recipe, train.select(np.delete(range(365), 3)))
    coarse = splits["test"].coarse.isel(time=[0]).load()
    one, other = (each["regression"].downscaler.downscale(coarse, range(4), 0)["pr"] for each in (found, expected))
    np.testing.assert_array_equal(one, other)
    assert list(found) == list(expected)


def test_one_method_that_cannot_be_fitted_does_not_end_the_ladder(splits, minute_recipe):
    train = splits["train"]
    given = train.coarse.load().copy(deep=True)
    given["pr"][:, 0, 0] = np.nan
    recipe, broken = asking(minute_recipe, "ladder", on_missing="mask"), replace(train, coarse=given)
    whole = set(ladder.baselines(recipe, train))
    assert whole - set(ladder.baselines(recipe, broken)) == {"regression"}
    with pytest.raises(DataError, match=r"CD-075 training predictors: .*miss cells"):
        ladder.baselines(asking(recipe, ("bilinear", "regression")), broken)


@pytest.mark.parametrize("place", ["Regression", "block_weights"])
def test_fault_003_a_damaged_file_ends_the_ladder(place, splits, minute_recipe, monkeypatch):
    def read(*given, **named):
        raise DataError(Problem(3, "era5", "missing chunk", "restore it"))

    monkeypatch.setattr(ladder, place, read)
    with pytest.raises(DataError, match="CD-003 era5: missing chunk"):
        ladder.baselines(asking(minute_recipe, "ladder"), splits["train"])


def test_the_ladder_of_a_dry_period_has_no_rainfarm(minute_recipe, conserving):
    dry = {"coarse": conserving.coarse.assign(pr=0 * conserving.coarse["pr"]), "fine": 0 * conserving.fine}
    dry["fine"]["pr"].attrs = conserving.fine["pr"].attrs
    recipe = asking(minute_recipe, ("rainfarm",))
    with pytest.raises(DataError, match=r"CD-033 training data: no rain 'pr' in blocks"):
        ladder.baselines(recipe, replace(conserving, **dry))
    found = ladder.baselines(asking(recipe, "ladder"), replace(conserving, **dry))
    assert "rainfarm" not in found and {"bilinear", "climatology", "analogs", "rescaled_analogs"} <= set(found)


def test_a_check_counts_the_dates_that_the_methods_are_fitted_on(splits, minute_recipe):
    train = splits["train"]
    holes = train.fine["pr"].copy(deep=True)
    holes[19:, 0, 0] = np.nan
    recipe = asking(minute_recipe, ("regression",), on_missing="mask")
    with pytest.raises(RecipeError, match=r"CD-033 verify\.baselines: regression: 19 training dates"):
        ladder.check(recipe, replace(train, fine=train.fine.assign(pr=holes)))


def test_a_check_knows_the_names_of_methods_alone(splits, minute_recipe):
    ladder.check(asking(minute_recipe, ("bilinear", "analogs")), splits["train"])
    with pytest.raises(AssertionError, match="unknown baseline through: f"):
        ladder.check(asking(minute_recipe, "full_ladder"), splits["train"])


def test_what_rungs_share_is_fitted_once(conserving, minute_recipe, monkeypatch):
    calls = []
    for name in ("digest", "Regression", "Analogs"):
        made = getattr(ladder, name)
        monkeypatch.setattr(ladder, name, lambda *a, n=name, of=made, **k: calls.append(n) or of(*a, **k))
    names = ("regression", "rescaled_regression", "rescaled_analogs", "analogs", "rainfarm")
    assert list(ladder.baselines(asking(minute_recipe, names), conserving)) == list(names)
    assert sorted(calls) == ["Analogs", "Regression", "digest"]
