"""Fields and densities as the lecture's pictures draw them."""

from __future__ import annotations

import numpy as np
import pytest

from climdiff.report.lessons import sheet


def test_a_sheet_has_the_width_of_all_and_two_parts():
    figure = sheet.sheet(3.0)
    assert figure.get_size_inches().tolist() == [sheet.WIDTH, 3.0]
    upper, lower = sheet.halves(figure, (2, 1))
    assert sheet.panels_of(upper, 1, 3).shape == (1, 3)
    assert sheet.panels_of(lower, 2, 2).shape == (2, 2)


def test_dry_is_brown_rain_is_green_and_the_border_white():
    axes = sheet.panels_of(sheet.sheet(2.0), 1, 1)[0, 0]
    sheet.latent(axes, np.array([[-2.0, 0.0, 2.0]]))
    image = axes.images[0]
    dry, border, wet = image.to_rgba(image.get_array())[0, :, :3]
    assert dry[0] > dry[1] > dry[2]
    assert wet[1] > wet[0]
    assert border.min() > 0.95


def test_rain_has_one_scale_whatever_the_field():
    scale = sheet.rain_scale()
    assert scale.levels[[0, -1]].tolist() == [0.1, 100.0]
    assert sheet.rain_spread_scale().levels.tolist() == scale.levels.tolist()


def test_a_sideways_density_runs_along_the_values():
    axes = sheet.panels_of(sheet.sheet(2.0), 1, 1)[0, 0]
    grid = np.linspace(-1, 1, 11)
    sheet.sideways(axes, np.zeros(50), grid, grid**2, "black")
    assert axes.lines[0].get_ydata() == pytest.approx(grid)
    tallest = max(axes.patches, key=lambda bar: bar.get_width())
    assert tallest.get_y() <= 0 <= tallest.get_y() + tallest.get_height()
