"""Coarse and fine fields are paired by date and grid, and never silently."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from climdiff.data.pairs import align, read, uncovered
from climdiff.errors import DataError
from climdiff.grids.grid import Grid


def codes(error: pytest.ExceptionInfo[DataError]) -> list[int]:
    return [problem.code for problem in error.value.problems]


def test_the_guess_of_a_linear_field_is_that_field_between_coarse_centers(pairs):
    guess = pairs.guess(slice(3, 5))["pr"]
    inside = guess.sel(y=slice(10, 70), x=slice(10, 110))
    expected = np.arange(3, 5)[:, None, None] + inside.y.values[:, None] / 10 + inside.x.values / 1000
    np.testing.assert_allclose(inside, expected, rtol=1e-6)
    assert guess.dims == ("time", "y", "x")
    assert guess.dtype == np.float32


def test_truth_and_guess_have_one_set_of_coordinates(pairs):
    index = np.array([7, 1])
    guess, truth = pairs.guess(index), pairs.truth(index)
    xr.testing.assert_equal(guess.coords.to_dataset(), truth.coords.to_dataset())
    np.testing.assert_allclose(truth["pr"][:, 0, 0], [7.404, 1.404], rtol=1e-6)


def test_conservative_guess_of_coarser_cells_keeps_every_mean(fields):
    coarse, fine = fields(shape=(8, 12)), fields(shape=(2, 3))
    guess = align(coarse, fine, method="conservative").guess(slice(0, 2))["pr"]
    np.testing.assert_allclose(guess, coarse["pr"][:2].coarsen(y=4, x=4).mean(), rtol=1e-5)


def test_fields_in_any_order_of_dates_and_dimensions_give_the_same_pairs(fields, pairs):
    coarse, fine = fields().isel(time=slice(None, None, -1)), fields(shape=(10, 15)).transpose("x", "time", "y")
    other = align(coarse, fine)
    xr.testing.assert_equal(other.guess(slice(2, 4)), pairs.guess(slice(2, 4)))
    xr.testing.assert_equal(other.truth(slice(2, 4)), pairs.truth(slice(2, 4)))


def test_selecting_is_lazy_and_selects_both_sides(pairs):
    chosen = pairs.select(np.array([2, 3, 5])).select(slice(1, 3))
    assert chosen.n_times == 2
    np.testing.assert_array_equal(chosen.times, pairs.times[[3, 5]])
    xr.testing.assert_equal(chosen.truth(slice(None)), pairs.truth(np.array([3, 5])))


def test_a_mask_of_dates_selects_too(pairs):
    keep = np.arange(12) % 5 == 0
    np.testing.assert_array_equal(pairs.select(keep).times, pairs.times[[0, 5, 10]])


def test_dates_of_two_types_end_up_as_one(fields):
    coarse, fine = fields(calendar="proleptic_gregorian"), fields(shape=(8, 12))
    pairs = align(coarse, fine)
    difference = pairs.truth(slice(0, 3)) - pairs.guess(slice(0, 3))
    assert difference.sizes["time"] == 3


def test_missing_dates_are_refused_or_left_out_on_purpose(fields, caplog):
    coarse, fine = fields().drop_isel(time=[4]), fields(shape=(8, 12))
    with pytest.raises(DataError, match=r"1 of 12 times are only in fine \(2001-01-05\)") as error:
        align(coarse, fine)
    assert codes(error) == [23]
    assert align(coarse, fine, allow_gaps=True).n_times == 11
    assert "left out 0 dates only in coarse and 1 only in fine" in caplog.text


def test_all_problems_are_reported_at_once(fields):
    coarse, fine = fields(extent_km=(60.0, 120.0)), fields(calendar="noleap", shape=(8, 12))
    static = xr.Dataset({"orography": (("y", "x"), np.zeros((8, 11)))})
    with pytest.raises(DataError) as error:
        align(coarse, fine, static)
    assert codes(error) == [20, 35, 25]


def test_a_fine_grid_beyond_the_coarse_one_is_refused_with_both_extents(fields):
    with pytest.raises(DataError, match="cells of fine are at 5 to 75 but coarse reaches only from 0 to 60") as error:
        align(fields(extent_km=(60.0, 120.0)), fields(shape=(8, 12)))
    assert codes(error) == [20]


def test_coverage_is_judged_across_the_date_line_and_on_rotated_poles():
    def grid(lat, lon):
        return Grid.from_dataset(xr.Dataset(coords={"lat": lat, "lon": lon}))

    pacific = grid(np.arange(-10.0, 11.0, 5.0), np.arange(150.0, 211.0, 5.0))
    assert uncovered(pacific, grid(np.arange(-5.0, 6.0), np.array([-179.0, -178.0, -177.0]))) == []
    assert [p.code for p in uncovered(pacific, grid(np.arange(-5.0, 6.0), np.array([-100.0, -99.0])))] == [20]
    attrs = {"grid_mapping_name": "rotated_latitude_longitude", "grid_north_pole_latitude": 39.25}
    rotated = xr.Dataset(
        coords={
            "rlat": ("rlat", np.arange(-5.0, 5.1), {"standard_name": "grid_latitude", "units": "degrees"}),
            "rlon": ("rlon", np.arange(-5.0, 5.1), {"standard_name": "grid_longitude", "units": "degrees"}),
            "pole": ((), 0, attrs | {"grid_north_pole_longitude": -162.0}),
        }
    )
    europe = grid(np.arange(30.0, 71.0, 2.0), np.arange(-20.0, 61.0, 2.0))
    assert uncovered(europe, Grid.from_dataset(rotated)) == []
    assert uncovered(grid(np.arange(50.0, 71.0, 2.0), np.arange(-20.0, 61.0, 2.0)), Grid.from_dataset(rotated))


def test_static_fields_of_another_shape_or_place_are_refused(fields):
    coarse, fine = fields(), fields(shape=(8, 12))
    height = fine["pr"][0].drop_vars("time").to_dataset(name="height")
    with pytest.raises(DataError, match=r"'height' has shape \(7, 12\), expected \(8, 12\)") as error:
        align(coarse, fine, height.isel(y=slice(7)))
    assert codes(error) == [35]
    with pytest.raises(DataError, match="coordinate 'y' runs from 10 to 80, the fine grid from 5 to 75") as error:
        align(coarse, fine, height.assign_coords(y=height.y + 5.0))
    assert codes(error) == [21]
    renamed = height.drop_vars(["y", "x"]).rename(y="row", x="column")
    xr.testing.assert_equal(align(coarse, fine, renamed).static, align(coarse, fine, height).static)


def test_predictors_alone_are_enough_to_generate(fields, pairs):
    alone = align(fields(), None, fine_grid=pairs.fine_grid)
    xr.testing.assert_equal(alone.guess(slice(0, 2)), pairs.guess(slice(0, 2)))
    assert alone.select(slice(0, 3)).n_times == 3
    with pytest.raises(DataError, match="only predictors were given"):
        alone.truth(slice(0, 2))


def test_reading_dask_arrays_leaves_no_threads_behind(fields):
    lazy = fields().chunk(time=3)
    np.testing.assert_array_equal(read(lazy, slice(2, 4))["pr"], fields()["pr"][2:4])


def test_a_data_set_without_times_is_refused(fields):
    with pytest.raises(DataError, match="CD-023 fine: has no coordinate 'time'"):
        align(fields(), fields().isel(time=0))


def test_real_rain_is_paired_and_coarse_cells_are_block_means(real_data: Path):
    folder = real_data / "radar2km_dev"
    with xr.open_dataset(folder / "val_coarse.nc") as coarse, xr.open_dataset(folder / "val_fine.nc") as fine:
        pairs = align(coarse, fine)
        assert (pairs.n_times, pairs.coarse_grid.shape, pairs.fine_grid.shape) == (154, (8, 8), (64, 64))
        guess, truth = pairs.guess(slice(10, 20)), pairs.truth(slice(10, 20))
        means = truth["pr"].coarsen(y=8, x=8).mean().values
        np.testing.assert_allclose(means, read(pairs.coarse, slice(10, 20))["pr"], atol=0.011)
        assert float(abs(guess["pr"] - truth["pr"]).mean()) < float(truth["pr"].mean())


def test_a_rotated_grid_is_paired_with_static_fields_without_coordinates(real_data: Path):
    folder = real_data / "iberia_racmo_eur44"
    with (
        xr.open_dataset(folder / "coarse_historical_1983-2002.nc") as coarse,
        xr.open_dataset(folder / "fine_historical_1983-2002.nc") as fine,
        xr.open_dataset(folder / "static_rotated.nc") as static,
    ):
        pairs = align(coarse, fine, static)
        assert pairs.fine_grid.kind == "rotated"
        assert pairs.static is not None and pairs.static["orog"].dims == ("rlat", "rlon")
        guess, truth = pairs.guess(slice(0, 8)), pairs.truth(slice(0, 8))
        assert set(guess.data_vars) == {"pr", "tas"}
        assert float(abs(guess["tas"] - truth["tas"]).mean()) < 2.0
