"""Muon on matrices, AdamW on the rest: what a step is, whatever the layout in memory, and how it resumes."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from climdiff.training.optimizer import Optimizer


def network():
    torch.manual_seed(0)
    layers = [nn.Conv2d(4, 40, 3), nn.GroupNorm(1, 40), nn.Conv2d(40, 48, 3), nn.Conv2d(48, 2, 1)]
    return nn.Sequential(*layers)


def backward(net, seed=1):
    field = torch.randn(3, 4, 9, 9, generator=torch.Generator().manual_seed(seed))
    net(field).square().mean().backward()


def test_the_step_of_a_matrix_is_nearly_orthogonal_and_as_large_as_one_of_adamw():
    net = network()
    before = net[2].weight.detach().clone()
    net[2].weight.grad = torch.randn(before.shape, generator=torch.Generator().manual_seed(1))
    Optimizer(net, "muon", learning_rate=0.1, weight_decay=0.0).step(0.1)
    step = (before - net[2].weight.detach()).reshape(48, -1) / 0.1
    singular = torch.linalg.svdvals(step / (0.2 * (40 * 9) ** 0.5))
    # the five Newton-Schulz steps of Jordan et al. (2024) bring singular values near 1, not to it
    assert singular.min() > 0.5 and singular.max() < 1.4
    assert step.square().mean().sqrt() == pytest.approx(0.2, rel=0.25)


def test_weight_decay_shrinks_matrices_and_the_rest_alike():
    net, decayed = network(), network()
    for each, decay in ((net, 0.0), (decayed, 0.5)):
        backward(each)
        Optimizer(each, "muon", learning_rate=0.1, weight_decay=decay).step(0.1)
    fresh = network()
    for plain, shrunk, start in zip(net.parameters(), decayed.parameters(), fresh.parameters(), strict=True):
        torch.testing.assert_close(plain - shrunk, 0.05 * start, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("method", "rounding"), [("muon", 1e-4), ("adamw", 1e-7)])
def test_the_layout_in_memory_changes_nothing(method, rounding):
    rows, channels_last = network(), network().to(memory_format=torch.channels_last)
    gradients = [torch.randn(p.shape, generator=torch.Generator().manual_seed(len(p))) for p in rows.parameters()]
    for net in (rows, channels_last):
        for parameter, gradient in zip(net.parameters(), gradients, strict=True):
            # as autograd lays it out: like the parameter
            parameter.grad = torch.empty_like(parameter).copy_(gradient)
        Optimizer(net, method, learning_rate=0.01, weight_decay=0.1).step(0.01)
    for one, other in zip(rows.parameters(), channels_last.parameters(), strict=True):
        # a step is about 2e-3 (muon, in bfloat16) or 1e-2 (adamw) in each weight
        torch.testing.assert_close(one, other, rtol=0.0, atol=rounding)
    assert channels_last[2].weight.is_contiguous(memory_format=torch.channels_last)


def test_adamw_is_that_of_torch():
    net, reference = network(), network()
    optimizer = Optimizer(net, "adamw", learning_rate=0.01, weight_decay=0.1)
    theirs = torch.optim.AdamW(reference.parameters(), lr=0.01, betas=(0.9, 0.99), weight_decay=0.1)
    for seed in range(3):
        backward(net, seed)
        optimizer.step(0.01)
        theirs.zero_grad()
        backward(reference, seed)
        theirs.step()
    for one, other in zip(net.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_thin_matrices_norms_and_biases_are_left_to_adamw():
    net, plain = network(), network()
    for each, method in ((net, "muon"), (plain, "adamw")):
        backward(each)
        Optimizer(each, method, learning_rate=0.01, weight_decay=0.1).step(0.01)
    same = [torch.equal(one, other) for one, other in zip(net.parameters(), plain.parameters(), strict=True)]
    names = [name for name, _ in net.named_parameters()]
    assert [name for name, equal in zip(names, same, strict=True) if not equal] == ["0.weight", "2.weight"]


@pytest.mark.parametrize("method", ["muon", "adamw"])
def test_goes_on_bit_by_bit_from_a_saved_state(method):
    net = network().to(memory_format=torch.channels_last)
    optimizer = Optimizer(net, method, learning_rate=0.01, weight_decay=0.1)
    backward(net)
    optimizer.step(0.01)
    other = copy.deepcopy(net)
    # files hold tensors row by row
    saved = {name: value.contiguous().clone() for name, value in optimizer.state().items()}
    resumed = Optimizer(other, method, learning_rate=0.01, weight_decay=0.1)
    resumed.load(saved)
    for each, its in ((net, optimizer), (other, resumed)):
        backward(each, 2)
        its.step(0.005)
    for one, two in zip(net.parameters(), other.parameters(), strict=True):
        assert torch.equal(one, two)


def test_gradients_are_gone_after_a_step():
    net = network()
    backward(net)
    Optimizer(net, "muon", learning_rate=0.01, weight_decay=0.1).step(0.01)
    assert all(parameter.grad is None for parameter in net.parameters())
