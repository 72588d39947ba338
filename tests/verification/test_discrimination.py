"""Relative operating characteristic: by hand, against scikit-learn, and where it has no meaning."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from climdiff.verification.discrimination import roc
from climdiff.verification.probabilistic import event_table


def test_rates_by_hand():
    # weight by members with the event (0, 1, 2): where it did not come 2, 1, 1; where it came 1, 0, 3
    found = roc(np.array([[2.0, 1.0, 1.0], [1.0, 0.0, 3.0]]))
    assert found.hit_rate == pytest.approx([0, 3 / 4, 3 / 4, 1])
    assert found.false_alarm_rate == pytest.approx([0, 1 / 4, 2 / 4, 1])
    # a cell with the event has more members than one without: 3/4 * 3/4; ties: (1/4 * 2/4 + 3/4 * 1/4) / 2
    assert found.area == pytest.approx(9 / 16 + (2 / 16 + 3 / 16) / 2)


def test_the_area_is_that_of_scikit_learn():
    generator = np.random.default_rng(1)
    base = generator.gamma(0.5, 2.0, 4000)
    members, truth = base + generator.normal(size=(7, 4000)), base + generator.normal(size=4000)
    weights = generator.random(4000)
    ours = roc(event_table(members, truth, weights, 1.0)).area
    theirs = roc_auc_score(truth >= 1, (members >= 1).mean(axis=0), sample_weight=weights)
    assert ours == pytest.approx(theirs, rel=1e-10)


def test_members_that_are_all_alike_know_nothing_and_perfect_ones_all():
    truth = np.array([0.0, 1.0, 2.0])
    assert roc(event_table(np.ones((4, 3)), truth, np.ones(3), 1.0)).area == 0.5
    assert roc(event_table(np.tile(truth, (4, 1)), truth, np.ones(3), 1.0)).area == 1


@pytest.mark.parametrize("threshold", [-1.0, 9.0])
def test_an_event_that_always_or_never_comes_has_no_area(threshold: float):
    assert np.isnan(roc(event_table(np.zeros((2, 3)), np.zeros(3), np.ones(3), threshold)).area)
