"""The search on Gaussian data with the exact denoiser, where the best spread and score are known; and its rules."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from climdiff import drawing
from climdiff.diffusion import schedules
from climdiff.diffusion.guidance import classifier_free
from climdiff.recipe.schema import Sample
from climdiff.samplers.ancestral import amplified, start_point
from climdiff.samplers.noise import Noise
from climdiff.verification.dates import DateScores, date_scores
from climdiff.workflow.search import BAND, Search, center, next_factor, settings, violation
from climdiff.workflow.trials import Trial

N_DATES, N_MEMBERS, CELLS = 48, 6, (1, 12, 12)
STD = 0.5
BEST = STD / math.sqrt(math.pi)
"""Fair CRPS of members drawn from the law of the truth."""
CHAIN = schedules.cosine(1000)
LEVELS = (80.0, 1.5, 0.4, 0.1)


def gaussian(mean, std):
    """Return the exact denoiser of N(mean, std^2)."""
    return lambda x, sigma: (std**2 * x + float(sigma[0]) ** 2 * mean) / (std**2 + float(sigma[0]) ** 2)


class World:
    """Dates with known means about which the truth is Gaussian; the means themselves are N(0, 1)."""

    def __init__(self, n_dates=N_DATES):
        generator = np.random.default_rng(1)
        self.mean = generator.normal(size=(n_dates, *CELLS))
        self.truth = self.mean + generator.normal(0, STD, self.mean.shape)
        self.n_dates = n_dates

    def score(self, sample):
        addresses = [(member, date) for member in range(N_MEMBERS) for date in range(self.n_dates)]
        noise = amplified(Noise(3, addresses, CELLS), sample.spread)
        mean = torch.from_numpy(np.concatenate([self.mean] * N_MEMBERS)).float()
        without = gaussian(torch.zeros(()), math.hypot(1.0, STD))
        denoise = classifier_free(gaussian(mean, STD), without, sample.guidance, sample.guidance_interval)
        sigmas = drawing.noise_levels(sample, CHAIN)
        drawn = drawing.sampler(sample)(denoise, start_point(sigmas, noise), sigmas, noise)
        members = drawn.numpy().reshape(N_MEMBERS, self.n_dates, *CELLS)[:, :, 0]
        found = date_scores(members.astype(float), self.truth[:, 0], np.ones(CELLS[1:]))
        return Trial(sample, sample.steps * (1 + (sample.guidance != 1)), 0.01, {"pr": found}, {"pr": 1.0})


def with_sample(recipe, dropout=0.0, **keys):
    train = recipe.train.model_copy(update={"condition_dropout": dropout})
    return recipe.model_copy(update={"sample": Sample(**keys), "train": train})


@pytest.mark.parametrize("sampler", ["ddim", "ddpm", "euler", "dpmpp_2m", "dpmpp_sde_2m", "angular"])
def test_an_over_sharp_way_comes_into_the_band_and_to_the_best_score(minute_recipe, sampler):
    """Levels given one by one leave the search nothing but the factor, which is exact for Gaussian data."""
    recipe = with_sample(minute_recipe, sampler=sampler, steps=len(LEVELS), levels=LEVELS, spread=0.5)
    search = Search(recipe, World().score, np.arange(N_DATES))
    assert search.own.scores["pr"].spread_skill <= 0.6
    chosen = search.choose()
    assert BAND[0] <= chosen.scores["pr"].spread_skill <= BAND[1]
    assert search.difference(chosen, search.own).high < 0
    assert chosen.scores["pr"].crps_fair == pytest.approx(BEST, rel=0.02)
    assert len(search.trials) <= 9
    assert "5 levels" not in "".join(search.left_out.values())
    assert any("4 levels for 5 evaluations" in reason for reason in search.left_out.values())


def test_with_all_keys_free_a_sharp_way_is_replaced_by_a_good_one_that_costs_little(minute_recipe):
    recipe = with_sample(minute_recipe, dropout=0.1, sampler="ddim", steps=5)
    said = []
    search = Search(recipe, World().score, np.arange(N_DATES), say=said.append)
    chosen = search.choose()
    assert violation(chosen) == 0
    assert chosen.scores["pr"].crps_fair == pytest.approx(BEST, rel=0.02)
    assert chosen.evaluations <= 10
    assert chosen.sample.guidance == 1.0
    assert [line.partition(":")[0] for line in said] == ["sampler and steps", "guidance", "fresh noise", "spread"][
        : len(said)
    ]


def test_nothing_is_tried_that_the_training_or_the_sampler_does_not_allow(minute_recipe):
    said = []
    recipe = with_sample(minute_recipe, sampler="dpmpp_2m", steps=4, levels=LEVELS)
    search = Search(recipe, World().score, np.arange(N_DATES), say=said.append)
    search.choose()
    assert {trial.sample.guidance for trial in search.trials} == {1.0}
    assert said[:3] == [f"{stage}: nothing to choose" for stage in ("sampler and steps", "guidance", "fresh noise")]


def synthetic(sample, crps, ratio=1.0, evaluations=10):
    """Return a trial with these scores by date."""
    crps = np.asarray(crps, float)
    ones = np.ones_like(crps)
    scores = DateScores(10_000, ones, crps, ones, ratio**2 * ones)
    return Trial(sample, evaluations, 0.01, {"pr": scores}, {"pr": 1.0})


@pytest.fixture
def search(minute_recipe):
    own = 1 + 0.1 * np.random.default_rng(0).normal(size=40)
    return Search(with_sample(minute_recipe), lambda sample: synthetic(sample, own), np.arange(40))


def other(search, shift, scatter=0.0, evaluations=10):
    """Return a way whose score differs from the recipe's by a mean shift and by chance."""
    noise = np.random.default_rng(1).normal(size=40)
    crps = search.own.scores["pr"].crps + shift + scatter * (noise - noise.mean())
    return synthetic(search.recipe.sample, crps, evaluations=evaluations)


