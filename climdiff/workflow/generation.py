"""Bundle and predictors in, ensemble out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import climdiff
from climdiff import build, methods
from climdiff.bundle import Model
from climdiff.data import inputs
from climdiff.errors import Problem, RecipeError
from climdiff.generation.run import Summary
from climdiff.generation.run import generate as fill
from climdiff.generation.skeleton import read_record
from climdiff.generation.template import Template
from climdiff.recipe.schema import Recipe
from climdiff.workflow.given import opened

RANGES = ("valid_min", "valid_max", "is_plausibility_checked")
"""Attributes that speak of the training data, not of members."""
SOURCES = {
    "diffusion": "conditional diffusion model",
    "unet": "regression by a U-Net",
    "dressed_unet": "regression by a U-Net, dressed with its residuals",
    "crps": "noise-fed U-Net trained by the fair CRPS",
    "vae": "conditional variational autoencoder",
    "gan": "conditional generative adversarial network",
}
"""What a file says it comes from."""


def generate(
    model: Model,
    out: Path,
    *,
    members: int | None = None,
    seed: int | None = None,
    split: str | None = None,
    predictors: Path | None = None,
    observations: Path | None = None,
    known: Path | None = None,
    repair: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Summary:
    """Write an ensemble to the zarr store `out`; run again, it continues, and more members are added to those there.

    Args:
        model: A loaded bundle.
        out: The store.
        members: Size of the ensemble; that of the store by default, or the recipe's for a new one.
        seed: Key of all noise; the recipe's by default.
        split: Which times of the recipe's data: train, validation or test; the recipe's `generate.split` by default.
        predictors: Own predictors (netCDF file or zarr store) instead of the recipe's data.
        observations: Station values that members agree with, as `Model.steered` takes them; those of the recipe by
            default.
        known: Fine fields with gaps, whose known cells members keep; those of the recipe by default.
        repair: Look into every finished chunk, and make damaged ones again.
        progress: Called with (units done, units to do).

    Raises:
        ClimdiffError: predictors the model cannot take, a store of another run, a full disk ...
    """
    own = {key: path for key, path in (("observations", observations), ("known", known)) if path is not None}
    given = opened(model.recipe, own) | {key: inputs.open_file(path) for key, path in own.items()}
    model = model.steered(observations=given.get("observations"), known=given.get("known"))
    recipe = model.recipe
    _refuse_copies(recipe, members)
    chosen = recipe.generate.split if split is None else split
    where = recipe.data.coarse if predictors is None else str(predictors)
    data = inputs.open_file(predictors) if predictors else build.open_splits(recipe, [chosen])[chosen].coarse
    coarse = model.accept(data, where)
    seed = recipe.seed if seed is None else seed
    has_mask = recipe.data.on_missing != "error"
    values = inputs.check_ranges(coarse, model.predictors, where, allow_missing=has_mask)
    provenance = {**model.provenance(seed), "predictors_hash": values, "split": chosen if predictors is None else ""}
    return fill(
        model.downscaler,
        coarse,
        template(model),
        out,
        members=_members_in(out) or methods.count(recipe, recipe.generate.members) if members is None else members,
        seed=seed,
        provenance=provenance,
        times_per_unit=recipe.generate.times_per_unit,
        members_per_unit=recipe.generate.members_per_unit,
        progress=progress,
        allow_missing=recipe.data.on_missing == "mask",
        has_mask=has_mask,
        repair=repair,
    )


def _refuse_copies(recipe: Recipe, members: int | None) -> None:
    if members is not None and members > methods.count(recipe, members):
        what = f"{members} members of '{recipe.model.method}', which makes one field for a date"
        raise RecipeError(Problem(37, "members", what, "ask for one, or train with another model.method"))


def _members_in(out: Path) -> int | None:
    record = read_record(out)
    return None if record is None else int(record["members"])


def template(model: Model) -> Template:
    """Return what the store of a model's ensemble looks like."""
    grid, recipe, targets = model.grid, model.recipe, model.targets.items()
    return Template(
        variables={
            name: {key: attributes[key] for key in attributes if key not in RANGES} for name, attributes in targets
        },
        coordinates=grid.to_dataset(),
        y_dim=grid.y_dim,
        x_dim=grid.x_dim,
        title=recipe.title or f"Downscaled ensemble of {recipe.name}",
        source=f"climdiff {climdiff.__version__}, {SOURCES[recipe.model.method]}",
    )
