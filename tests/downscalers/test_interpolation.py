"""The interpolated coarse field as a downscaler."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from climdiff.downscalers.contract import Downscaler
from climdiff.downscalers.interpolation import Interpolation
from climdiff.errors import DataError
from climdiff.grids.grid import Grid
from climdiff.verification.scorecard import scorecard


def field(n: int, step: float) -> xr.Dataset:
    """Return the plane 2 y + x [km] at two times, cells of `step` km."""
    position = (np.arange(n) + 0.5) * step
    plane = np.add.outer(2 * position, position)
    coords = {
        "time": xr.date_range("2001-01-01", periods=2, freq="D", use_cftime=False),
        "y": ("y", position * 1000, {"units": "m"}),
        "x": ("x", position * 1000, {"units": "m"}),
    }
    attrs = {"units": "mm/day", "lower_bound": 0.0}
    return xr.Dataset({"pr": (("time", "y", "x"), np.stack([plane, plane + 1]), attrs)}, coords)


def downscaler() -> Interpolation:
    return Interpolation(Grid.from_dataset(field(8, 4.0)), Grid.from_dataset(field(32, 1.0)), ("pr",))


def test_a_plane_is_interpolated_exactly_away_from_the_edge():
    method: Downscaler = downscaler()
    found = method.downscale(field(8, 4.0), members=[0], seed=0)["pr"]
    assert found.dims == ("realization", "time", "y", "x") and found.dtype == np.float32
    inner = {"y": slice(2, 30), "x": slice(2, 30)}
    np.testing.assert_allclose(found[0].isel(inner), field(32, 1.0)["pr"].isel(inner), rtol=1e-6)


def test_members_are_those_asked_for_and_equal():
    found = downscaler().downscale(field(8, 4.0), members=[0, 5], seed=3)
    assert found["realization"].values.tolist() == [0, 5]
    np.testing.assert_array_equal(found["pr"][0], found["pr"][1])


def test_units_and_times_are_kept_and_the_grid_is_the_fine_one():
    found = downscaler().downscale(field(8, 4.0), members=[0], seed=0)
    assert found["pr"].attrs["units"] == "mm/day"
    assert Grid.from_dataset(found).hash() == Grid.from_dataset(field(32, 1.0)).hash()
    np.testing.assert_array_equal(found["time"], field(8, 4.0)["time"])


def test_a_variable_that_is_not_coarse_is_refused():
    method = Interpolation(downscaler().source, downscaler().target, ("pr", "tas"))
    with pytest.raises(
        DataError, match=r"CD-036 coarse data: no variable \['tas'\] among \['pr'\]. Fix: interpolation needs"
    ):
        method.downscale(field(8, 4.0), members=[0], seed=0)


def test_another_coarse_grid_is_refused():
    with pytest.raises(DataError, match="CD-021 coarse data"):
        downscaler().downscale(field(8, 5.0), members=[0], seed=0)


def test_bilinear_radar_rain_scores_as_computed_independently(real_data: Path):
    # MAE 0.240 and RMSE 1.245 mm/h on the test patches are the references that came with the data
    coarse, fine = (xr.open_dataset(real_data / "radar2km_dev" / f"test_{part}.nc") for part in ("coarse", "fine"))
    method = Interpolation(Grid.from_dataset(coarse), Grid.from_dataset(fine), ("pr",))
    found = scorecard(method.downscale(coarse, members=[0], seed=0), fine)["pr"].scalars
    assert found["crps_fair"] == pytest.approx(0.240, abs=0.0005)
    assert found["rmse"] == pytest.approx(1.245, abs=0.0005)
