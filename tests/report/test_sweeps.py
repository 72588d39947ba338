"""The figure of a sweep shows every way, and one that fails does not flatten the others."""

from __future__ import annotations

from climdiff.report.sweeps import EVALUATIONS, Point, sweep_figure


def point(line, x, crps):
    return Point(line, x, {"crps_fair": crps, "spread_skill": 0.9, "small_scale_ratio": 1.2})


def test_panels_show_scores_against_evaluations():
    figure = sweep_figure([point("ddim", 20, 0.5), point("ddim", 5, 0.6), point("heun", 5, 9.0)], units="mm h-1")
    assert [axes.get_xlabel() for axes in figure.axes] == [EVALUATIONS] * 3
    assert figure.axes[0].get_ylabel() == "fair CRPS [mm h-1]"
    assert figure.axes[0].get_lines()[0].get_xydata().tolist() == [[5.0, 0.6], [20.0, 0.5]]
    assert figure.axes[0].get_ylim()[1] < 1.0
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["ddim", "heun"]


def test_other_axes_are_linear():
    figure = sweep_figure([point("members", 1.0, 0.5), point("members", 2.0, 0.6)], "guidance")
    assert figure.axes[1].get_xscale() == "linear"
    assert figure.axes[1].get_xlabel() == "guidance"
