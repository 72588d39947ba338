"""Scores date by date add up to the scorecard; chance is drawn among groups of dates, pair by pair."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from climdiff.errors import DataError
from climdiff.verification.dates import DateScores, date_scores, difference, joined, relative
from climdiff.verification.scorecard import scorecard

AREA = np.array([[1.0, 2.0, 0.5], [1.0, 0.0, 3.0]])


@pytest.fixture(scope="module")
def ensemble():
    generator = np.random.default_rng(0)
    truth = generator.normal(size=(12, 2, 3)).astype("f4")
    truth[3, 0, 1] = np.nan
    return generator.normal(0.3, 0.8, size=(5, 12, 2, 3)).astype("f4"), truth


def constant(crps, square=1.0, variance=1.0, n_members=4):
    crps = np.asarray(crps, float)
    ones = np.ones_like(crps)
    return DateScores(n_members, ones, crps, square * ones, variance * ones)


def test_dates_add_up_to_the_scorecard(ensemble):
    members, truth = ensemble
    coords = {"time": np.arange(12).astype("datetime64[D]"), "y": [0.0, 1.0], "x": [0.0, 1.0, 2.0]}
    dims = ("time", "y", "x")
    card = scorecard(
        xr.Dataset({"pr": (("realization", *dims), members)}, {**coords, "realization": np.arange(5)}),
        xr.Dataset({"pr": (dims, truth)}, coords),
        area=xr.DataArray(AREA, dims=("y", "x")),
    )["pr"]
    found = joined([date_scores(members[:, :5], truth[:5], AREA), date_scores(members[:, 5:], truth[5:], AREA)])
    assert found.crps_fair == pytest.approx(card.scalars["crps_fair"], rel=1e-12)
    assert found.spread_skill == pytest.approx(card.scalars["spread_skill"], rel=1e-12)
    np.testing.assert_allclose(found.crps / found.weight, card.crps, rtol=1e-12)


def test_the_interval_of_spread_over_skill_holds_it_and_shrinks_with_dates(ensemble):
    few = date_scores(*ensemble, AREA)
    assert np.isnan(few.spread_skill_interval(np.repeat(np.arange(6), 2), seed=0)).all()
    generator, width = np.random.default_rng(3), {}
    for n in (50, 800):
        truth = generator.normal(size=(n, 2, 3))
        found = date_scores(generator.normal(0.3, 0.8, size=(5, n, 2, 3)), truth, AREA)
        low, high = found.spread_skill_interval(np.arange(n), seed=0)
        assert low < found.spread_skill < high
        width[n] = high - low
    assert width[800] == pytest.approx(width[50] / 4, rel=0.3)


def test_dates_of_one_group_are_drawn_together():
    """Twenty groups of equal dates: as certain as twenty dates, not as two hundred."""
    each = np.random.default_rng(1).uniform(1, 4, 20)
    other = constant(np.full(200, 2.0))
    scores = {"pr": constant(np.repeat(each, 10))}
    grouped = difference(scores, {"pr": other}, {"pr": other}, np.repeat(np.arange(20), 10), seed=0)
    few = difference(*[{"pr": constant(one)} for one in (each, [2] * 20, [2] * 20)], np.arange(20), seed=0)
    assert few.low < few.percent < few.high
    assert (grouped.low, grouped.high) == pytest.approx((few.low, few.high))
    assert grouped.n == 20


def test_variables_weigh_alike_whatever_their_units():
    once = np.random.default_rng(4).uniform(1, 4, 40)
    own = {"pr": constant(once), "tas": constant(100 * once)}
    better = {"pr": constant(0.9 * once), "tas": constant(110 * once)}
    assert relative(own, own).sum() == pytest.approx(1.0)
    assert relative(better, own).sum() == pytest.approx(1.0)
    found = difference({**better, "tas": own["tas"]}, own, own, np.arange(40), seed=0)
    assert found.percent == pytest.approx(-5.0)
    assert (found.low, found.high) == (pytest.approx(-5.0, abs=0.05), pytest.approx(-5.0, abs=0.05))


def test_a_group_without_any_score_does_not_matter():
    """Dry dates, drawn dry: a resampled period of nothing else would have no ratio."""
    square, variance = np.random.default_rng(2).uniform(1, 4, (2, 15))
    wet = DateScores(4, np.ones(15), square, square, variance)
    dry = DateScores(4, np.ones(60), *np.zeros((3, 60)))
    found, alone = joined([wet, dry]), wet.spread_skill_interval(np.arange(15), seed=0)
    assert alone[0] < wet.spread_skill < alone[1]
    assert found.spread_skill_interval(np.arange(75), seed=0) == alone
    assert difference(*[{"pr": found}] * 3, np.arange(75), seed=0).percent == 0


def test_dates_without_any_error_are_refused():
    dry = DateScores(4, np.ones(20), *np.zeros((3, 20)))
    with pytest.raises(
        DataError, match=r"CD-033 scores: there is no error on any date, .*Fix: choose dates with events"
    ):
        dry.spread_skill_interval(np.arange(20), seed=0)
