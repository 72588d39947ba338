"""Names of a recipe become objects, and what data or methods do not have is said in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from climdiff import build
from climdiff.errors import DataError, RecipeError
from climdiff.recipe.load import load
from climdiff.transforms.precipitation import CubeRoot, WetDay
from climdiff.transforms.residual import Residual
from climdiff.transforms.scaling import Standardize

RECIPES = Path(__file__).parents[1] / "recipes"


@pytest.fixture(scope="module")
def splits(minute_recipe):
    return build.open_splits(minute_recipe)


def test_splits_hold_their_periods(splits):
    ends = {name: [str(time)[:10] for time in pairs.times.values[[0, -1]]] for name, pairs in splits.items()}
    assert ends == {
        "train": ["1999-01-01", "1999-12-31"],
        "validation": ["2000-02-01", "2000-03-01"],
        "test": ["2001-02-01", "2001-02-20"],
    }
    assert splits["train"].fine_grid.shape == (16, 16)
    assert splits["train"].coarse_grid.shape == (4, 4)


def test_steps_become_transforms_and_unnamed_variables_are_standardized():
    recipe = load(RECIPES / "precip.yaml")
    targets, predictors = build.pipelines(recipe)
    assert targets.steps["pr"] == (WetDay(0.1), CubeRoot(), Residual(), Standardize())
    assert predictors.steps["psl"] == (Standardize(),)


def test_the_same_seed_builds_the_same_network(minute_recipe):
    first, second = (build.denoiser(minute_recipe, 5, 1).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_channels_scale_all_widths(minute_recipe):
    assert build.network_shape(minute_recipe).widths == (16, 32, 48)


def test_limits_reach_beyond_the_range_but_not_beyond_nature():
    found = build.limits({"pr": (0.0, 100.0), "tas": (250.0, 310.0)}, {"pr": {"lower_bound": 0.0}, "tas": {}}, 1.25)
    assert found == {"pr": (0.0, 125.0), "tas": (235.0, 325.0)}
    assert build.limits({"hurs": (1.0, 99.0)}, {"hurs": {"upper_bound": 100.0}}, 2.0)["hurs"][1] == 100.0


def test_building_leaves_the_global_generator_alone(minute_recipe):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    build.denoiser(minute_recipe, 5, 1)
    assert torch.equal(torch.rand(1), expected)


def test_a_period_and_a_subset_that_share_dates_are_refused(real_data, monkeypatch):
    monkeypatch.setenv("CLIMDIFF_DATA", str(real_data))
    recipe = load(RECIPES / "iberia.yaml", ["data.split.test=historical"])
    with pytest.raises(RecipeError, match=r"CD-043 data\.split: 'train' and 'test' share \d+ dates"):
        build.open_splits(recipe)


@pytest.mark.parametrize("name", ["radar", "iberia"])
def test_real_recipes_train_generate_and_verify_tiny(real_data, monkeypatch, tmp_path, name):
    from climdiff.workflow.experiment import run

    monkeypatch.setenv("CLIMDIFF_DATA", str(real_data))
    tiny = ["model.size=tiny", "model.channels=16", "train.steps=2", "train.validate_every=2", "sample.steps=1"]
    tiny += [
        "train.validation_times=4",
        "generate.members=2",
        "generate.split=validation",
        "verify.baselines=[bilinear]",
    ]
    verdict = run(load(RECIPES / f"{name}.yaml", tiny), tmp_path, Quiet())
    for scores in verdict.to_json().values():
        assert scores["diffusion"]["crps_fair"] > 0
        assert scores["bilinear"]["n_times"] == scores["diffusion"]["n_times"]


class Quiet:
    """A watch that says nothing."""

    def say(self, line):
        pass

    def training(self, progress, total, name="train"):
        pass

    def stage(self, name, done, total):
        pass


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.predictors=[pr, pls]", r"CD-036 world/coarse: no variable 'pls', which data\.predictors names.* 'psl'"),
        ("data.targets=[snow]", r"CD-036 world/fine: no variable 'snow', which data\.targets names.*Fix: choose from"),
        ("data.coarse=wrld/coarse", r"CD-037 .*no catalog entry 'wrld'.*did you mean 'world'"),
    ],
)
def test_names_that_data_do_not_have_are_told(override, message):
    overrides = [override, "transforms=null", "verify=null"]
    with pytest.raises(RecipeError, match=message):
        build.open_splits(load(RECIPES / "tiny.yaml", overrides))


def test_a_period_outside_the_data_is_told(minute):
    recipe = load(RECIPES / "tiny.yaml", [*minute, "data.split.test=[2030-01-01, 2030-02-01]"])
    with pytest.raises(RecipeError, match=r"CD-043 data\.split: period 'test' .* holds no data, which cover"):
        build.open_splits(recipe)


def test_mirrored_winds_are_refused(minute_recipe):
    recipe = minute_recipe.model_copy(update={"train": minute_recipe.train.model_copy(update={"flips": True})})
    with pytest.raises(RecipeError, match=r"CD-037 train\.flips: .*'uas' \(eastward_wind\).*Fix: set train\.flips"):
        build.open_splits(recipe)


def test_a_missing_file_says_where_it_was_looked_for(monkeypatch, tmp_path):
    monkeypatch.setenv("CLIMDIFF_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"CD-012 .*radar2km_dev/train_coarse\.nc.*Fix: .*CLIMDIFF_DATA"):
        build.open_splits(load(RECIPES / "radar.yaml"), ["train"])
