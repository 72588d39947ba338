"""Missing values stop, are masked, or cost a date, as the user says."""

from __future__ import annotations

import numpy as np
import pytest

from climdiff.data.missing import apply_missing_policy
from climdiff.data.pairs import Pairs, align
from climdiff.errors import DataError


def holed(fields, *, coarse=(), fine=(), names=("pr",)) -> Pairs:
    """Return pairs with `value` at each (date, y, x, value) of the coarse and of the fine `pr`."""
    sides = fields(names=names), fields(shape=(8, 12), names=names)
    for side, holes in zip(sides, (coarse, fine), strict=True):
        for date, y, x, value in holes:
            side["pr"].values[date, y, x] = value
    return align(*sides)


def kept(pairs: Pairs) -> list[int]:
    return [int(day) - 1 for day in pairs.times.dt.day]


@pytest.mark.parametrize("policy", ["error", "mask", "skip_date"])
def test_complete_data_pass_unchanged(pairs, policy):
    assert apply_missing_policy(pairs, policy) is pairs


def test_an_error_says_share_and_dates(fields):
    pairs = holed(fields, fine=[(2, 0, 0, np.nan), (2, 0, 1, np.nan), (9, 7, 11, np.nan)])
    with pytest.raises(DataError) as error:
        apply_missing_policy(pairs, "error", block_times=5)
    share = 100 * 3 / (12 * 8 * 12)
    message = f"CD-033 fine: variable 'pr' is missing in {share:.3g} % of its cells, on 2 of 12 dates "
    assert f"{message}(2001-01-03, 2001-01-10)" in str(error.value)
    assert "Fix: set data.on_missing to mask or skip_date" in str(error.value)


def test_skip_date_leaves_out_dates_with_a_hole_on_either_side(fields, caplog):
    pairs = holed(fields, coarse=[(4, 1, 1, np.nan)], fine=[(0, 0, 0, np.nan), (11, 3, 3, np.nan)])
    assert kept(apply_missing_policy(pairs, "skip_date", block_times=5)) == [1, 2, 3, 5, 6, 7, 8, 9, 10]
    assert "skips 3 of 12 dates: 2001-01-01, 2001-01-05, 2001-01-12" in caplog.text


def test_cells_missing_on_every_date_are_a_mask_and_cost_no_date(fields):
    sea = (slice(None), slice(0, 4), slice(None), np.nan)
    pairs = holed(fields, fine=[sea, (6, 5, 5, np.nan)])
    assert kept(apply_missing_policy(pairs, "skip_date", block_times=5)) == [0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11]
    assert apply_missing_policy(pairs, "mask") is pairs


def test_mask_skips_only_dates_with_nothing_to_learn_from_or_to_go_by(fields):
    everywhere = (slice(None), slice(None), np.nan)
    pairs = holed(fields, coarse=[(3, *everywhere), (5, 0, 0, np.nan)], fine=[(8, *everywhere), (1, 0, 0, np.nan)])
    assert kept(apply_missing_policy(pairs, "mask", block_times=5)) == [0, 1, 2, 4, 5, 6, 7, 9, 10, 11]


def test_a_date_with_one_of_two_targets_is_kept_by_mask(fields):
    pairs = holed(fields, fine=[(8, slice(None), slice(None), np.nan)], names=("pr", "tas"))
    assert apply_missing_policy(pairs, "mask") is pairs


@pytest.mark.parametrize("policy", ["error", "mask", "skip_date"])
def test_infinite_values_and_empty_variables_are_refused_by_every_policy(fields, policy):
    pairs = holed(fields, coarse=[(7, 2, 2, np.inf)], fine=[(slice(None), slice(None), slice(None), np.nan)])
    with pytest.raises(DataError) as error:
        apply_missing_policy(pairs, policy)
    assert "coarse: variable 'pr' is infinite on 1 of 12 dates (2001-01-08)" in str(error.value)
    assert "fine: variable 'pr' has no value at all on any of 12 dates" in str(error.value)


def test_no_date_left_is_refused(fields):
    pairs = holed(fields, fine=[(date, 0, date, np.nan) for date in range(12)])
    with pytest.raises(DataError, match="policy 'skip_date' leaves none"):
        apply_missing_policy(pairs, "skip_date")


@pytest.mark.parametrize("policy", ["error", "mask", "skip_date"])
def test_fault_032_a_sentinel_on_any_date_is_found_by_the_valid_range(fields, policy):
    pairs = holed(fields, fine=[(7, 3, 3, -9999.0)])
    pairs.fine["pr"].attrs |= {"valid_min": 0.0, "valid_max": 500.0}
    message = (
        r"CD-032 fine: variable 'pr' reaches from -9999 to .*valid range 0 to 500, on 1 of 12 dates \(2001-01-08\)"
    )
    with pytest.raises(DataError, match=message):
        apply_missing_policy(pairs, policy, block_times=5)
