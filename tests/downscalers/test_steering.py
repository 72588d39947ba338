"""Members told more than the predictors: they agree with it, and what says nothing changes nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr

import climdiff
from climdiff import build
from climdiff.errors import DataError, RecipeError

MEMBERS = [0, 5]


@pytest.fixture(scope="module")
def model(trained):
    return climdiff.load(trained)


@pytest.fixture(scope="module")
def test_pairs(minute_recipe):
    return build.open_splits(minute_recipe, ["test"])["test"].select(slice(0, 3))


@pytest.fixture(scope="module")
def plain(model, test_pairs):
    return model.downscale(test_pairs.coarse, MEMBERS, seed=0)["pr"]


def gauges(model, test_pairs, values):
    """Return stations in the middles of cells (4, 4), (9, 12), values (time, station)."""
    grid, units = model.grid, {"units": model.targets["pr"]["units"]}
    rows, columns = np.array([4, 9]), np.array([4, 12])
    return xr.Dataset(
        {"pr": (("time", "station"), np.asarray(values, float), units), "pr_error": ((), 0.05, units)},
        coords={"time": test_pairs.times.values, grid.y_dim: ("station", grid.y[rows]),
                grid.x_dim: ("station", grid.x[columns])},
    )  # fmt: skip


def test_without_an_observation_members_are_the_same_to_the_bit(model, test_pairs, plain):
    silent = gauges(model, test_pairs, np.full((3, 2), np.nan))
    drawn = model.steered(observations=silent).downscale(test_pairs.coarse, MEMBERS, seed=0)["pr"]
    np.testing.assert_array_equal(drawn, plain)


def test_members_agree_with_gauges_where_there_are_any_and_only_then_change(model, test_pairs, plain):
    values = np.array([[12.0, 0.0], [np.nan, np.nan], [3.0, np.nan]])
    drawn = model.steered(observations=gauges(model, test_pairs, values)).downscale(test_pairs.coarse, MEMBERS, 0)["pr"]
    np.testing.assert_array_equal(drawn[:, 1], plain[:, 1])
    was = np.abs(plain.values[:, 0, [4, 9], [4, 12]] - values[0]).mean()
    now = np.abs(drawn.values[:, 0, [4, 9], [4, 12]] - values[0]).mean()
    assert now < 0.5 * was
    assert np.abs(drawn.values[:, 2] - plain.values[:, 2]).max() > 1e-3


def test_fault_083_members_with_observations_are_the_same_alone(model, test_pairs):
    steered = model.steered(observations=gauges(model, test_pairs, np.ones((3, 2))))
    both = steered.downscale(test_pairs.coarse, MEMBERS, 0)["pr"].values
    alone = steered.downscale(test_pairs.coarse.isel(time=[2]), [5], 0)["pr"].values
    np.testing.assert_array_equal(both[1, 2], alone[0, 0])


def holed(test_pairs):
    """Return the truth with a hole of 6 x 6 cells on the first date, complete on none."""
    truth = test_pairs.truth(slice(None)).copy(deep=True)
    truth["pr"][:] = np.where(np.arange(3)[:, None, None] == 0, truth["pr"], np.nan)
    truth["pr"][0, 5:11, 5:11] = np.nan
    return truth


def test_known_cells_are_kept_to_the_bit_and_gaps_are_drawn(model, test_pairs, plain):
    known = holed(test_pairs)
    drawn = model.steered(known=known).downscale(test_pairs.coarse, MEMBERS, seed=0)["pr"]
    is_known = known["pr"].notnull().values
    for member in drawn.values:
        np.testing.assert_array_equal(member[is_known], known["pr"].values[is_known])
    np.testing.assert_array_equal(drawn[:, 1:], plain[:, 1:])
    gap = drawn.values[:, 0, 5:11, 5:11]
    assert np.isfinite(gap).all()
    assert np.abs(gap[0] - gap[1]).max() > 1e-3
    assert drawn.dtype == np.float32
    assert drawn.attrs == plain.attrs


def test_a_likelihood_of_physical_fields_steers_all_dates(model, test_pairs, plain):
    def wet_north(fields):
        rain = torch.log1p(fields["pr"])
        return 20 * (rain[:, 8:].mean((1, 2)) - rain[:, :8].mean((1, 2)))

    drawn = model.steered(likelihood=wet_north).downscale(test_pairs.coarse, MEMBERS, seed=0)["pr"]
    shift = np.log1p(drawn.values) - np.log1p(plain.values)
    assert shift[:, :, 8:].mean() - shift[:, :, :8].mean() > 0.05


def test_what_was_given_is_part_of_the_provenance(model, test_pairs):
    one, other = (model.steered(observations=gauges(model, test_pairs, np.full((3, 2), v))) for v in (1.0, 2.0))
    assert one.provenance(0)["given_observations"] != other.provenance(0)["given_observations"]
    assert "given_observations" not in model.provenance(0)
    assert model.steered(known=holed(test_pairs)).provenance(0)["given_known"]
    assert model.steered(likelihood=len, scale=2.0).provenance(0)["given_likelihood"] == "len x 2"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.isel(x=slice(0, 8)), "CD-021 known fields: the grid is"),
        (lambda d: d.assign(pr=d.pr.assign_attrs(units="m s-1")), "CD-029 known fields: .* units 'm s-1'"),
        (lambda d: d.rename(pr="rain"), "CD-036 known fields: has none of the variables pr"),
        (lambda d: d.isel(time=[1, 0]), "CD-024 known fields: dates go back"),
    ],
)
def test_known_fields_that_do_not_fit_are_refused(model, test_pairs, change, message):
    known = holed(test_pairs)
    known = known.rename({model.grid.y_dim: "y", model.grid.x_dim: "x"}) if model.grid.x_dim != "x" else known
    with pytest.raises(DataError, match=message):
        model.steered(known=change(known))


def test_fault_037_known_cells_and_block_means_are_not_both_kept(model, test_pairs):
    from dataclasses import replace

    sample = model.recipe.sample.model_copy(update={"conserve": True})
    conserving = replace(model, recipe=model.recipe.model_copy(update={"sample": sample}))
    with pytest.raises(RecipeError, match=r"CD-037 sample\.conserve: known cells and block means cannot both be kept"):
        conserving.steered(known=holed(test_pairs))


def test_without_guidance_the_predictors_do_not_matter_where_targets_are_no_residuals(model, test_pairs, minute_recipe):
    """P(X): weight 0 is the unconditional model."""
    from climdiff import bundle

    sample = model.recipe.sample.model_copy(update={"guidance": 0.0})
    free = bundle.load(model.path, model.recipe.model_copy(update={"sample": sample}))
    other = test_pairs.coarse.copy(deep=True)
    other["pr"][:] = other["pr"].values[:, ::-1]
    one, two = (free.downscale(coarse, MEMBERS, 0)["pr"] for coarse in (test_pairs.coarse, other))
    has_residual = any(step.name == "residual" for step in minute_recipe.transforms.targets.get("pr", ()))
    assert bool((one == two).all()) is not has_residual
