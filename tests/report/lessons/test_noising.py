"""What the pictures of noising show, from numbers made up here."""

from __future__ import annotations

import numpy as np
import pytest

from climdiff.report.lessons import noising
from climdiff.report.lessons.noising import Forward, Kernel, Posterior, Schedules

GRID = np.linspace(-3, 3, 161)
NORMAL = np.exp(-(GRID**2) / 2) / np.sqrt(2 * np.pi)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_forward_shows_paths_their_end_and_a_field_at_each_time(rng):
    paths = rng.normal(size=(2, 3, 41)) + np.array([-1.0, 2.0])[:, None, None]
    paths[:, :, 0] = np.array([-1.0, 2.0])[:, None]
    fields = rng.normal(size=(3, 8, 8))
    lesson = Forward(
        paths,
        rng.normal(size=500),
        GRID,
        NORMAL,
        np.array([0, 5, 40]),
        np.array([1, 0.8, 0]),
        fields,
        abs(fields[0]),
    )
    figure = noising.forward_figure(lesson)
    fan, end, rain, *latents = figure.axes[:6]
    assert len(fan.lines) == 6
    assert [text.get_text() for text in fan.texts] == ["x = −1", "x = 2"]
    assert np.allclose(end.lines[0].get_xdata(), NORMAL)
    assert "z_t" in fan.get_ylabel()
    assert np.allclose(rain.images[0].get_array(), abs(fields[0]))
    assert [axes.get_title() for axes in latents] == ["its x", "$z_{5}$", "$z_{40}$"]
    assert latents[1].get_xlabel().endswith("= 0.80")


def test_kernel_shows_mean_and_spread_and_both_ways_to_a_sample(rng):
    t = np.arange(11)
    mean, std = 2 * np.exp(-t / 4), np.sqrt(1 - np.exp(-t / 2))
    draws = rng.normal(size=(2, 300))
    density = np.tile(NORMAL, (11, 1))
    lesson = Kernel(mean, std, GRID, density, rng.normal(size=(3, 11)), np.array([2, 8]), draws, draws + 0.1)
    figure = noising.kernel_figure(lesson)
    curves = [line.get_ydata() for line in figure.axes[0].lines]
    assert any(np.array_equal(curve, mean) for curve in curves)
    assert any(np.array_equal(curve, mean + std) for curve in curves)
    assert [axes.get_title(loc="left") for axes in figure.axes[1:]] == ["t = 2", "t = 8"]
    assert [text.get_text() for text in figure.axes[1].get_legend().get_texts()] == ["one jump", "t steps", "kernel"]


def test_posterior_names_its_two_parts_and_marks_the_product():
    three = np.tile(NORMAL, (3, 1))
    steps = np.linspace(0.1, 0.9, 50)
    lesson = Posterior(
        1.0,
        np.array([3, 10, 40]),
        np.array([0.8, 0.4, -1.2]),
        np.tile(GRID, (3, 1)),
        three,
        2 * three,
        3 * three,
        4 * three,
        steps,
        1 - steps,
        steps / 2,
        steps,
    )
    figure = noising.posterior_figure(lesson)
    labels = [line.get_label() for line in figure.axes[0].lines]
    assert [label.partition(":")[0] for label in labels[:2]] == ["from x", "from $z_t$"]
    assert figure.axes[0].lines[-1].get_ydata().max() <= 3 * NORMAL.max()
    assert "-1.20" in figure.axes[2].get_title(loc="left")
    assert figure.axes[3].get_xscale() == "log"
    assert figure.axes[4].lines[1].get_ydata() == pytest.approx(steps / 2)


def test_schedules_are_named_and_levels_run_from_noise_to_data():
    time, sigma = np.linspace(0.01, 1, 100), np.logspace(-2, 2, 100)
    alpha = {"linear": 1 / (1 + sigma**2), "cosine": 1 / (1 + sigma)}
    levels = {"trailing": np.array([80.0, 1.0, 0.1]), "karras": np.array([80.0, 4.0, 0.01])}
    figure = noising.schedules_figure(Schedules(time, alpha, dict.fromkeys(alpha, sigma), levels, "cosine"))
    signal, ratio, level, lower = figure.axes
    assert [line.get_label() for line in signal.lines] == ["linear", "cosine"]
    assert ratio.lines[0].get_ydata() == pytest.approx(np.log(alpha["linear"] / (1 - alpha["linear"])))
    assert level.get_yscale() == "log"
    left, right = lower.get_xlim()
    assert left > 80
    assert right < 0.01
    assert "3 evaluations" in lower.get_title(loc="left")
    assert [text.get_text().partition(":")[0] for text in lower.get_yticklabels()] == ["trailing", "karras"]
