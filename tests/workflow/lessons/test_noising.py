"""The numbers of the pictures of noising are those of the theory."""

from __future__ import annotations

import numpy as np
import pytest

from climdiff.workflow.lessons import noising


def test_the_forward_process_ends_standard_normal():
    lesson = noising.forward()
    assert lesson.ends.mean() == pytest.approx(0, abs=0.03)
    assert lesson.ends.var() == pytest.approx(1, abs=0.03)
    assert lesson.paths[:, 0, 0].tolist() == [-2.5, -0.5, 1.0, 3.0]
    assert lesson.paths.shape == (4, 12, 101)
    assert lesson.fields[-1].std() == pytest.approx(1, abs=0.05)


def test_a_field_loses_its_neighbors_before_it_is_gone():
    lesson = noising.forward()
    likeness = [np.corrcoef(field[:, 1:].ravel(), field[:, :-1].ravel())[0, 1] for field in lesson.fields]
    assert likeness == sorted(likeness, reverse=True)
    assert likeness[0] > 0.9
    assert likeness[-1] == pytest.approx(0, abs=0.05)
    alike = [np.corrcoef(lesson.fields[0].ravel(), field.ravel())[0, 1] for field in lesson.fields]
    assert alike[2] == pytest.approx(lesson.signal[2], abs=0.1)


def test_stepped_and_jumped_samples_have_the_moments_of_the_kernel():
    lesson = noising.kernel_lesson()
    for row, t in enumerate(lesson.times):
        error = lesson.std[t] / np.sqrt(noising.N_DRAWS)
        for drawn in (lesson.stepped[row], lesson.jumped[row]):
            assert drawn.mean() == pytest.approx(lesson.mean[t], abs=4 * error)
            assert drawn.std() == pytest.approx(lesson.std[t], abs=4 * error)
    assert np.corrcoef(lesson.stepped[0], lesson.jumped[0])[0, 1] == pytest.approx(0, abs=0.03)


def test_the_shading_of_the_kernel_is_a_density():
    lesson = noising.kernel_lesson()
    assert lesson.density[30:40].sum(1) * (lesson.grid[1] - lesson.grid[0]) == pytest.approx(1, abs=0.01)
    assert lesson.mean[0] == 2.0
    assert lesson.std[0] == 0.0


def test_the_posterior_is_the_product_on_the_grid():
    lesson = noising.posterior_lesson()
    assert np.abs(lesson.product - lesson.posterior).max() < 1e-4 * lesson.posterior.max()
    assert np.abs(lesson.product - lesson.before).max() > 0.1 * lesson.posterior.max()


def test_x_decides_the_first_step_alone_and_the_last_hardly():
    lesson = noising.posterior_lesson()
    assert (lesson.of_x[0], lesson.of_z[0], lesson.std[0]) == pytest.approx((1, 0, 0))
    assert lesson.of_x[-1] < 0.01
    assert (lesson.std <= lesson.beta_std).all()


def test_levels_are_those_of_the_cosine_schedule_from_high_to_low():
    lesson = noising.schedules_lesson()
    assert set(lesson.alpha) == set(lesson.sigma)
    for name, alpha in lesson.alpha.items():
        assert (np.diff(alpha) < 0).all()
        assert lesson.sigma[name] == pytest.approx(np.sqrt((1 - alpha) / alpha))
    assert {len(sigmas) for sigmas in lesson.levels.values()} == {12}
    assert all((np.diff(sigmas) < 0).all() for sigmas in lesson.levels.values())
    assert lesson.levels["trailing"][0] == lesson.sigma["cosine"][-1]
