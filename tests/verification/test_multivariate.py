"""Energy and variogram score: by hand, against scoringrules, fairness, masks, and what each of them sees."""

from __future__ import annotations

import numpy as np
import pytest
import scoringrules

from climdiff.verification import multivariate
from climdiff.verification.probabilistic import crps_fair


def drawn(n_members: int = 6, n_times: int = 5, shape: tuple[int, int] = (7, 6)) -> tuple[np.ndarray, np.ndarray]:
    values = np.random.default_rng(1).gamma(0.5, 2.0, (n_members + 1, n_times, *shape))
    return values[1:], values[0]


def energy(members: np.ndarray, truth: np.ndarray, weights: np.ndarray | None = None) -> float:
    weights = np.ones(truth.shape) if weights is None else weights
    return multivariate.mean_score(multivariate.energy_sums(members, truth, weights))


def variogram(members: np.ndarray, truth: np.ndarray, weights: np.ndarray | None = None) -> float:
    weights = np.ones(truth.shape) if weights is None else weights
    return multivariate.mean_score(multivariate.variogram_sums(members, truth, weights))


def test_energy_score_of_one_cell_is_its_crps():
    members, truth = drawn(shape=(1, 1))
    assert energy(members, truth) == pytest.approx(crps_fair(members, truth).mean(), rel=1e-9)


def test_energy_score_agrees_with_scoringrules():
    members, truth = drawn()
    n_cells = truth[0].size
    flat = np.moveaxis(members.reshape(6, 5, n_cells), 0, 1), truth.reshape(5, n_cells)
    theirs = scoringrules.es_ensemble(flat[1], flat[0], estimator="fair").mean() / np.sqrt(n_cells)
    assert energy(members, truth) == pytest.approx(theirs, rel=1e-9)


def test_energy_score_of_one_member_is_its_root_mean_square_error():
    members, truth = drawn(n_members=1, n_times=1)
    assert energy(members, truth) == pytest.approx(np.sqrt(np.square(members[0] - truth).mean()))


def test_variogram_score_agrees_with_scoringrules():
    members, truth = drawn()
    y, x = np.divmod(np.arange(42), 6)
    apart = np.abs(y[:, None] - y), np.abs(x[:, None] - x)
    pairs = sum((apart[i] == lag) & (apart[1 - i] == 0) for i in (0, 1) for lag in multivariate.LAGS).astype(float)
    flat = np.moveaxis(members.reshape(6, 5, 42), 0, 1), truth.reshape(5, 42)
    raw = scoringrules.vs_ensemble(flat[1], flat[0], w=np.broadcast_to(pairs, (5, 42, 42)), p=0.5).mean()
    z = np.sqrt(np.abs(flat[0][:, :, :, None] - flat[0][:, :, None, :]))
    chance = (pairs * z.var(axis=1, ddof=1) / 6).sum(axis=(1, 2)).mean()
    assert variogram(members, truth) == pytest.approx((raw - chance) / pairs.sum(), rel=1e-9)


@pytest.mark.parametrize("score", [energy, variogram])
def test_the_expectation_does_not_depend_on_the_number_of_members(score):
    generator = np.random.default_rng(3)
    values = generator.normal(size=(13, 4000, 2, 2)) + generator.normal(size=(13, 4000, 1, 1))
    few, many = (score(values[1 : 1 + n], values[0]) for n in (2, 12))
    assert few == pytest.approx(many, rel=0.03)


@pytest.mark.parametrize("score", [energy, variogram])
def test_what_has_no_weight_does_not_count(score):
    members, truth = drawn(shape=(7, 9))
    weights = np.ones(truth.shape)
    weights[:, :, 5:] = 0
    part = (slice(None), slice(None), slice(5))
    assert score(members, truth, weights) == pytest.approx(score(members[(slice(None), *part)], truth[part]))
    weights[:] = 0
    assert np.isnan(score(members, truth, weights))


def test_a_missing_time_changes_nothing():
    members, truth = drawn()
    weights = np.ones(truth.shape)
    weights[2] = 0
    rest = [0, 1, 3, 4]
    assert energy(members, truth, weights) == pytest.approx(energy(members[:, rest], truth[rest]), rel=1e-12)


def test_the_variogram_score_sees_texture_that_the_mean_of_cells_does_not():
    generator = np.random.default_rng(4)
    smooth = np.repeat(np.repeat(generator.normal(size=(9, 100, 4, 4)), 4, axis=2), 4, axis=3)
    rough = generator.normal(size=smooth[1:].shape)
    assert variogram(rough, smooth[0]) > 3 * variogram(smooth[1:], smooth[0])


@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (3, 1)])
def test_tiny_domains_have_the_pairs_that_fit(shape: tuple[int, int]):
    members, truth = drawn(shape=shape)
    assert np.isnan(variogram(members, truth)) == (shape == (1, 1))
