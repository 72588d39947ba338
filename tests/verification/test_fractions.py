"""Fractions skill score: by hand, against the package scores, windows counted one by one, masks and cost."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scores.spatial import fss_2d

from climdiff.verification import fractions


def events(n_times: int = 4, shape: tuple[int, int] = (14, 11), margin: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw the number of 5 members with an event, and whether the truth has it; none within a margin."""
    generator = np.random.default_rng(1)
    count, seen = generator.binomial(5, 0.3, (n_times, *shape)), generator.random((n_times, *shape)) < 0.3
    inner = np.zeros(shape, bool)
    inner[margin : shape[0] - margin, margin : shape[1] - margin] = True
    return count * inner, seen & inner


def fss_of(
    count: np.ndarray, seen: np.ndarray, weights: np.ndarray, widths: tuple[int, ...], n_members: int = 5
) -> np.ndarray:
    return fractions.fss(fractions.fss_sums(count, seen, weights, n_members, widths))


def test_one_cell_beside_the_right_one_by_hand():
    count, seen = np.zeros((1, 3, 5), int), np.zeros((1, 3, 5), bool)
    count[0, 1, 1], seen[0, 1, 2] = 1, True
    found = fss_of(count, seen, np.ones(seen.shape), (1, 3), n_members=1)
    assert found[0] == 0
    # width 3: the forecast's cell is in the windows of columns 0 to 2, the seen one in those of columns 1 to 3
    counts = np.array([[4, 6, 6, 6, 4], [6, 9, 9, 9, 6], [4, 6, 6, 6, 4]])
    p = np.array([1, 1, 1, 0, 0]) / counts
    o = np.array([0, 1, 1, 1, 0]) / counts
    assert found[1] == pytest.approx(1 - ((p - o) ** 2).sum() / (p**2 + o**2).sum())


def test_shares_are_those_counted_window_by_window():
    count, seen = events()
    generator = np.random.default_rng(2)
    weights = np.where(generator.random(seen.shape) < 0.2, 0.0, generator.random(seen.shape))
    for width in (1, 3, 5, 11):
        half, difference, reference = width // 2, 0.0, 0.0
        for t, y, x in np.argwhere(weights > 0):
            window = (t, slice(max(y - half, 0), y + half + 1), slice(max(x - half, 0), x + half + 1))
            present = weights[window] > 0
            p, o = count[window][present].mean() / 5, seen[window][present].mean()
            difference += weights[t, y, x] * (p - o) ** 2
            reference += weights[t, y, x] * (p**2 + o**2)
        assert fss_of(count, seen, weights, (width,)) == pytest.approx(1 - difference / reference, rel=1e-12)


@pytest.mark.parametrize("width", [1, 3, 5])
def test_it_agrees_with_the_package_scores_where_no_event_is_near_the_edge(width: int):
    count, seen = events(shape=(20, 18), margin=4)
    fields = (xr.DataArray(np.where(values > 0, 1.0, 0.0), dims=("time", "y", "x")) for values in (count == 5, seen))
    forecast, observed = fields
    theirs = fss_2d(
        forecast,
        observed,
        event_threshold=0.5,
        window_size=(width, width),
        spatial_dims=("y", "x"),
        zero_padding=True,
        reduce_dims=["time", "y", "x"],
    )
    ours = fss_of((count == 5).astype(int), seen, np.ones(seen.shape), (width,), n_members=1)
    assert ours == pytest.approx(float(theirs), rel=1e-9)


def test_width_one_is_the_brier_score_over_its_reference():
    count, seen = events()
    p = count / 5
    expected = 1 - ((p - seen) ** 2).mean() / (p**2 + seen).mean()
    assert fss_of(count, seen, np.ones(seen.shape), (1,)) == pytest.approx(expected)


def test_a_forecast_that_is_the_truth_scores_one_and_a_displaced_one_gains_with_width():
    seen = events(shape=(40, 40))[1]
    ones = np.ones(seen.shape)
    assert fss_of(5 * seen, seen, ones, (1, 3, 9)) == pytest.approx(1, abs=1e-15)
    moved = fss_of(5 * np.roll(seen, 1, axis=2), seen, ones, (1, 3, 9, 33))
    assert (np.diff(moved) > 0).all()


def test_a_masked_half_is_as_if_it_were_not_there():
    count, seen = events(shape=(12, 20))
    weights = np.ones(seen.shape)
    weights[:, :, 12:] = 0
    part = (slice(None), slice(None), slice(12))
    found = fss_of(count, seen, weights, (1, 3, 9))
    assert found == pytest.approx(fss_of(count[part], seen[part], weights[part], (1, 3, 9)), rel=1e-13)


def test_an_event_that_never_comes_has_no_score():
    zero = np.zeros((2, 8, 8), int)
    assert np.isnan(fss_of(zero, zero > 0, np.ones(zero.shape), (1, 3))).all()


def test_sums_may_wrap_around_in_a_domain_of_many_members():
    count, seen = events(n_times=1)
    many = 2**31 // count.size
    found = fss_of(count * many, seen, np.ones(seen.shape), (3,), n_members=5 * many)
    assert found == pytest.approx(fss_of(count, seen, np.ones(seen.shape), (3,)), rel=1e-12)


@pytest.mark.parametrize("shape", [(0,), (7,), (2, 2, 2)])
def test_only_maps_have_windows(shape: tuple[int, ...]):
    assert fractions.widths_of(shape) == ()


def test_widths_fit_into_the_domain():
    assert fractions.widths_of((4, 100)) == (1, 3) and fractions.widths_of((1, 1)) == (1,)
