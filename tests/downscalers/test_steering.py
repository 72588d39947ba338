"""Members told more than the predictors: they agree with it, and what says nothing changes nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr

import climdiff
from climdiff import build
from climdiff.downscalers.steering import ByKnownCells
from climdiff.errors import ClimdiffError, DataError, RecipeError

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
    later = gauges(model, test_pairs, [[np.nan, np.nan], [np.nan, np.nan], [np.nan, 1.0]])
    drawn = model.steered(observations=later).downscale(test_pairs.coarse, MEMBERS, seed=0)["pr"]
    np.testing.assert_array_equal(drawn[:, :2], plain[:, :2])
    assert np.abs(drawn.values[:, 2] - plain.values[:, 2]).max() > 1e-3


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


def test_scale_multiplies_the_log_probability(model, test_pairs, plain):
    def wet(fields):
        return torch.log1p(fields["pr"]).mean((1, 2))

    def draw(**options):
        return model.steered(**options).downscale(test_pairs.coarse, MEMBERS, seed=0)["pr"].values

    twice = draw(likelihood=lambda fields: 20 * wet(fields))
    np.testing.assert_array_equal(draw(likelihood=lambda fields: 10 * wet(fields), scale=2.0), twice)
    assert np.abs(twice - draw(likelihood=lambda fields: 10 * wet(fields))).max() > 1e-3
    np.testing.assert_allclose(draw(likelihood=wet, scale=0.0), plain, rtol=0, atol=1e-4)


def test_the_network_is_told_of_known_cells(model, test_pairs):
    """log p falls with the distance of known cells, weighed by what the predictors leave open, and of no others."""
    encoder, guess = model.downscaler.encoder, test_pairs.guess(slice(None))
    cells = ByKnownCells.from_dataset(holed(test_pairs), model.grid, model.targets, "known")
    evidence = cells.bind(encoder, guess, [0], torch.full((encoder.n_target,), 0.25))
    is_known = ~evidence.known.isnan()
    there = torch.nan_to_num(evidence.known)
    sigma = torch.tensor([1.0])
    assert float(evidence.log_probability(there, sigma)) == 0.0
    assert float(evidence.log_probability(there + 3 * ~is_known, sigma)) == 0.0
    off = float(evidence.log_probability(there + 0.1 * is_known, sigma))
    assert off == pytest.approx(-int(is_known.sum()) * 0.1**2 / (2 * 0.25 / 1.25), rel=1e-4)


def test_observations_are_weighed_by_what_the_predictors_leave_open(model, test_pairs):
    evidence = [
        model.steered(observations=gauges(model, test_pairs, np.ones((3, 2))))
        .downscaler.steering[0]
        .bind(model.downscaler.encoder, test_pairs.guess(slice(None)), [0], torch.tensor([open_]))
        for open_ in (0.1, 10.0)
    ]
    field, sigma = torch.zeros(1, 1, *model.grid.shape), torch.tensor([1e3])
    surely, hardly = (float(each.log_probability(field, sigma)) for each in evidence)
    assert surely < 20 * hardly < 0


def test_what_was_given_is_part_of_the_provenance(model, test_pairs):
    one, other = (model.steered(observations=gauges(model, test_pairs, np.full((3, 2), v))) for v in (1.0, 2.0))
    assert one.provenance(0)["given_observations"] != other.provenance(0)["given_observations"]
    assert "given_observations" not in model.provenance(0)
    assert model.steered(known=holed(test_pairs)).provenance(0)["given_known"]
    assert "unexplained" in model.steered(likelihood=len).provenance(0)
    assert "unexplained" not in model.provenance(0)
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


def test_fault_013_known_fields_in_any_order_are_the_same_cells(model, test_pairs):
    known = holed(test_pairs)
    turned = known.isel({dim: slice(None, None, -1) for dim in (model.grid.y_dim, model.grid.x_dim)})
    one, other = (ByKnownCells.from_dataset(each, model.grid, model.targets, "known") for each in (known, turned))
    assert one.fields.identical(other.fields)
    assert one.hash == other.hash


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


def test_all_that_is_given_acts_together(model, test_pairs):
    """Observations, known cells and a likelihood on the same date: one gradient of the joint log probability."""
    known = holed(test_pairs)
    seen = gauges(model, test_pairs, np.array([[np.nan, 15.0], [np.nan, np.nan], [np.nan, np.nan]]))

    def drier(fields):
        return -5 * fields["pr"].mean((1, 2))

    steered = model.steered(known=known).steered(observations=seen, likelihood=drier)
    drawn = steered.downscale(test_pairs.coarse, MEMBERS, 0)["pr"].values
    is_known = known["pr"].notnull().values[0]
    np.testing.assert_array_equal(drawn[0, 0][is_known], known["pr"].values[0][is_known])
    assert set(steered.given) == {"known", "observations", "likelihood"}
    for part in ({"observations": seen}, {"likelihood": drier}):
        alone = model.steered(known=known, **part).downscale(test_pairs.coarse, MEMBERS, 0)["pr"].values
        assert np.abs(alone[:, 0] - drawn[:, 0])[:, ~is_known].max() > 1e-3
    twice = model.steered(observations=seen).steered(observations=seen)
    assert len(twice.given["observations"].split()) == 2
    assert np.isfinite(twice.downscale(test_pairs.coarse, MEMBERS, 0)["pr"].values).all()


@pytest.mark.parametrize(
    ("likelihood", "message"),
    [
        (lambda fields: fields["pr"].mean(), r"CD-037 likelihood: returned a tensor \(\), expected \(8,\)"),
        (lambda fields: fields["pr"].detach().mean((1, 2)), r"CD-037 likelihood: .* depends on the fields"),
        (lambda fields: 1.0, "CD-037 likelihood: returned a float"),
        (lambda fields: -(fields["pr"] ** (1 / 3)).mean((1, 2)), "CD-033 likelihood: its gradient .* is infinite"),
    ],
)
def test_likelihoods_that_are_none_are_refused(model, test_pairs, likelihood, message):
    with pytest.raises(ClimdiffError, match=message):
        model.steered(likelihood=likelihood).downscale(test_pairs.coarse, MEMBERS, 0)


def test_a_likelihood_sees_plain_float32_fields_on_the_cpu(model, test_pairs):
    seen = []
    layer = torch.nn.Linear(256, 1)

    def likelihood(fields):
        seen.append(layer(fields["pr"].flatten(1)))
        return seen[-1][:, 0]

    model.steered(likelihood=likelihood).downscale(test_pairs.coarse, [0], 0)
    assert {(each.dtype, each.device.type) for each in seen} == {(torch.float32, "cpu")}


def test_fault_023_and_025_dates_that_are_none_of_the_predictors_are_told(model, test_pairs):
    values = np.ones((3, 2))
    noon = gauges(model, test_pairs, values)
    noon = noon.assign_coords(time=noon["time"] + np.timedelta64(12, "h"))
    known = holed(test_pairs)
    for given in (model.steered(observations=noon), model.steered(known=known.shift(time=0).assign_coords(
            time=known["time"] + np.timedelta64(12, "h")))):  # fmt: skip
        with pytest.raises(DataError, match=r"CD-023 what is given: .* not one date is a date of the predictors"):
            given.downscale(test_pairs.coarse, [0], 0)
    with pytest.raises(DataError, match="CD-025 what is given: dates are of calendar 'noleap'"):
        model.steered(known=known.convert_calendar("noleap")).downscale(test_pairs.coarse, [0], 0)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (-9999.0, "CD-032 known fields: variable 'pr' has values that stand for missing ones: -9999 in 1 cells"),
        (-5.0, "CD-030 known fields: variable 'pr' reaches from"),
        (np.inf, "CD-030 known fields: variable 'pr' is infinite in 1 cells"),
    ],
)
def test_fault_030_known_values_that_cannot_be_are_refused(model, test_pairs, value, message):
    known = holed(test_pairs)
    known["pr"][0, 0, 0] = value
    with pytest.raises(DataError, match=message):
        model.steered(known=known)


def test_what_says_nothing_or_is_no_data_set_is_refused(model, test_pairs):
    nothing = holed(test_pairs) * np.nan
    nothing["pr"].attrs = dict(model.targets["pr"])
    with pytest.raises(DataError, match="CD-033 known fields: not one value of pr"):
        model.steered(known=nothing)
    with pytest.raises(DataError, match="CD-017 known fields: is a DataArray, expected an xarray Dataset"):
        model.steered(known=nothing["pr"])
    with pytest.raises(DataError, match="CD-033 observations: not one value of pr"):
        model.steered(observations=gauges(model, test_pairs, np.full((3, 2), np.nan)))
    with pytest.raises(RecipeError, match="CD-037 likelihood: got a function and scale nan"):
        model.steered(likelihood=lambda fields: fields["pr"].mean((1, 2)), scale=float("nan"))


def test_dates_that_are_not_used_are_counted(model, test_pairs, caplog):
    seen = gauges(model, test_pairs, np.ones((3, 2)))
    seen = seen.assign_coords(time=seen["time"] + np.timedelta64(1, "D"))
    model.steered(observations=seen).downscale(test_pairs.coarse, [0], 0)
    assert "what is given: 2 of its 3 dates are dates of the predictors" in caplog.text


def test_known_cells_are_kept_on_dates_that_differ_by_less_than_a_microsecond(model, test_pairs):
    known = holed(test_pairs)
    later = known.assign_coords(time=known["time"].values.astype("datetime64[ns]") + np.timedelta64(1, "ns"))
    drawn = model.steered(known=later).downscale(test_pairs.coarse, MEMBERS, seed=0)["pr"].values
    is_known = known["pr"].notnull().values
    np.testing.assert_array_equal(drawn[0][is_known], known["pr"].values[is_known].astype(np.float32))


def test_messages_name_the_file(model, test_pairs, tmp_path):
    path = tmp_path / "stations.nc"
    gauges(model, test_pairs, np.full((3, 2), -5.0)).to_netcdf(path)
    with (
        xr.open_dataset(path) as opened,
        pytest.raises(DataError, match=r"CD-030 .*stations.nc: variable 'pr' reaches"),
    ):
        model.steered(observations=opened)
