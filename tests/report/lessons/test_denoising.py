"""What the pictures of denoising show, from numbers made up here."""

from __future__ import annotations

import numpy as np
import pytest

from climdiff.report.lessons import denoising
from climdiff.report.lessons.denoising import Ensemble, Guidance, Reverse

GRID = np.linspace(-3, 3, 61)
NORMAL = np.exp(-(GRID**2) / 2) / np.sqrt(2 * np.pi)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_reverse_runs_from_noise_on_the_left_to_data_on_the_right(rng):
    density = np.stack([2 * NORMAL, *[NORMAL] * 10])
    fields = rng.normal(size=(3, 8, 8))
    lesson = Reverse(
        rng.normal(size=(11, 5)),
        rng.normal(size=200),
        rng.normal(size=200),
        GRID,
        density,
        np.array([10, 5, 0]),
        fields,
        np.exp(fields),
    )
    start, paths, end, *maps = denoising.reverse_figure(lesson).axes
    assert paths.get_xlim() == (10, 0)
    assert paths.lines[0].get_xdata().tolist() == list(range(10, -1, -1))
    assert np.allclose(start.lines[0].get_xdata(), NORMAL)
    assert np.allclose(end.lines[0].get_xdata(), 2 * NORMAL)
    assert [axes.get_title() for axes in maps[:3]] == ["$z_{10}$", "$z_{5}$", "x"]
    assert np.allclose(maps[5].images[0].get_array(), np.exp(fields[2]))


def test_ensemble_shows_a_member_under_its_noise_and_mean_and_spread(rng):
    members, starts = rng.gamma(1, 5, size=(6, 8, 8)), rng.normal(size=(2, 8, 8))
    lesson = Ensemble(rng.gamma(1, 5, size=(2, 2)), starts, members, members.mean(0) + 1)
    shown = {axes.get_title(): axes for axes in denoising.ensemble_figure(lesson).axes if axes.images}
    for title, values in {
        "$z_T$ of member 2": starts[1],
        "↓ member 2": members[1],
        "mean of 6": members.mean(0),
        "spread of 6": members.std(0, ddof=1),
        "mean of the exact law": lesson.expected,
    }.items():
        assert np.allclose(shown[title].images[0].get_array(), values)


def test_guidance_has_a_panel_a_weight_and_two_curves(rng):
    plane = np.outer(NORMAL, NORMAL)
    samples, swept = rng.normal(size=(2, 30, 2)), np.linspace(0, 4, 5)
    weights, center = np.array([0.0, 2.0]), np.array([0.0, 0.6])
    figure = denoising.guidance_figure(
        Guidance(weights, samples, GRID, plane, plane, center, 0.5, swept, swept / 2, 1 / (1 + swept))
    )
    first, second, mean, spread = figure.axes
    assert [first.get_title(), second.get_title()] == ["w = 0", "w = 2"]
    scattered = [artist.get_offsets() for artist in second.collections if len(artist.get_offsets()) == 30]
    assert np.allclose(scattered[0], samples[1])
    assert mean.lines[0].get_ydata() == pytest.approx(swept / 2)
    assert mean.lines[1].get_ydata() == pytest.approx([0.6, 0.6])
    assert spread.get_xlabel() == "guidance weight w"
