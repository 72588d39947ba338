from typing import get_args

from climdiff.recipe.fields import Baseline, NeuralRung
from climdiff.report.tables import METHODS, headline, key_numbers

SCORES = {
    "diffusion": {"crps_fair": 0.138, "mae": 0.19, "bias": -0.02, "spread_skill": 1.04, "n_members": 16.0},
    "bilinear": {"crps_fair": 0.24, "mae": 0.24, "bias": 0.003, "spread_skill": None, "n_members": 1.0},
    "analogs": {"crps_fair": 0.248, "mae": 0.3, "bias": float("nan"), "spread_skill": 0.9, "n_members": 20.0},
    "oracle": {"crps_fair": 0.12, "mae": 0.17, "bias": 0.0, "spread_skill": 1.0, "n_members": 16.0},
}


def test_the_headline_sets_the_model_beside_interpolation() -> None:
    sentence = headline("daily rain", "mm h-1", SCORES, "diffusion")
    assert sentence == (
        "Daily rain: fair CRPS 0.138 mm h⁻¹, 0.575 of the mean absolute error of bilinear interpolation (0.240)."
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


def test_every_method_of_a_recipe_is_explained() -> None:
    assert set(get_args(Baseline)) | set(get_args(NeuralRung)) <= set(METHODS)
