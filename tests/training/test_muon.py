"""Muon: what its polynomials are and do to singular values, and that its steps are those of torch's Muon."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from climdiff.training import muon
from climdiff.training.muon import COEFFICIENTS, Muon, orthogonal

SAFETY = 1.01


def with_singular_values(values, columns=864):
    generator = torch.Generator().manual_seed(0)
    left, _ = torch.linalg.qr(torch.randn(len(values), len(values), generator=generator))
    right, _ = torch.linalg.qr(torch.randn(columns, len(values), generator=generator))
    return left @ torch.diag(values) @ right.T


def best_quintic(low, high):
    """Return the odd quintic nearest to 1 on an interval, by equioscillation (Remez), and its greatest error."""
    inner, outer = (3 * low + high) / 4, (low + 3 * high) / 4
    for _ in range(100):
        points = np.array([low, inner, outer, high])
        system = np.stack([points, points**3, points**5, np.array([1.0, -1.0, 1.0, -1.0])], axis=1)
        a, b, c, error = np.linalg.solve(system, np.ones(4))
        root = math.sqrt(9 * b**2 - 20 * a * c)
        inner, outer = math.sqrt((-3 * b - root) / (10 * c)), math.sqrt((-3 * b + root) / (10 * c))
    return (a, b, c), error


def polar_express(n_steps, lowest, cushion=0.02407327424182761):
    """Return the polynomials of Amsel et al. (2025), algorithm 1 and section 3.4, without their safety factor."""
    low, high, found = lowest, 1.0, []
    for _ in range(n_steps):
        polynomial, _ = best_quintic(max(low, cushion * high), high)
        at_low, at_high = (sum(k * s**p for k, p in zip(polynomial, (1, 3, 5), strict=True)) for s in (low, high))
        if low < cushion * high:
            polynomial = tuple(k * 2 / (at_low + at_high) for k in polynomial)
            at_low *= 2 / (at_low + at_high)
        found.append(polynomial)
        low, high = at_low, 2 - at_low
    return found


def test_the_derivation_gives_the_published_polynomials():
    # Amsel et al. (2025), algorithm 1, for singular values down to 0.001
    published = [
        (8.28721201814563, -23.595886519098837, 17.300387312530933),
        (4.107059111542203, -2.9478499167379106, 0.5448431082926601),
        (3.9486908534822946, -2.908902115962949, 0.5518191394370137),
        (3.3184196573706015, -2.488488024314874, 0.51004894012372),
    ]
    np.testing.assert_allclose(polar_express(4, 0.001), published, rtol=1e-12)


def test_the_coefficients_are_the_best_three_polynomials_down_to_a_hundredth():
    expected = polar_express(3, 0.01)
    safe = [tuple(k / SAFETY**p for k, p in zip(each, (1, 3, 5), strict=True)) for each in expected[:-1]]
    np.testing.assert_allclose(COEFFICIENTS, [*safe, expected[-1]], atol=6e-5)


def test_singular_values_are_those_of_the_polynomials_and_vectors_stay():
    values = torch.tensor([1.0, 0.5, 0.1, 0.02, 0.003])
    matrix = with_singular_values(values, 40)
    expected = (values / values.square().sum().sqrt()).double()
    for a, b, c in COEFFICIENTS:
        expected = a * expected + b * expected**3 + c * expected**5
    made = orthogonal(matrix, torch.float32)
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    torch.testing.assert_close(left.T @ made @ right.T, torch.diag(expected).float(), atol=2e-4, rtol=0.0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("power", "smallest"), [(0.5, 0.7), (1.0, 0.55)])
def test_a_matrix_whose_directions_differ_much_gets_them_alike_and_of_the_size_of_an_orthogonal_one(
    dtype, power, smallest
):
    made = orthogonal(with_singular_values(torch.arange(1.0, 97.0) ** -power), dtype).float()
    singular = torch.linalg.svdvals(made)
    assert singular.min() > smallest and singular.max() < 1.3
    assert singular.square().mean().sqrt() == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_matrix_of_rank_one_keeps_it_and_zeros_stay_zeros(dtype):
    generator = torch.Generator().manual_seed(0)
    made = orthogonal(torch.randn(288, 1, generator=generator) @ torch.randn(1, 32, generator=generator), dtype)
    assert torch.linalg.svdvals(made.float())[:2].tolist() == pytest.approx([1.0, 0.0], abs=0.3)
    assert torch.linalg.svdvals(made.float())[1] < 0.1
    assert not orthogonal(torch.zeros(40, 50), dtype).any()


def test_a_tall_matrix_is_treated_as_a_wide_one():
    matrix = torch.randn(40, 90, generator=torch.Generator().manual_seed(0))
    assert torch.equal(orthogonal(matrix.T, torch.float32), orthogonal(matrix, torch.float32).T)


def test_with_the_polynomials_of_torch_steps_are_those_of_torch(monkeypatch):
    monkeypatch.setattr(muon, "COEFFICIENTS", ((3.4445, -4.7750, 2.0315),) * 5)
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(48, 90, generator=generator)
    mine, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    ours = Muon([mine], lr=0.1, weight_decay=0.3, dtype=torch.bfloat16)
    reference = torch.optim.Muon([theirs], lr=0.1, weight_decay=0.3, adjust_lr_fn="match_rms_adamw")
    for _ in range(4):
        mine.grad = torch.randn(start.shape, generator=generator)
        theirs.grad = mine.grad.clone()
        ours.step()
        reference.step()
    # theirs rounds to bfloat16 before it divides by the norm, ours after
    assert (mine - theirs).norm() / (theirs - start).norm() < 0.02


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_computes_in_the_type_it_is_given(monkeypatch, dtype):
    used = []
    monkeypatch.setattr(muon, "orthogonal", lambda matrix, dtype: used.append(dtype) or matrix)
    weight = nn.Parameter(torch.ones(40, 50))
    weight.grad = torch.ones(40, 50)
    Muon([weight], lr=0.1, weight_decay=0.0, dtype=dtype).step()
    assert used == [dtype]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [0.0, 1e-12, 1e-22, 1e-30, 1e-37, 1e-44])
def test_a_momentum_that_has_come_to_nothing_is_no_step(dtype, size):
    made = orthogonal(size * torch.randn(40, 90, generator=torch.Generator().manual_seed(0)), dtype)
    assert made.isfinite().all() and made.norm() < 1e11 * size + 1e-30


def test_a_matrix_whose_gradient_ended_stays_where_it_is():
    weight = nn.Parameter(torch.randn(40, 90, generator=torch.Generator().manual_seed(0)))
    optimizer = Muon([weight], lr=0.1, weight_decay=0.0, dtype=torch.bfloat16)
    weight.grad = torch.randn(40, 90, generator=torch.Generator().manual_seed(1))
    optimizer.step()
    weight.grad = torch.zeros(40, 90)
    for _ in range(1500):
        optimizer.step()
    before = weight.detach().clone()
    optimizer.step()
    assert torch.equal(weight, before) and weight.isfinite().all()
