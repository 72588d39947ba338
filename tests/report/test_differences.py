"""The verdict in a sentence and as a picture says what the intervals say."""

import io

import numpy as np

from climdiff.report.differences import BETTER, OPEN, WORSE, differences_figure, reading, standing
from climdiff.verification.significance import Difference


def difference(percent, low, high):
    return Difference(percent, low, high, 92, 40.0, 5)


FOUND = {
    "analogs": difference(-20.0, -25.0, -15.0),
    "oracle": difference(4.0, 2.0, 6.0),
    "quantile_mapping": difference(-1.0, -3.0, 1.0),
}


def test_the_standing_counts_what_is_sure():
    assert standing(FOUND) == (
        "The fair CRPS is better than 1 of 3 methods (analogs); not told apart from 1 of 3 methods (quantile mapping); "
        "worse than 1 of 3 methods (oracle)."
    )


def test_too_few_times_tell_nothing_and_no_methods_need_no_sentence():
    assert "too few" in standing({"analogs": difference(-20.0, np.nan, np.nan)})
    assert standing({}) == ""


def test_what_the_intervals_are_is_told_where_there_are_any():
    said = reading(FOUND.values(), "days")
    assert "whole stretches of days" in said
    assert said.endswith("With 95 % confidence all the intervals contain their true difference.")
    untold = difference(-20.0, np.nan, np.nan)
    assert reading([FOUND["oracle"], untold], "times").endswith("With 95 % confidence it contains the true difference.")
    assert reading([untold], "days") == reading([], "days") == ""


def test_methods_without_error_are_named_and_not_drawn():
    none = difference(np.nan, np.nan, np.nan)
    assert standing({"analogs": FOUND["analogs"], "bilinear": none}) == (
        "The fair CRPS is better than 1 of 2 methods (analogs); without a difference in percent to 1 of 2 methods "
        "(bilinear)."
    )
    assert standing({"bilinear": none}).endswith("without a difference in percent to 1 of 1 methods (bilinear).")
    axes = differences_figure({**FOUND, "bilinear": none}).axes[0]
    assert "bilinear" not in [label.get_text() for label in axes.get_yticklabels()]


def test_the_picture_has_the_interval_and_its_meaning_of_every_method():
    axes = differences_figure(FOUND).axes[0]
    shown = {line.get_color(): line for line in axes.lines if len(line.get_xdata()) == 1}
    assert {color: line.get_xdata()[0] for color, line in shown.items()} == {BETTER: -20.0, WORSE: 4.0, OPEN: -1.0}
    assert len({line.get_marker() for line in shown.values()}) == 3  # readable without color
    assert sorted(tuple(line.get_xdata()) for line in axes.lines if len(line.get_xdata()) == 2)[0] == (-25.0, -15.0)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["oracle", "quantile mapping", "analogs"]


def test_a_difference_without_an_interval_is_drawn_as_not_told_apart():
    axes = differences_figure({"analogs": difference(-20.0, np.nan, np.nan)}).axes[0]
    (point,) = [line for line in axes.lines if len(line.get_xdata()) == 1]
    assert point.get_color() == OPEN


def test_a_hostile_name_is_drawn_as_text():
    figure = differences_figure({"$\\frac{\x1b": FOUND["oracle"]})
    figure.savefig(io.BytesIO())
    assert figure.axes[0].get_yticklabels()[0].get_text() == r"\$\frac{"
