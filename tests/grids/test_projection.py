"""Native positions and latitude and longitude are carried into each other."""

from __future__ import annotations

import numpy as np

from climdiff.grids.projection import from_latlon, meaning, meters, to_latlon

ROTATED = {
    "grid_mapping_name": "rotated_latitude_longitude",
    "grid_north_pole_latitude": 39.25,
    "grid_north_pole_longitude": -162.0,
}


def test_the_rotated_origin_lies_a_quarter_turn_from_the_rotated_pole() -> None:
    # The equator of a grid with its pole at (39.25 N, 162 W) crosses the opposite meridian, 18 E, at 90 - 39.25 N.
    lat, lon = to_latlon(ROTATED, np.array([0.0]), np.array([0.0]))
    np.testing.assert_allclose([lat[0], lon[0]], [50.75, 18.0], atol=1e-10)
    lat, _ = to_latlon(ROTATED, np.array([90.0]), np.array([0.0]))
    np.testing.assert_allclose(lat, 39.25, atol=1e-10)


def test_rotated_positions_follow_the_spherical_triangle() -> None:
    rlat, rlon = np.radians([-14.85, 3.0]), np.radians([-22.49, 7.0])
    pole = np.radians(39.25)
    expected = np.arcsin(np.sin(rlat) * np.sin(pole) + np.cos(rlat) * np.cos(rlon) * np.cos(pole))
    lat, _ = to_latlon(ROTATED, np.degrees(rlat), np.degrees(rlon))
    np.testing.assert_allclose(lat, np.degrees(expected), atol=1e-9)


def test_a_map_means_its_globe_and_parallels_and_no_zeros() -> None:
    means = {
        "grid_mapping_name": "lambert_conformal_conic",
        "standard_parallel": [40.0, 50.0],
        "earth_radius": 6371229.0,
    }
    assert meaning(means | {"false_easting": 0.0, "proj4": "+proj=lcc", "longitude_of_central_meridian": 365.0}) == {
        **means,
        "longitude_of_central_meridian": 5.0,
    }


def test_positions_come_back_after_a_round_trip() -> None:
    y, x = np.array([-10.0, 0.0, 12.5]), np.array([-22.0, 3.0, 30.0])
    back_y, back_x = from_latlon(ROTATED, *to_latlon(ROTATED, y, x))
    np.testing.assert_allclose(back_y, y, atol=1e-9)
    np.testing.assert_allclose(back_x, x, atol=1e-9)


def test_a_mercator_map_on_a_sphere_is_its_closed_form() -> None:
    mapping = {
        "grid_mapping_name": "mercator",
        "longitude_of_projection_origin": 0.0,
        "standard_parallel": 0.0,
        "earth_radius": 6371000.0,
    }
    y, x = from_latlon(mapping, np.array([30.0]), np.array([12.0]))
    np.testing.assert_allclose(x, 6371000.0 * np.radians(12.0), rtol=1e-9)
    np.testing.assert_allclose(y, 6371000.0 * np.arctanh(np.sin(np.radians(30.0))), rtol=1e-9)


def test_only_known_lengths_have_meters() -> None:
    assert (meters("km"), meters("Metre"), meters("degrees")) == (1000.0, 1.0, None)
