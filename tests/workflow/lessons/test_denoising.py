"""The numbers of the pictures of denoising: samplers with exact denoisers draw the law they are shown beside."""

from __future__ import annotations

import numpy as np
import pytest

from climdiff.workflow.lessons import denoising


@pytest.fixture(scope="module")
def lesson():
    return denoising.reverse()


def test_the_reverse_process_ends_in_both_modes_by_their_weights(lesson):
    upper = lesson.ends > -0.3
    assert upper.mean() == pytest.approx(0.6, abs=0.03)
    assert lesson.ends[upper].mean() == pytest.approx(0.9, abs=0.03)
    assert lesson.ends[~upper].std() == pytest.approx(0.25, abs=0.02)
    assert lesson.starts.std() == pytest.approx(1, abs=0.03)


def test_densities_have_mass_one_at_every_t(lesson):
    assert lesson.density.sum(1) * (lesson.grid[1] - lesson.grid[0]) == pytest.approx(1, abs=0.01)


def test_the_field_comes_back_from_noise_to_the_correlation_of_rain(lesson):
    likeness = [np.corrcoef(field[:, 1:].ravel(), field[:, :-1].ravel())[0, 1] for field in lesson.latents]
    assert lesson.times.tolist() == sorted(lesson.times, reverse=True)
    assert likeness[0] == pytest.approx(0, abs=0.05)
    assert likeness[-1] > 0.9
    away = [np.abs(np.log1p(each) - np.log1p(lesson.estimates[-1])).mean() for each in lesson.estimates]
    assert away == sorted(away, reverse=True)


def test_members_differ_and_have_the_mean_of_the_law():
    lesson = denoising.ensemble()
    assert lesson.members.shape == (denoising.N_MEMBERS, 64, 64)
    assert np.corrcoef(lesson.members[0].ravel(), lesson.members[1].ravel())[0, 1] < 0.6
    standard_error = lesson.members.std(0, ddof=1) / np.sqrt(denoising.N_MEMBERS)
    assert np.abs((lesson.members.mean(0) - lesson.expected) / np.maximum(standard_error, 1e-2)).mean() < 1.3


def test_guidance_of_weight_one_draws_the_conditional_law_and_zero_the_whole():
    conditional, everything = denoising.guided_samples(1.0), denoising.guided_samples(0.0)
    assert conditional.mean(0) == pytest.approx([0.0, 0.6], abs=0.03)
    assert conditional.std(0) == pytest.approx(0.5, abs=0.02)
    assert everything.mean(0) == pytest.approx([0.0, -1 / 3], abs=0.05)


def test_guidance_above_one_moves_away_and_narrows():
    lesson = denoising.guidance()
    assert (np.diff(lesson.mean) > 0).all()
    assert (np.diff(lesson.spread) < 0).all()
    assert lesson.samples.shape == (5, 1500, 2)
    cell = (lesson.grid[1] - lesson.grid[0]) ** 2
    assert lesson.everything.sum() * cell == pytest.approx(1, abs=0.01)
    peak = np.unravel_index(lesson.wanted.argmax(), lesson.wanted.shape)
    assert lesson.grid[list(peak)] == pytest.approx([0.6, 0.0], abs=0.05)
