"""Figures of skill show the numbers they were given."""

import numpy as np

from climdiff.report.skill import Binned, Quantiles, Scales, fss_figure, quantile_figure, spread_error_figure

WIDTHS = np.array([1, 3, 5])


def scales(event, **scores):
    return Scales(event, WIDTHS, {name: np.array(values) for name, values in scores.items()}, 0.6)


def test_each_event_has_a_panel_with_every_method_and_the_useful_score():
    events = [scales(f"pr ≥ {n}", diffusion=[0.5, 0.7, 0.9], bilinear=[0.2, 0.3, 0.4]) for n in (1, 10)]
    figure = fss_figure(events)
    panels = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title(loc="left") for axes in panels] == ["pr ≥ 1", "pr ≥ 10"]
    useful, model, other = panels[1].lines
    assert list(useful.get_ydata()) == [0.6, 0.6]
    assert list(model.get_ydata()) == [0.5, 0.7, 0.9] and list(other.get_xdata()) == [1, 3, 5]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["diffusion", "bilinear"]


def test_more_events_than_fit_beside_each_other_go_on_below():
    events = [scales(str(n), diffusion=[0.5, 0.7, 0.9]) for n in range(5)]
    figure = fss_figure(events)
    assert sum(axes.get_visible() for axes in figure.axes) == 5
    assert figure.get_figwidth() < 7.3


def test_spread_and_error_share_their_axes_and_equal_ones_lie_on_the_diagonal():
    spread = np.array([0.5, 1.0, 2.0])
    axes = spread_error_figure({"diffusion": Binned(spread, spread)}, "K").axes[0]
    diagonal, model = axes.lines
    assert np.array_equal(diagonal.get_xdata(), diagonal.get_ydata())
    assert np.array_equal(model.get_xdata(), model.get_ydata())
    assert axes.get_xlim() == axes.get_ylim()
    assert axes.get_xlabel() == "spread of the ensemble [K]"


def test_quantiles_that_lie_together_have_one_name():
    truth = np.array([0.0, 0.1, 5.0, 20.0])
    figure = quantile_figure(Quantiles(["50", "90", "99", "99.9"], truth, {"diffusion": truth * 0.9}), "mm")
    axes = figure.axes[0]
    assert np.allclose(axes.lines[1].get_ydata(), truth * 0.9)
    names = [text.get_text() for text in axes.child_axes[0].get_xticklabels()]
    assert names == ["P99.9", "P99", "P90"]


def test_values_that_are_all_the_same_are_drawn():
    same = np.array([3.0, 3.0])
    low, high = quantile_figure(Quantiles(["50", "90"], same, {"diffusion": same})).axes[0].get_xlim()
    assert low < 3.0 < high
