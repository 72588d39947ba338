"""The neural rungs of the ladder: other methods trained on the recipe of a run, in `<run>/ladder/<method>`."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import get_args

from climdiff import bundle, methods
from climdiff.bundle import Model
from climdiff.errors import Problem, RecipeError
from climdiff.recipe.fields import Baseline, NeuralRung
from climdiff.recipe.schema import Recipe
from climdiff.training.loop import Progress
from climdiff.workflow import training

FOLDER = "ladder"
NEURAL = get_args(NeuralRung)


def named(recipe: Recipe) -> list[str]:
    """Return the neural rungs that the recipe wants its model judged beside; the model itself is none."""
    asked = recipe.verify.baselines
    wanted = {"ladder": (), "full_ladder": NEURAL}[asked] if isinstance(asked, str) else asked
    return [name for name in wanted if name in NEURAL and name != recipe.model.method]


def unasked(recipe: Recipe) -> list[str]:
    """Return the baselines that need no training and that the recipe does not name; none where it wants the ladder."""
    asked = recipe.verify.baselines
    return [] if isinstance(asked, str) else [name for name in get_args(Baseline) if name not in asked]


def without(recipe: Recipe) -> Recipe:
    """Return the recipe whose baselines are those that need no training."""
    asked = recipe.verify.baselines
    plain = "ladder" if isinstance(asked, str) else tuple(name for name in asked if name not in NEURAL)
    return recipe.model_copy(update={"verify": recipe.verify.model_copy(update={"baselines": plain})})


def folder_of(run: Path, recipe: Recipe, name: str) -> Path:
    """Return where a rung is trained; methods that share a training share its folder."""
    return run / FOLDER / methods.as_trained(methods.instead(recipe, name)).model.method


def train_missing(
    recipe: Recipe,
    run: Path,
    say: Callable[[str], None],
    on_step: Callable[[str, Progress], None],
    should_stop: Callable[[], bool],
) -> None:
    """Train the rungs of a recipe that are not trained yet, each from its last checkpoint if there is one.

    Args:
        recipe: The recipe of the run.
        run: Its folder.
        say: Takes lines for the user.
        on_step: Called after every optimizer step, with the rung.
        should_stop: Asked after every step; when true, a checkpoint is saved and training stops (CD-060).
    """
    for name in named(recipe):
        say(f"'{name}', to judge the model beside it")
        training.ensure(
            methods.instead(recipe, name),
            folder_of(run, recipe, name),
            say=say,
            on_step=partial(on_step, name),
            should_stop=should_stop,
        )


def trained(recipe: Recipe, run: Path, say: Callable[[str], None], needed: Collection[str] = ()) -> dict[str, Model]:
    """Return the rungs of a recipe that are trained; how to train one that is not is said in a line.

    Raises:
        RecipeError: CD-037, one that is `needed` is not trained.
    """
    found, problems = {}, []
    for name in named(recipe):
        rung, folder = methods.instead(recipe, name), folder_of(run, recipe, name)
        other = _unlike(folder, rung)
        if other == []:
            found[name] = bundle.load(folder, rung)
            continue
        why, how = _untrained(folder, rung, run, other)
        if name in needed:
            problems.append(Problem(37, "verify.baselines", f"'{name}' is asked for, but {why}", how))
        else:
            say(f"'{name}' is left out, as {why}: {how}")
    if problems:
        raise RecipeError(*problems)
    return found


def _unlike(folder: Path, rung: Recipe) -> list[str] | None:
    """Return in which keys the training in `folder` is another one, None where there is none; any dates test it."""
    other = training.unlike(folder, rung)
    return None if other is None else [each for each in other if not each.startswith("data.split.test: ")]


def _untrained(folder: Path, rung: Recipe, run: Path, other: list[str] | None) -> tuple[str, str]:
    """Return why a rung is not taken from its folder, and the command that trains it: with the recipe of the run.

    An ensemble that lies elsewhere than in its run has no such recipe beside it.
    """
    why = f"{folder} has no training of this recipe" if other is None else f"{folder} was trained with another recipe"
    own = run / "recipe.json"
    recipe = own if own.is_file() else "RUN/recipe.json"
    changes = f"model.method={folder.name} first_guess=null name={folder.name}"
    how = f"climdiff train {recipe} {changes} --runs {folder.parent}"
    if folder.name != rung.model.method:
        how += f", which serves '{folder.name}' and '{rung.model.method}'"
    return (why, how) if other is None else (f"{why} ({'; '.join(other)})", f"remove {folder}, then {how}")


def members(recipe: Recipe, name: str) -> list[int]:
    """Return the member numbers of a rung's ensemble: as many as the model's, or the only one there is."""
    return list(range(methods.count(methods.instead(recipe, name), recipe.generate.members)))
