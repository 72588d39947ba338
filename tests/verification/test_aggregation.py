"""Fair CRPS of block means: by hand, against means taken with xarray, masks, and what it is for."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scores.probability import crps_for_ensemble

from climdiff.verification import aggregation
from climdiff.verification.probabilistic import crps_fair


def drawn(n_members: int = 5, n_times: int = 6, shape: tuple[int, int] = (18, 16)) -> tuple[np.ndarray, np.ndarray]:
    values = np.random.default_rng(1).gamma(0.5, 2.0, (n_members + 1, n_times, *shape))
    return values[1:], values[0]


def scores_of(members: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> dict[str, float]:
    return aggregation.block_crps_scores(aggregation.block_crps_sums(members, truth, weights), truth.shape[1:])


def test_two_members_by_hand():
    members = np.zeros((2, 1, 4, 4))
    truth = np.full((1, 4, 4), 3.0)
    members[0, 0, 0, 0], members[1] = 4.0, 1.0
    # blocks 1: members 1 and 1, truth 3: 2; other three blocks: members 0 and 1: (3 + 2) / 2 - 1 / 2 = 2
    assert scores_of(members, truth, np.ones_like(truth)) == pytest.approx({"crps_fair_2x2": 2.0})


def test_block_means_score_as_those_that_xarray_takes():
    members, truth = drawn()
    found = scores_of(members, truth, np.ones_like(truth))
    assert set(found) == {"crps_fair_2x2", "crps_fair_4x4", "crps_fair_8x8"}
    for factor in (2, 4, 8):
        both = (
            xr.DataArray(values, dims=dims).coarsen(y=factor, x=factor, boundary="trim").mean()
            for values, dims in ((members, ("realization", "time", "y", "x")), (truth, ("time", "y", "x")))
        )
        expected = float(crps_for_ensemble(*both, "realization", method="fair"))
        assert found[f"crps_fair_{factor}x{factor}"] == pytest.approx(expected, rel=1e-12)


def test_a_block_is_the_mean_by_area_of_the_cells_it_has():
    members, truth = drawn(shape=(4, 4))
    weights = np.random.default_rng(2).random(truth.shape)
    weights[:, 0, 1] = 0
    weights[0, 2:, 2:] = 0  # a block without any cell
    corners = [(0, 0), (0, 2), (2, 0), (2, 2)]
    area = np.stack([weights[:, y : y + 2, x : x + 2].sum((1, 2)) for y, x in corners], axis=1)

    def means(fields: np.ndarray) -> np.ndarray:
        parts = [
            (fields * weights)[..., y : y + 2, x : x + 2].sum((-2, -1)) / np.maximum(blocks, 1e-300)
            for (y, x), blocks in zip(corners, area.T, strict=True)
        ]
        return np.stack(parts, -1)

    expected = np.average(crps_fair(means(members), means(truth)), weights=area)
    assert scores_of(members, truth, weights)["crps_fair_2x2"] == pytest.approx(expected, rel=1e-12)


def test_what_a_cell_without_weight_holds_does_not_matter():
    members, truth = drawn()
    weights = np.ones_like(truth)
    weights[:, 5:9, 3] = 0
    other = members.copy()
    other[:, :, 5:9, 3] = 1e6
    assert scores_of(other, truth, weights) == scores_of(members, truth, weights)


def test_sums_of_two_spans_add_up():
    members, truth = drawn()
    weights = np.ones_like(truth)
    parts = [aggregation.block_crps_sums(members[:, s], truth[s], weights[s]) for s in (slice(2), slice(2, 6))]
    added = {name: parts[0][name] + parts[1][name] for name in parts[0]}
    whole = scores_of(members, truth, weights)
    assert aggregation.block_crps_scores(added, truth.shape[1:]) == pytest.approx(whole, rel=1e-13)


def test_members_without_spatial_structure_are_found_out_by_their_means():
    generator = np.random.default_rng(3)
    structure = np.repeat(np.repeat(generator.normal(size=(13, 400, 2, 2)), 8, axis=2), 8, axis=3)
    alike, truth = structure[1:], structure[0]
    shuffled = generator.normal(size=alike.shape)  # the right distribution in every cell, and nothing else
    found = [scores_of(members, truth, np.ones_like(truth))["crps_fair_8x8"] for members in (alike, shuffled)]
    cells = [crps_fair(members, truth).mean() for members in (alike, shuffled)]
    # E|y - x| - E|x - x'| / 2 of normal x with variance v and y with variance 1: v = 1, and v = 1/64 for shuffled means
    closed = [np.sqrt(2 * (1 + v) / np.pi) - np.sqrt(v / np.pi) for v in (1, 1 / 64)]
    assert found == pytest.approx(closed, rel=0.05) and cells == pytest.approx([closed[0]] * 2, rel=0.05)


@pytest.mark.parametrize("shape", [(3, 9), (1, 1), (12,), ()])
def test_domains_without_two_blocks_a_side_have_no_such_score(shape: tuple[int, ...]):
    assert aggregation.factors_of(shape) == ()


def test_blocks_without_any_weight_have_no_score():
    members, truth = drawn(shape=(5, 5))
    weights = np.zeros_like(truth)
    weights[:, 4, 4] = 1  # beyond the last whole block
    assert np.isnan(scores_of(members, truth, weights)["crps_fair_2x2"])
