import pytest

from climdiff.report.tables import COLUMNS, event_table, headline, key_numbers, score_table

SCORES = {
    "diffusion": {"crps_fair": 0.138, "mae": 0.19, "bias": -0.02, "spread_skill": 1.04, "n_members": 16.0},
    "bilinear": {"crps_fair": 0.24, "mae": 0.24, "bias": 0.003, "spread_skill": None, "n_members": 1.0},
    "analogs": {"crps_fair": 0.248, "mae": 0.3, "bias": float("nan"), "spread_skill": 0.9, "n_members": 20.0},
    "oracle": {"crps_fair": 0.12, "mae": 0.17, "bias": 0.0, "spread_skill": 1.0, "n_members": 16.0},
}


def test_the_headline_sets_the_model_beside_every_other() -> None:
    sentence = headline("daily rain", "mm h-1", SCORES, "diffusion")
    assert sentence == (
        "Daily rain: fair CRPS 0.138 mm h⁻¹, 0.575 of the mean absolute error of bilinear interpolation (0.240); "
        "analogs 0.248, oracle 0.120."
    )


def test_the_headline_of_a_model_alone_is_short() -> None:
    assert headline("rain", "", {"diffusion": {"crps_fair": 0.5}}, "diffusion") == "Rain: fair CRPS 0.500."


def test_a_model_that_was_not_scored_is_not_praised() -> None:
    assert (
        headline("rain", "K", {"diffusion": {"crps_fair": None}}, "diffusion") == "Rain was not scored for diffusion."
    )


def test_the_key_numbers_are_those_of_the_model() -> None:
    assert key_numbers("mm h-1", SCORES, "diffusion") == [
        ("0.138 mm h⁻¹", "fair CRPS"),
        ("58 %", "of bilinear's MAE"),
        ("115 %", "of the oracle's CRPS"),
        ("1.04", "spread / skill (best 1)"),
    ]
    assert key_numbers("K", {}, "diffusion") == []


@pytest.mark.parametrize(
    ("column", "best"),
    [
        ("crps_fair", "diffusion"),
        ("mae", "diffusion"),
        ("bias", "bilinear"),
        ("spread_skill", "diffusion"),
        ("n_members", None),
    ],
)
def test_the_best_of_each_column_is_marked_and_the_oracle_never(column: str, best: str | None) -> None:
    keys, rows = score_table(SCORES)
    marked = {name for name, cells in rows.items() if cells[keys.index(column)].is_best}
    assert marked == ({best} if best else set())


def test_scores_in_units_share_their_decimals_and_gaps_are_dashes() -> None:
    keys, rows = score_table(SCORES)
    assert keys == ["crps_fair", "mae", "bias", "spread_skill", "n_members"]
    assert [cell.text for cell in rows["bilinear"]] == ["0.240", "0.240", "0.003", "–", "1"]
    assert rows["analogs"][2].text == "–"


def test_a_single_method_is_not_the_best_of_anything() -> None:
    _, rows = score_table({"diffusion": {"crps_fair": 0.1}})
    assert not any(cell.is_best for cell in rows["diffusion"])


def test_every_column_says_what_it_means() -> None:
    assert all(len(column.meaning) > 20 and column.meaning.endswith(".") for column in COLUMNS.values())


def test_events_have_a_row_for_the_truth() -> None:
    row = {"brier@1": 0.2, "brier_fair@1": 0.15, "wet_fraction@1": 0.3, "wet_fraction_truth@1": 0.28}
    headings, rows = event_table({"diffusion": row, "bilinear": row | {"brier_fair@1": 0.25}})
    assert headings == ["Brier, ≥ 1", "frequency, ≥ 1"]
    assert rows == {"diffusion": ["0.1500", "0.3000"], "bilinear": ["0.2500", "0.3000"], "truth": ["", "0.2800"]}
    assert event_table(SCORES)[0] == []
