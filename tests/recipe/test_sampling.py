"""Keys of `sample` that do not go together are told, each with what to do."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from climdiff.errors import Problem
from climdiff.recipe.load import parse
from climdiff.recipe.sampling import n_levels

Spoil = Callable[..., list[Problem]]


@pytest.mark.parametrize(
    ("sampler", "levels"), [("heun", 4), ("dpmpp_2s", 4), ("dpmpp_2m", 7), ("ddpm", 7), ("one_step", 1)]
)
def test_two_evaluations_a_step_and_one_in_the_last(sampler: str, levels: int) -> None:
    assert n_levels(sampler, 7) == levels


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        ("{sampler: one_step, guidance: 2}", "one_step was taught the conditional model only, not guidance 2"),
        ("{sampler: one_step, levels: karras}", "one_step starts from the noise level it was taught at"),
        ("{sampler: one_step, sigma_max: 20}", "sigma_max means nothing to levels of one_step"),
        ("{sampler: heun, eta: 0.5}", "eta 0.5 means nothing to sampler heun"),
        ("{sampler: ddim, churn: 2}", "churn 2 means nothing to sampler ddim"),
        ("{variance: beta}", "variance beta means nothing to sampler dpmpp_2m"),
        ("{sigma_min: 3, sigma_max: 2}", "sigma_min 3 is not below sigma_max 2"),
        ("{guidance: 2, guidance_interval: [5, 1]}", "the interval 5 to 1 is empty"),
        ("{guidance: 2, guidance_interval: [100, 200]}", "100 to 200 is outside the noise levels 0.01 to 80"),
        ("{guidance_interval: [1, 2]}", "guidance 1 is the conditional model at every level"),
        ("{sampler: ddpm, sigma_max: 9}", "sigma_max means nothing to levels trailing"),
        ("{steps: 3, levels: [3, 2, 1], sigma_min: 0.5}", "sigma_min means nothing to levels given one by one"),
        ("{steps: 3, levels: [1, 2, 3]}", "noise levels must fall"),
        ("{steps: 5, levels: [3, 2, 1]}", "3 levels for 5 evaluations of dpmpp_2m, which visits 5"),
        ("{sampler: heun, steps: 5, levels: [3, 2]}", "2 levels for 5 evaluations of heun, which visits 3"),
    ],
)
def test_what_does_not_go_together_is_one_line(spoil: Spoil, sample: str, message: str) -> None:
    (problem,) = spoil("", f"sample: {sample}\n")
    assert message in problem.what
    assert problem.code == 37


@pytest.mark.parametrize(
    "sample",
    [
        "{sampler: heun, churn: 2}",
        "{sampler: ddim, eta: 1}",
        "{sampler: ddpm, variance: beta, eta: 0}",
        "{guidance: 2, guidance_interval: [0.1, 5]}",
        "{sampler: heun, steps: 5, levels: [80, 2, 0.1]}",
        "{levels: angle}",
        "{levels: trailing, guidance: 2, guidance_interval: [100, 6000]}",
    ],
)
def test_what_goes_together_is_taken(sound: str, sample: str) -> None:
    parse(sound + f"sample: {sample}\n")


def test_a_saved_recipe_that_names_every_default_is_taken(sound: str) -> None:
    recipe = parse(sound + "sample: {sampler: ddpm}\n")
    assert parse(recipe.model_dump_json()) == recipe


def test_plain_epsilon_on_a_chain_without_signal_is_refused(spoil: Spoil) -> None:
    (problem,) = spoil("", "diffusion: {zero_terminal: true, prediction: epsilon_plain}\n")
    assert "plain epsilon says nothing about the clean field" in problem.what
