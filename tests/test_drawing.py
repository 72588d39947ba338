"""From a recipe to sampler and noise levels: every name has one, and what cannot be visited is refused."""

from __future__ import annotations

from typing import get_args

import pytest
import torch

from climdiff import drawing
from climdiff.diffusion import levels, schedules
from climdiff.errors import RecipeError
from climdiff.recipe.schema import Sample, Sampler

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
