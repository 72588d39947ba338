"""What a reader is told, word by word."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from climdiff.verification.sentences import footing, name_of, nested, sentence, tabled
from climdiff.verification.significance import Difference

BETTER, WORSE = Difference(-7.2, -10.0, -4.1, 92, 40.0, 5), Difference(3.3, 0.5, 6.1, 92, 40.0, 5)
SAME, FEW = Difference(-1.2, -5.4, 3.0, 92, 40.0, 5), Difference(-41.8, np.nan, np.nan, 16, 4.9, 2)
NONE = Difference(*[np.nan] * 3, 92, np.nan, 1, means=(0.003, 0.0))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (BETTER, "fair CRPS better than analogs by 7.2 % [4.1, 10.0], paired block bootstrap over 92 days"),
        (WORSE, "fair CRPS worse than analogs by 3.3 % [0.5, 6.1], paired block bootstrap over 92 days"),
        (
            SAME,
            "fair CRPS shows no difference to analogs: 1.2 % better [-3.0, 5.4], paired block bootstrap over 92 days",
        ),
        (
            FEW,
            "too few days to tell fair CRPS from that of analogs: 41.8 % better, but 16 days are worth 4.9 independent "
            "ones, and 10 are needed",
        ),
        (NONE, "fair CRPS worse than analogs: 0.003 against 0 mm/day over 92 days"),
        (replace(NONE, means=(0.0, 0.0)), "fair CRPS equal to that of analogs: 0 against 0 mm/day over 92 days"),
        (replace(NONE, means=(0.0, -0.1)), "fair CRPS worse than analogs: 0 against -0.1 mm/day over 92 days"),
        (replace(NONE, means=(-0.2, 0.0)), "fair CRPS better than analogs: -0.2 against 0 mm/day over 92 days"),
    ],
)
def test_better_worse_equal_and_untold_are_said_as_plainly(found: Difference, expected: str):
    assert sentence("crps_fair", "analogs", found, "days", units="mm/day") == expected


@pytest.mark.parametrize(
    ("percent", "low", "high", "expected"),
    [
        (-1.6, -3.2, 0.02, "shows no difference to analogs: 1.6 % better [-0.02, 3.2]"),
        (-1.6, -3.2, 0.0, "shows no difference to analogs: 1.6 % better [0.0, 3.2]"),
        (0.0, -0.04, 0.05, "shows no difference to analogs: 0.0 % worse [-0.04, 0.1]"),
        (-0.03, -0.06, -0.004, "better than analogs by 0.03 % [0.004, 0.1]"),
        (2e-7, 1e-9, 4e-7, "worse than analogs by 2e-07 % [1e-09, 4e-07]"),
    ],
)
def test_small_differences_keep_a_digit_and_zero_has_no_sign(percent: float, low: float, high: float, expected: str):
    said = sentence("mae", "analogs", Difference(percent, low, high, 92, 40.0, 5), "days")
    assert said == f"MAE of the mean {expected}, paired block bootstrap over 92 days"


def test_a_score_without_the_units_of_the_variable_is_told_without():
    said = [sentence(score, "analogs", NONE, "days", units="K") for score in ("brier@1", "rmse")]
    assert said[0] == "Brier score at 1 worse than analogs: 0.003 against 0 over 92 days"
    assert said[1] == "RMSE of the mean worse than analogs: 0.003 against 0 K over 92 days"


def test_the_score_of_a_single_field_is_called_what_it_is():
    said = sentence("crps_fair", "bilinear", WORSE, "days", is_single=True)
    assert said.startswith("fair CRPS worse than bilinear (a single field: its CRPS is its MAE) by 3.3 %")
    assert "single" not in sentence("mae", "bilinear", WORSE, "days", is_single=True)


def test_scores_have_names_a_reader_knows():
    names = [name_of(score) for score in ("rmse", "brier@1", "brier_fair@0.1")]
    assert names == ["RMSE of the mean", "Brier score at 1", "fair Brier score at 0.1"]


def test_a_verdict_says_what_its_intervals_rest_on():
    assert footing(BETTER, 8, "days") == "the 8 intervals hold at once at 95 %; 19 blocks of 5 days"
    assert footing(BETTER, 1, "scenes") == "the interval holds at 95 %; 19 blocks of 5 scenes"
    assert footing(FEW, 1, "scenes") == ""


def test_differences_become_a_tree_and_a_table():
    found = {("pr", "crps_fair", "analogs"): BETTER, ("pr", "crps_fair", "bilinear"): FEW}
    found["pr", "crps_fair", "conservative"] = NONE
    tree = nested(found, dict.fromkeys(found, "said"))
    assert tree["pr"]["crps_fair"]["analogs"]["low"] == -10.0
    assert tree["pr"]["crps_fair"]["analogs"]["sentence"] == "said"
    assert tree["pr"]["crps_fair"]["bilinear"]["low"] is None
    table = tabled(found, "days")
    assert table["reference"].values.tolist() == ["analogs", "bilinear", "conservative"]
    assert table["verdict"].values.tolist() == ["better", "too few times", "reference without error"]
    assert table["n_blocks"].values[:2].tolist() == [19, 8]
    assert np.isnan([table[name].values[2] for name in ("block", "n_blocks")]).all()  # nothing was drawn
    assert np.isnan(table["difference_percent"].values).tolist() == [False, False, True]
    assert np.isnan(table["low"].values[1])
    assert table.attrs["n_counts"] == "days"
