"""The tally keeps what it is given in order, and names what belongs to a group."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from climdiff.verification.families import Setting
from climdiff.verification.groups import Group
from climdiff.verification.tally import Plan, Tally


def test_pieces_add_up_to_the_whole_and_groups_without_times_are_left_out():
    values = np.random.default_rng(1).gamma(0.5, 2.0, (4, 9, 5, 6))
    truth = values[0].copy()
    truth[4] = np.nan
    groups = {"some": Group(times=np.arange(9) < 3), "none": Group(times=np.zeros(9, bool))}
    plan = Plan(Setting(3, (1.0,), (5, 6)), np.ones((5, 6)), 0.0, None, groups, None)
    found = []
    for cuts in ([0, 9], [0, 2, 3, 9]):
        tally = Tally(plan, 9)
        for start, stop in pairwise(cuts):
            tally.add(slice(start, stop), values[1:, start:stop], truth[start:stop])
        found.append(tally)
    assert found[0].scalars() == pytest.approx(found[1].scalars(), rel=1e-12, nan_ok=True)
    np.testing.assert_allclose(found[0].crps, found[1].crps, rtol=1e-12)
    assert np.isnan(found[0].crps[4]) and found[0].weight[4] == 0
    assert "some:crps_fair" in found[0].scalars() and not [n for n in found[0].scalars() if n.startswith("none:")]
