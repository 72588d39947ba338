from __future__ import annotations

import numpy as np

from climdiff.catalog.landscape import block_mean, make_landscape


def test_a_larger_domain_shows_more_of_the_same_land():
    small, large = make_landscape((32, 32), 8, 12.0, seed=4), make_landscape((64, 48), 8, 12.0, seed=4)
    np.testing.assert_allclose(large.height_m[16:48, 8:40], small.height_m, rtol=1e-10)
    np.testing.assert_allclose(large.fine_lat[16:48], small.fine_lat, rtol=1e-12)


def test_cells_are_square_at_the_center_and_as_wide_as_asked():
    land = make_landscape((33, 33), 1, 12.0, seed=0)
    north_km = 6371.0 * np.deg2rad(np.diff(land.fine_lat))
    east_km = 6371.0 * np.deg2rad(np.diff(land.fine_lon)) * np.cos(np.deg2rad(land.fine_lat[16]))
    np.testing.assert_allclose(north_km, 12.0, rtol=1e-3)
    np.testing.assert_allclose(east_km, 12.0, rtol=1e-3)


def test_there_is_land_and_sea_and_the_sea_is_flat():
    land = make_landscape((64, 64), 8, 12.0, seed=0)
    assert 0.2 < land.land.mean() < 0.8
    assert land.height_m.min() >= 0.0
    assert land.height_m[land.land < 0.02].max() < 20.0
    assert 1000.0 < land.height_m.max() < 5000.0


def test_block_means_are_those_worked_out_by_hand():
    values = np.arange(16.0).reshape(4, 4)
    np.testing.assert_array_equal(block_mean(values, 2), [[2.5, 4.5], [10.5, 12.5]])
