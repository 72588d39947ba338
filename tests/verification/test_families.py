"""Every family of scores keeps the contract: its sums add up over times and its scores carry the names of its own."""

from __future__ import annotations

import numpy as np
import pytest

from climdiff.verification.families import FAMILIES, Block, Family, Setting

SETTING = Setting(4, (0.5, 2.0), (17, 18))


def block(times: slice = slice(None)) -> Block:
    generator = np.random.default_rng(1)
    values = np.maximum(generator.gamma(0.5, 2.0, (5, 6, *SETTING.shape)) - 0.3, 0)
    weights = np.where(generator.random((6, *SETTING.shape)) < 0.1, 0, generator.random(SETTING.shape))
    weights[::2] = 1
    complete = (weights > 0).all(axis=(1, 2))
    return Block(values[1:, times], values[0, times], weights[times], complete[times], SETTING)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_sums_of_two_spans_of_time_are_those_of_both(family: Family):
    first, second, whole = (family.sums(block(times)) for times in (slice(1), slice(1, 6), slice(6)))
    for name, value in whole.items():
        np.testing.assert_allclose(first[name] + second[name], value, rtol=1e-12)


def test_names_of_families_and_of_scores_are_unique():
    names = [name for family in FAMILIES for name in family.scores(family.sums(block()), SETTING)]
    assert len(names) == len(set(names)) > 20
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_stations_get_what_has_a_meaning_without_a_map(family: Family):
    setting = Setting(4, (0.5,), (30,))
    values = np.random.default_rng(2).random((5, 6, 30))
    stations = Block(values[1:], values[0], np.ones((6, 30)), np.ones(6, bool), setting)
    sums = family.sums(stations)
    assert bool(sums) == (family.name not in {"block_crps", "crps_map", "fss", "spectrum", "variogram"})


def test_labels_of_thresholds_are_short():
    assert Setting(1, (0.1, 1.0, 1e-5), ()).labels == ["0.1", "1", "1e-05"]
