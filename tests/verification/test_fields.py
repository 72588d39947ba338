"""Errors of the ensemble mean and spread: by hand and by exchangeability."""

from __future__ import annotations

import numpy as np
import pytest

from climdiff.verification import fields


def test_errors_by_hand_with_weights():
    members = np.array([[1.0, 4.0], [3.0, 4.0]])
    sums = fields.error_sums(*fields.moments(members), np.array([1.0, 6.0]), np.array([1.0, 3.0]))
    found = fields.error_scores(sums, 2)
    # means 2 and 4, errors 1 and -2, variances 2 and 0
    assert found["mae"] == pytest.approx((1 + 3 * 2) / 4)
    assert found["rmse"] == pytest.approx(np.sqrt((1 + 3 * 4) / 4))
    assert found["bias"] == pytest.approx((1 - 3 * 2) / 4)
    assert (found["mean"], found["mean_truth"]) == pytest.approx(((2 + 3 * 4) / 4, (1 + 3 * 6) / 4))
    assert found["spread"] == pytest.approx(np.sqrt(2 / 4))
    assert found["spread_skill"] == pytest.approx(np.sqrt(3 / 2) * np.sqrt(0.5) / np.sqrt(13 / 4))


@pytest.mark.parametrize("n_members", [2, 5, 20])
def test_spread_skill_of_exchangeable_members_is_one_at_any_ensemble_size(n_members: int):
    values = np.random.default_rng(1).gamma(2.0, 1.0, (n_members + 1, 50_000))
    sums = fields.error_sums(*fields.moments(values[1:]), values[0], np.ones(50_000))
    assert fields.error_scores(sums, n_members)["spread_skill"] == pytest.approx(1, abs=0.03)


def test_one_member_has_errors_and_no_spread():
    found = fields.error_scores(fields.error_sums(*fields.moments(np.array([[3.0]])), np.array([1.0]), np.ones(1)), 1)
    assert (found["mae"], found["rmse"], found["bias"]) == pytest.approx((2, 2, 2))
    assert np.isnan(found["spread"]) and np.isnan(found["spread_skill"])


def test_spread_skill_without_error_is_undefined():
    found = fields.error_scores(
        fields.error_sums(*fields.moments(np.array([[0.0], [2.0]])), np.array([1.0]), np.ones(1)), 2
    )
    assert np.isnan(found["spread_skill"])


def test_sums_of_two_blocks_add_up():
    generator = np.random.default_rng(2)
    members, truth, weights = generator.normal(size=(4, 90)), generator.normal(size=90), generator.random(90)
    whole = fields.error_sums(*fields.moments(members), truth, weights)
    first = fields.error_sums(*fields.moments(members[:, :31]), truth[:31], weights[:31])
    second = fields.error_sums(*fields.moments(members[:, 31:]), truth[31:], weights[31:])
    for key, value in whole.items():
        assert first[key] + second[key] == pytest.approx(value, abs=1e-12)
