"""The score card orders methods, shades by the difference of errors, and marks what is sure."""

import pytest

from climdiff.report.cards import Cell, card, meanings, shade
from climdiff.report.rows import Row

SCORES = {
    "bilinear": {"crps_fair": 0.24, "bias": 0.0, "spread_skill": None, "p99": 20.0, "p99_truth": 25.0},
    "diffusion": {"crps_fair": 0.138, "mae": 0.2, "bias": -0.002, "spread_skill": 0.9, "p99": 24.0, "p99_truth": 25.0},
    "analogs": {"crps_fair": 0.139, "bias": float("nan"), "spread_skill": 1.0, "p99": 25.5, "p99_truth": 25.0},
}


def cells(key, **options):
    found = card(SCORES, "diffusion", **options)
    (line,) = [line for _, lines in found.groups for line in lines if line.row.key == key]
    return dict(zip(found.methods, line.cells, strict=True))


def test_the_model_comes_first_and_the_others_by_their_score():
    assert card(SCORES, "diffusion").methods == ("diffusion", "analogs", "bilinear")


def test_the_model_has_no_color_and_an_equal_method_is_alike():
    found = cells("crps_fair")
    assert (found["diffusion"].shade, found["analogs"].shade, found["bilinear"].shade) == ("", "same", "worse-1")


def test_a_row_that_the_coarse_field_gives_has_numbers_and_no_color():
    found = card(SCORES, "diffusion", given=frozenset({"p99"}))
    lines = {line.row.key: line for _, lines in found.groups for line in lines}
    assert [(cell.text, cell.shade) for cell in lines["p99"].cells] == [("24.0", ""), ("25.5", ""), ("20.0", "")]
    assert [key for key, line in lines.items() if line.is_given] == ["p99"]
    assert lines["crps_fair"].cells[-1].shade == "worse-1"


def test_a_color_is_strong_only_in_rows_with_a_sure_difference():
    assert cells("crps_fair", sure=frozenset({("crps_fair", "bilinear")}))["bilinear"].shade == "worse-3"
    assert cells("crps_fair", sure=frozenset({("mae", "bilinear")}))["bilinear"].shade == "worse-1"


def test_cells_that_print_the_same_number_have_the_same_color():
    scores = {
        "diffusion": {"crps_fair": 0.1, "p95": 13.3613, "p95_truth": 13.4082},
        "analogs": {"crps_fair": 0.2, "p95": 13.4433, "p95_truth": 13.4082},
        "bilinear": {"crps_fair": 0.3, "p95": 13.4082, "p95_truth": 13.4082},
    }
    found = card(scores, "diffusion", sure=frozenset({("p95", "analogs")}))
    (line,) = [line for _, lines in found.groups for line in lines if line.row.key == "p95"]
    assert [cell.text for cell in line.cells] == ["13.4"] * 3 and line.truth == "13.4"
    assert [cell.shade for cell in line.cells] == ["", "same", "same"]


def test_distances_from_the_truth_are_relative_to_what_the_truth_has():
    truth = {"p99_truth": 25.0, "mae": 0.5}
    shades = [shade(Row("p99", "", "", "truth"), other, 25.1, truth) for other in (25.2, 26.0, 28.0, 35.0)]
    assert shades == ["same", "worse-1", "worse-2", "worse-3"]


def test_a_quantile_of_temperature_is_judged_alike_in_kelvin_and_celsius():
    row = Row("p99", "", "", "truth")
    celsius = shade(row, 21.0, 20.1, {"p99_truth": 20.0, "p50_truth": 10.0, "mae": 0.5})
    kelvin = shade(row, 294.15, 293.25, {"p99_truth": 293.15, "p50_truth": 283.15, "mae": 0.5})
    assert celsius == kelvin == "worse-1"


def test_a_truth_about_zero_is_no_small_unit():
    assert shade(Row("p50", "", "", "truth"), 0.105, 0.1, {"p50_truth": 0.1, "p90_truth": 5.0, "mae": 1.0}) == "same"


def test_only_what_was_tested_and_found_is_marked():
    found = cells("crps_fair", sure=frozenset({("crps_fair", "bilinear"), ("mae", "analogs")}))
    assert {name for name, cell in found.items() if cell.is_sure} == {"bilinear"}


def test_what_is_not_known_is_a_dash_without_color():
    assert cells("bias")["analogs"] == Cell("–")
    assert cells("spread_skill")["bilinear"] == Cell("–")


def test_a_quantile_is_judged_by_its_distance_to_the_truth_which_has_a_column():
    found = card(SCORES, "diffusion")
    (line,) = [line for _, lines in found.groups for line in lines if line.row.key == "p99"]
    assert [cell.shade for cell in line.cells] == ["", "better-1", "worse-1"]
    assert (line.truth, found.has_truth) == ("25.0", True)


def test_a_bias_that_does_not_matter_has_no_color():
    assert cells("bias")["bilinear"].shade == "same"  # 0.002 beside a mean absolute error of 0.2


@pytest.mark.parametrize(
    ("best", "theirs", "mine", "expected"),
    [
        ("low", 1.01, 1.0, "same"),
        ("low", 1.05, 1.0, "worse-1"),
        ("low", 1.0, 1.2, "better-2"),
        ("low", 1.0, 1.5, "better-3"),
        ("high", 0.95, 0.8, "better-2"),
        ("high", 0.9988, 0.9975, "same"),
        ("one", 2.0, 0.5, "same"),
        ("one", 1.07, 0.95, "same"),
        ("one", 1.15, 0.95, "worse-1"),
        ("one", 0.0, 0.9, "worse-3"),
        ("none", 5.0, 1.0, ""),
    ],
)
def test_the_shade_follows_the_distance_from_what_is_best(best, theirs, mine, expected):
    assert shade(Row("score", "", "", best), theirs, mine, {}) == expected


def test_a_card_of_a_model_alone_has_its_numbers():
    found = card({"ensemble": {"crps_fair": 0.5}}, "ensemble")
    assert [cell.text for _, lines in found.groups for line in lines for cell in line.cells] == ["0.500"]


def test_each_score_is_explained_once_whatever_variable_has_it():
    rain = {"diffusion": {"crps_fair": 0.1, "brier_fair@1": 0.1, "brier_fair@5": 0.1, "p99": None}}
    wind = {"diffusion": {"crps_fair": 0.2, "spread_skill": 1.0}}
    assert list(meanings([rain, wind])) == ["Fair CRPS", "Spread / skill", "Brier score"]


def test_a_spread_of_nothing_is_as_bad_as_can_be_and_alike_among_two():
    row = Row("spread_skill", "Spread", "Below 1 too sure.", "one", False)
    found = [shade(row, theirs, mine, {}) for theirs, mine in ((0.9, 0.0), (0.0, 0.9), (0.0, 0.0))]
    assert found == ["better-3", "worse-3", "same"]
