"""From a recipe to sampler and noise levels: every name has one, and what cannot be visited is refused."""

from __future__ import annotations

from typing import get_args

import pytest
import torch

from climdiff import drawing
from climdiff.diffusion import levels, schedules
from climdiff.errors import RecipeError
from climdiff.recipe.schema import Sample, Sampler
from climdiff.samplers.persistence import Persistence

CHAIN = schedules.cosine(1000)


@pytest.mark.parametrize("name", get_args(Sampler))
def test_every_name_has_a_sampler(name):
    start = torch.ones(1, 1, 2, 2)
    found = drawing.sampler(Sample(sampler=name))(
        lambda x, sigma: 0.5 * x, start, torch.tensor([1.0, 0.0]), lambda k: start
    )
    assert torch.equal(found, 0.5 * start)


@pytest.mark.parametrize(
    ("name", "spaced"), [("dpmpp_2m", levels.karras), ("angular", levels.angle), ("ddpm", levels.trailing)]
)
def test_levels_follow_the_sampler_unless_given(name, spaced):
    assert torch.equal(drawing.noise_levels(Sample(sampler=name), CHAIN), spaced(CHAIN, 10))
    assert torch.equal(drawing.noise_levels(Sample(sampler=name, levels="uniform"), CHAIN), levels.uniform(CHAIN, 10))


def test_levels_may_be_given_one_by_one():
    assert drawing.noise_levels(Sample(steps=2, levels=(9.0, 0.5)), CHAIN).tolist() == [9.0, 0.5, 0.0]


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        ({"sigma_max": 0.005, "sigma_min": 0.001}, "CD-037 sample: noise levels 0.001 to 0.005 on a chain"),
        ({"sigma_max": 1e5, "sigma_min": 100.0, "steps": 900, "levels": "trailing", "guidance": 2.0,
          "guidance_interval": (1e6, 1e7)}, "CD-037 sample.guidance_interval: none of the noise levels"),
    ],
)  # fmt: skip
def test_levels_that_the_chain_does_not_have_are_refused(sample, message):
    with pytest.raises(RecipeError, match=message):
        drawing.noise_levels(Sample.model_construct(**{**Sample().model_dump(), **sample}), schedules.linear(1000))


def learned(step=86_400_000_000, **half_lives):
    return drawing.Learned({}, {}, step, half_lives)


def with_half_life(recipe, value):
    return recipe.model_copy(update={"sample": recipe.sample.model_copy(update={"noise_half_life": value})})


def test_half_lives_are_counted_in_steps_of_the_data(minute_recipe):
    assert drawing.persistence(minute_recipe, learned()) is None
    six_hourly = learned(step=21_600_000_000, pr=0.5)
    assert drawing.persistence(with_half_life(minute_recipe, "fitted"), six_hourly) == Persistence(
        21_600_000_000, (2.0,)
    )
    assert drawing.persistence(with_half_life(minute_recipe, {"pr": 3.0}), learned()).half_lives == (3.0,)


@pytest.mark.parametrize(
    ("asked", "found", "message"),
    [
        ("fitted", learned(), r"half-lives were not fitted .*Fix: climdiff train RECIPE sample\.noise"),
        ({"pr": 2.0}, learned(step=None), r".*no common step .*Fix: set it to null"),
        ({"pr": 101.0}, learned(), r"101 days of 'pr' are 101 steps of the data, more than 100\. Fix: give at"),
    ],
)  # fmt: skip
def test_fault_037_half_lives_that_cannot_be_are_refused(minute_recipe, asked, found, message):
    with pytest.raises(RecipeError, match=f"CD-037 sample.noise_half_life: {message}"):
        drawing.persistence(with_half_life(minute_recipe, asked), found)


@pytest.mark.parametrize("levels", [[100000.0, 1.0], [1.0, 0.0001]])
def test_fault_037_levels_outside_the_chain_are_refused(levels):
    sample = Sample(levels=tuple(levels), steps=2)
    with pytest.raises(RecipeError, match=r"CD-037 sample\.levels: noise levels .* reach beyond the chain's range"):
        drawing.noise_levels(sample, schedules.cosine(1000))