@pytest.mark.parametrize(
    ("shift", "scatter", "evaluations", "is_taken"),
    [
        (-0.02, 0.02, 10, True),  # better beyond chance
        (-0.02, 0.20, 10, False),  # better by chance
        (-0.02, 0.02, 40, True),
        (-0.003, 0.001, 40, False),  # better beyond chance, but not worth four times the work
        (-0.003, 0.001, 10, True),
        (0.00, 0.00, 40, False),  # as good and costlier
        (0.00, 0.00, 10, False),  # as good and another one
        (0.00, 0.01, 5, True),  # as good for sure and cheaper
        (0.00, 0.20, 5, False),  # as good by chance and cheaper
        (0.02, 0.01, 5, False),  # worse and cheaper
    ],
)
def test_a_departure_has_to_prove_itself(search, shift, scatter, evaluations, is_taken):
    candidate = other(search, shift, scatter, evaluations)
    assert (search.pick(search.own, [candidate]) is candidate) is is_taken


def test_of_equals_the_cheapest_wins(search):
    cheap, dear = other(search, -0.0195, 0.01, 20), other(search, -0.02, 0.0, 40)
    clearly_worse = other(search, -0.01, 0.001, 15)
    assert search.pick(search.own, [dear, clearly_worse, cheap]) is cheap


def test_a_spread_that_the_dates_cannot_tell_from_a_good_one_stays(minute_recipe):
    """Errors of a few dates make up nearly all: spread over skill may be anything."""
    square = np.full(16, 0.01)
    square[3] = 30.0
    scores = DateScores(8, np.ones(16), np.ones(16), square, np.full(16, 1.2))
    recipe = with_sample(minute_recipe, sampler="dpmpp_2m", steps=4, levels=LEVELS)

    def score(sample):
        variance = scores.variance * sample.spread**2
        return Trial(sample, 4, 0.01, {"pr": replace(scores, variance=variance)}, {"pr": 1.0})

    search = Search(recipe, score, np.arange(16))
    assert search.choose() is search.own
    assert "not told from 0.95 to 1.05" in search.notes[0]


def test_so_few_dates_that_nothing_has_an_interval_change_nothing(minute_recipe):
    crps = np.random.default_rng(5).gamma(2.0, 1.0, 8)

    def score(sample):
        noise = np.random.default_rng(sample.steps).normal(size=8)
        scores = DateScores(8, np.ones(8), crps * (1 + 0.1 * noise), crps, 0.5 * sample.spread**2 * np.ones(8))
        return Trial(sample, sample.steps, 0.01, {"pr": scores}, {"pr": 1.0})

    search = Search(with_sample(minute_recipe, sampler="dpmpp_2m", steps=20), score, np.arange(8))
    assert violation(search.own) > 0
    assert search.choose() is search.own
    assert {trial.sample.steps for trial in search.trials} == {5, 10, 20}, "40 do not follow on what is not told"
    assert search.notes[0].startswith("too few dates to tell ways apart")
    assert "the spread stays as it is" in search.notes[1] and len(search.notes) == 2


def test_two_targets_that_pull_apart_get_the_least_violation(minute_recipe):
    ones = np.ones(400)
    recipe = with_sample(minute_recipe, sampler="dpmpp_2m", steps=4, levels=LEVELS)

    def score(sample):
        variances = {"pr": (0.6 * sample.spread) ** 2, "tas": (0.9 * sample.spread) ** 2}
        scores = {name: DateScores(10_000, ones, ones, ones, value * ones) for name, value in variances.items()}
        return Trial(sample, 4, 0.01, scores, dict.fromkeys(scores, 1.0))

    search = Search(recipe, score, np.arange(400))
    chosen = search.choose()
    assert chosen.sample.spread == pytest.approx(1 / math.sqrt(0.6 * 0.9), abs=0.08)
    assert violation(chosen) == min(violation(trial) for trial in search.trials) > 0
    assert "no factor brings spread over skill of every target" in search.notes[0]


def test_the_factor_is_found_on_any_smooth_curve():
    for curve in (lambda k: 0.4 * k, lambda k: 1.5 * k**0.6, lambda k: 0.3 + 0.4 * k, lambda k: 0.9 * k**1.8):
        centers = {1.0: math.log(curve(1.0))}
        while (factor := next_factor(centers)) is not None and len(centers) < 6:
            centers[factor] = math.log(curve(factor))
        best = min(centers, key=lambda k: abs(centers[k]))
        assert abs(curve(best) - 1) < 0.05 or best in (0.5, 2.0)


def test_settings_are_the_keys_that_differ(search):
    changed = search.recipe.sample.model_copy(update={"steps": 7, "spread": 1.2})
    assert settings(changed, search.recipe.sample) == {"steps": 7, "spread": 1.2}
    assert center(search.own) == pytest.approx(0.0, abs=1e-4)


def test_members_that_are_all_alike_ask_for_more_spread():
    alike = SimpleNamespace(scores={"pr": SimpleNamespace(spread_skill=0.0)})
    assert center(alike) < -5 and next_factor({1.0: center(alike)}) == 2.0
