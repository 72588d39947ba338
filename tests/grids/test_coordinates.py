"""Coordinates are found by CF attributes, and bad ones are refused with both values."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from climdiff.errors import DataError
from climdiff.grids import coordinates as cf


def fields(*dims: str, **coords: object) -> xr.Dataset:
    return xr.Dataset({"pr": (dims, np.zeros([3 + i for i in range(len(dims))]))}, coords=coords)


@pytest.mark.parametrize(
    ("dims", "expected"),
    [
        (("time", "lat", "lon"), ("lat", "lon")),
        (("time", "longitude", "latitude"), ("latitude", "longitude")),
        (("time", "rlat", "rlon"), ("rlat", "rlon")),
        (("time", "south_north", "west_east"), ("south_north", "west_east")),
        (("time", "a", "b"), ("a", "b")),
        (("member", "a", "time", "b"), ("a", "b")),
    ],
)
def test_dimensions_are_found_by_their_names(dims: tuple[str, ...], expected: tuple[str, str]) -> None:
    assert cf.find_dims(fields(*dims), "f.nc") == expected


def test_standard_names_win_over_names() -> None:
    x = ("x", np.arange(4.0), {"standard_name": "grid_latitude"})
    y = ("y", np.arange(5.0), {"standard_name": "grid_longitude"})
    assert cf.find_dims(fields("time", "x", "y", x=x, y=y), "f.nc") == ("x", "y")


def test_a_latitude_laid_along_time_is_no_axis() -> None:
    patch = ("time", np.zeros(3), {"standard_name": "latitude", "units": "degrees_north"})
    times = ("time", np.arange(3), {"axis": "T"})
    assert cf.find_dims(fields("time", "y", "x", time=times, patch_lat=patch), "f.nc") == ("y", "x")


def test_two_candidates_for_one_axis_are_refused_by_name() -> None:
    with pytest.raises(DataError, match=r"CD-036 f.nc: dimensions \['lat', 'y'\] could all be y\..*Fix: .*axis='Y'"):
        cf.find_dims(fields("lat", "y", "x"), "f.nc")


def test_a_missing_axis_is_refused_with_the_dimensions_found() -> None:
    with pytest.raises(DataError, match=r"CD-036 f.nc: none of \['time', 'lat'\] is x-like"):
        cf.find_dims(fields("time", "lat"), "f.nc")
    with pytest.raises(DataError, match=r"CD-036 f.nc: no horizontal dimensions"):
        cf.find_dims(fields("time", "level"), "f.nc")


def test_a_mapping_that_is_not_there_is_refused() -> None:
    ds = fields("y", "x")
    ds["pr"].attrs["grid_mapping"] = "crs"
    with pytest.raises(DataError, match=r"CD-017 f.nc: the variables name the grid_mapping \['crs'\]"):
        cf.find_mapping(ds, "f.nc")


def test_several_mappings_are_refused() -> None:
    ds = fields("y", "x").assign(a=((), 0, {"grid_mapping_name": "a"}), b=((), 0, {"grid_mapping_name": "b"}))
    with pytest.raises(DataError, match=r"CD-017 f.nc: several grid mappings, \['a', 'b'\]"):
        cf.find_mapping(ds, "f.nc")


def test_longitudes_across_zero_and_across_180_are_unwrapped() -> None:
    np.testing.assert_array_equal(
        cf.check_axis(np.array([350.0, 355, 0, 5]), "lon", "f", is_circular=True), [350, 355, 360, 365]
    )
    np.testing.assert_array_equal(
        cf.check_axis(np.array([170.0, 175, -180, -175]), "lon", "f", is_circular=True), [170, 175, 180, 185]
    )


def test_a_repeated_position_is_refused_with_both_values() -> None:
    with pytest.raises(DataError, match=r"CD-018 f.nc: coordinate 'lon' has the same position twice: 0 and 360"):
        cf.check_axis(np.arange(0.0, 361, 10), "lon", "f.nc", is_circular=True)
    with pytest.raises(DataError, match=r"CD-018 f.nc: coordinate 'lat' has the same position twice: 2 and 2"):
        cf.check_axis(np.array([1.0, 2, 2, 3]), "lat", "f.nc")


@pytest.mark.parametrize("turn", [1, -1])
def test_a_gap_is_refused_with_its_place_and_size(turn: int) -> None:
    with pytest.raises(DataError, match=r"CD-019 f.nc: coordinate 'lat' jumps from -?3 to -?5 at index 2"):
        cf.check_axis(turn * np.array([1.0, 2, 3, 5, 6, 7]), "lat", "f.nc")
    with pytest.raises(DataError, match=r"CD-019 f.nc: coordinate 'lat' jumps from -?1 to -?3 at index 0"):
        cf.check_axis(turn * np.array([1.0, 3, 4, 5]), "lat", "f.nc")
    with pytest.raises(DataError, match=r"CD-019 f.nc: coordinate 'lat' jumps from -?3 to -?2 at index 2"):
        cf.check_axis(turn * np.array([1.0, 2, 3, 2, 4, 5]), "lat", "f.nc")
    with pytest.raises(DataError, match=r"CD-019 f.nc: coordinate 'lat' has missing values"):
        cf.check_axis(np.array([1.0, np.nan, 3]), "lat", "f.nc")


def test_a_gaussian_and_a_mercator_axis_are_no_gaps() -> None:
    gaussian = np.degrees(np.arcsin(np.polynomial.legendre.leggauss(64)[0]))
    mercator = np.degrees(np.arctan(np.sinh(np.linspace(-2.4, 2.4, 60))))
    np.testing.assert_array_equal(cf.check_axis(gaussian, "lat", "f.nc"), gaussian)
    np.testing.assert_array_equal(cf.check_axis(mercator, "lat", "f.nc"), mercator)


@pytest.mark.parametrize(
    ("lat", "lon", "message"),
    [
        ((-95.0, 40.0), (0.0, 10.0), "coordinate 'lat' runs from -95 to 40 degrees, expected within -90 to 90"),
        ((10.0, 40.0), (0.0, 700.0), "coordinate 'lon' runs from 0 to 700 degrees, expected within -360 to 540"),
        ((-np.pi / 2, np.pi / 2), (-np.pi, np.pi), "coordinate 'lat' runs from -1.5708 to 1.5708, in radians"),
    ],
)
def test_latitudes_and_longitudes_out_of_range_are_refused(
    lat: tuple[float, float], lon: tuple[float, float], message: str
) -> None:
    latitude = xr.DataArray(np.linspace(*lat, 50), dims="lat", name="lat")
    longitude = xr.DataArray(np.linspace(*lon, 50), dims="lon", name="lon")
    problems = cf.check_degrees(latitude, longitude, "f.nc")
    assert message in str(problems[0])
    assert problems[0].code == 17


def test_units_of_radians_are_refused_even_for_a_small_domain() -> None:
    latitude = xr.DataArray(np.linspace(0.6, 0.7, 5), dims="lat", name="lat", attrs={"units": "radian"})
    longitude = xr.DataArray(np.linspace(0.0, 0.1, 5), dims="lon", name="lon", attrs={"units": "degrees_east"})
    assert [problem.what for problem in cf.check_degrees(latitude, longitude, "f.nc")] == [
        "coordinate 'lat' runs from 0.6 to 0.7, in radians"
    ]


def test_mapping_attributes_become_plain_values_without_descriptions() -> None:
    attributes = {"grid_mapping_name": "m", "long_name": "x", "parallel": np.array([1.0, 2.0]), "a": np.float64(3)}
    assert cf.plain_mapping(attributes) == {"a": 3.0, "grid_mapping_name": "m", "parallel": [1.0, 2.0]}


@pytest.mark.parametrize("values", [np.array([]), np.array(["a", "b"])])
def test_fault_017_an_axis_without_numbers_is_refused(values: np.ndarray) -> None:
    with pytest.raises(
        DataError, match=r"CD-017 f\.nc: coordinate 'lat' has [02] values of type .*, expected at least"
    ):
        cf.check_axis(values, "lat", "f.nc")
