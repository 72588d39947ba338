"""The figure of a calibration shows what was tried, what the recipe says and what was chosen."""

from __future__ import annotations

from climdiff.report.calibrations import Way, calibration_figure


def way(evaluations, factor, spread_skill, is_own=False, is_chosen=False, is_on_curve=True):
    spread = (spread_skill, spread_skill - 0.1, spread_skill + 0.2)
    return Way(evaluations, factor, 0.3, spread, is_own, is_chosen, is_on_curve)


def test_panels_show_costs_and_the_curve_of_the_factor():
    ways = [
        way(30, 1.0, 0.7, is_own=True, is_on_curve=False),
        way(10, 1.2, 0.9),
        way(10, 1.0, 0.8),
        way(10, 1.3, 1.0, is_chosen=True),
    ]
    figure = calibration_figure(ways, (0.95, 1.05), "mm h-1")
    costs, scores, spreads = figure.axes
    assert costs.get_xscale() == "log"
    assert [label.get_text() for label in costs.get_xticklabels()] == ["10", "30"]
    assert scores.get_ylabel() == "fair CRPS [mm h-1]"
    assert spreads.get_lines()[0].get_xydata().tolist() == [[1.0, 0.8], [1.2, 0.9], [1.3, 1.0]]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["tried", "as in the recipe", "chosen"]


def test_a_recipe_that_is_best_is_both():
    figure = calibration_figure([way(10, 1.0, 1.0, is_own=True, is_chosen=True)], (0.95, 1.05))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["chosen, as in the recipe"]
