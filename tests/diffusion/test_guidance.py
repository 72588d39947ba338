"""Guidance wraps a denoiser and keeps its signature."""

from __future__ import annotations

import torch

from climdiff.diffusion.guidance import classifier_free, projected, thresholded

X, SIGMA = torch.zeros(1, 1, 2, 2), torch.ones(1)


def constant(value):
    return lambda x, sigma: torch.full_like(x, value)


def test_weight_one_is_the_conditional_model_itself():
    conditional = constant(3.0)
    assert classifier_free(conditional, constant(1.0), 1.0) is conditional


def test_weight_zero_is_the_unconditional_model_itself():
    unconditional = constant(1.0)
    assert classifier_free(constant(3.0), unconditional, 0.0) is unconditional


def test_a_weight_above_one_goes_past_the_conditional_model():
    guided = classifier_free(constant(3.0), constant(1.0), 1.5)
    assert guided(X, SIGMA).unique().tolist() == [4.0]


def test_thresholding_keeps_each_cell_in_its_own_limits():
    low, high = torch.tensor([[[[-1.0, 0.0], [5.0, -9.0]]]]), torch.tensor([[[[1.0, 2.0], [6.0, -8.0]]]])
    found = thresholded(constant(1.5), low, high)(X, SIGMA)
    assert found.tolist() == [[[[1.0, 1.5], [5.0, -8.0]]]]


def test_a_projection_sees_every_estimate():
    assert projected(constant(1.5), lambda x0: 2 * x0)(X, SIGMA).unique().tolist() == [3.0]


def test_a_late_projection_leaves_estimates_at_high_noise_alone():
    late = projected(constant(1.5), lambda x0: 2 * x0, below=0.25)
    assert [float(late(X, torch.tensor([level])).mean()) for level in (0.5, 0.25, 0.01)] == [1.5, 3.0, 3.0]


def test_guidance_acts_in_its_interval_only_and_costs_nothing_outside():
    asked = []

    def unconditional(x, sigma):
        asked.append(float(sigma[0]))
        return torch.full_like(x, 1.0)

    guided = classifier_free(constant(3.0), unconditional, 2.0, interval=(0.5, 5.0))
    values = [float(guided(X, torch.tensor([level])).mean()) for level in (0.4, 0.5, 5.0, 5.1)]
    assert values == [3.0, 5.0, 5.0, 3.0]
    assert asked == [0.5, 5.0]
