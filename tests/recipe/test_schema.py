"""The models: defaults, bounds, and checks of keys against each other."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pydantic import ValidationError

from climdiff.errors import Problem, RecipeError
from climdiff.recipe.load import parse
from climdiff.recipe.schema import Recipe, Section

Spoil = Callable[..., list[Problem]]


def sections(model: type[Section]) -> list[type[Section]]:
    inner = [field.annotation for field in model.model_fields.values()]
    found = [each for each in inner if isinstance(each, type) and issubclass(each, Section)]
    return [model] + [deeper for each in found for deeper in sections(each)]


@pytest.mark.parametrize("section", sections(Recipe), ids=lambda section: section.__name__)
def test_every_section_is_closed_strict_and_frozen(section: type[Section]) -> None:
    assert section.model_config["extra"] == "forbid"
    assert section.model_config["strict"] is True
    assert section.model_config["frozen"] is True
    assert section.model_config["allow_inf_nan"] is False


def test_a_recipe_cannot_be_changed(sound: str) -> None:
    recipe = parse(sound)
    with pytest.raises(ValidationError, match="frozen"):
        recipe.train.steps = 3  # type: ignore[misc]


def test_a_recipe_survives_json_unchanged(sound: str) -> None:
    recipe = parse(sound + "report: {times: [3, 2005-02-01, 2005-02-01T12:30]}\n")
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe


def test_saved_recipes_are_held_to_the_same_consistency(sound: str) -> None:
    saved = parse(sound).model_dump_json().replace('"targets":{"pr"', '"targets":{"tas"')
    with pytest.raises(ValidationError, match=r"targets.tas.'tas' is not in data.targets \(pr\)"):
        Recipe.model_validate_json(saved)


def test_options_of_the_embedded_world_keep_their_types(sound: str) -> None:
    options = "  options: {size: [48, 64], seed: 3, spacing_km: 2.5, start: 1991-01-01, wet: true}\n  targets"
    read = parse(sound.replace("  targets", options, 1)).data.options
    assert read == {"size": (48, 64), "seed": 3, "spacing_km": 2.5, "start": "1991-01-01", "wet": True}
    assert type(read["seed"]) is int and type(read["spacing_km"]) is float


@pytest.mark.parametrize("period", ["[1991-02-30, 2002-12-30]", "[1990-01-01, 1990-01-01]"])
def test_a_period_may_be_in_any_calendar_and_may_be_one_day(period: str, sound: str) -> None:
    recipe = parse(sound.replace("[1991-01-01, 2002-12-31]", period))
    assert list(recipe.data.split.train) == period.strip("[]").split(", ")


@pytest.mark.parametrize(
    ("old", "new", "code", "message"),
    [
        ("2003-01-10", "2002-12-01", 43,
         "r.yaml:9:5: data.split.validation: train and validation share 2002-12-01 to 2002-12-31. Fix: give train,"),
        ("[2005-01-10, 2006-12-31]", "[1980-01-01, 2020-12-31]", 43, "train and test share 1991-01-01 to 2002-12-31"),
        ("[2005-01-10, 2006-12-31]", "[2006-12-31, 2005-01-10]", 43,
         "data.split.test: the period ends (2005-01-10) before it begins (2006-12-31). Fix: write the earlier date"),
        ("2005-01-10", "2005-1-10", 37, "data.split.test[0]: expected a date, found '2005-1-10'. Fix: write it"),
        ("2005-01-10", "2005-04-31", 37, "data.split.test[0]: 2005-04-31 is in no calendar. Fix: "),
        ("2005-01-10", "20٠5-01-10", 37, "data.split.test[0]: expected a date, found '20٠5-01-10'"),
        ("[2005-01-10, 2006-12-31]", "2005-01-10", 42, "data.split.test: expected a period [first, last] or the name"),
        ("[2005-01-10, 2006-12-31]", "[2005-01-10]", 37, "data.split.test[1]: missing"),
        ("    test: [2005-01-10, 2006-12-31]\n", "", 37, "r.yaml:7:3: data.split.test: missing. Fix: add it"),
        ("  targets: [pr]\n", "  targets: [pr]\n  statics: [orog]\n", 37,
         "r.yaml:7:3: data.statics: static variables named, but data.static is null. Fix: set data.static"),
        ("[pr, psl]", "[psl]", 37, "r.yaml:13:21: transforms.targets.pr[1]: residual of 'pr' needs 'pr' among"),
        ("    pr:", "    tas:", 37, "transforms.targets.tas: 'tas' is not in data.targets (pr). Fix: remove it"),
        ("  targets:\n", "  predictors:\n", 37, "transforms.predictors.pr[1]: a predictor has no first guess"),
        ("[cube_root,", "[cube_root, cube_root,", 37, "transforms.targets.pr[1]: step 'cube_root' given twice"),
        ("", "transforms_: 1\n", 37, "transforms_: unknown key, did you mean 'transforms'?"),
        ("", "sample: {eta: 0.5}\n", 37,
         "r.yaml:16:15: sample.eta: eta 0.5 means nothing to sampler dpmpp_2m. Fix: remove eta, or set"),
        ("", "sample: {steps: 1001}\n", 37, "sample.steps: 1001 sampling steps on a chain of 1000 (diffusion.n_steps)"),
        ("", "diffusion: {n_steps: 9}\n", 37, "sample.steps: 10 sampling steps on a chain of 9 (diffusion.n_steps)"),
        ("2000", "2000\n  condition_dropout: 0\nsample: {guidance: 2}", 37,
         "sample.guidance: guidance 2 needs a network trained without the condition too, but train.condition_drop"),
        ("", "verify: {regions: {north: [44, 40, 0, 9]}}\n", 37, "south (44) lies north of north (40)"),
        ("", "verify: {thresholds: {tas: [280]}}\n", 37, "verify.thresholds.tas: 'tas' is not in data.targets (pr)"),
        ("", "verify: {baselines: [analogs, analogs]}\n", 37, "verify.baselines: analogs given twice"),
        ("", "report: {times: [2005-02-01T25]}\n", 37, "report.times[0]: expected a time, found '2005-02-01T25'"),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_one_clear_line(
    old: str, new: str, code: int, message: str, spoil: Spoil
) -> None:
    matching = [problem for problem in spoil(old, new) if message in str(problem)]
    assert [problem.code for problem in matching] == [code]


@pytest.mark.parametrize("eta", [0, 0.5, 1])
def test_ddim_takes_any_eta(eta: float, sound: str) -> None:
    assert parse(sound + f"sample: {{sampler: ddim, eta: {eta}}}\n").sample.eta == eta


def test_named_subsets_split_too_but_not_twice(sound: str) -> None:
    split = "train: [1991-01-01, 2002-12-31]"
    assert parse(sound.replace(split, "train: historical")).data.split.train == "historical"
    with pytest.raises(RecipeError, match=r"CD-043 .*train and test share the subset 'all'"):
        parse(sound.replace(split, "train: all").replace("[2005-01-10, 2006-12-31]", "all"))


def test_an_oracle_of_other_data_is_refused_before_anything_runs(sound: str) -> None:
    text = sound + "\nverify: {baselines: [bilinear, oracle]}\n"
    with pytest.raises(RecipeError, match=r"CD-037 .*verify\.baselines: the oracle knows the law"):
        parse(text.replace("world/fine", "mine/fine"))


def test_baselines_are_the_ladder_or_a_list_of_methods(sound: str, spoil: Spoil) -> None:
    assert parse(sound).verify.baselines == "ladder"
    assert parse(sound + "verify: {baselines: [pixel_law, bcsd]}\n").verify.baselines == ("pixel_law", "bcsd")
    assert parse(sound + "verify: {baselines: []}\n").verify.baselines == ()
    for wrong, place in (("stairs", "verify.baselines: "), ("[ladder]", "verify.baselines[0]: ")):
        (problem,) = spoil("", f"verify: {{baselines: {wrong}}}\n")
        assert problem.code == 37
        assert place in str(problem)
