"""Saved weights go into the network they are of, and into no other."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from climdiff.errors import MismatchError
from climdiff.networks.weights import put_weights


def test_weights_of_a_network_of_the_same_shape_are_taken():
    source, target = nn.Linear(2, 3), nn.Linear(2, 3)
    put_weights(target, source.state_dict(), "here", "train again")
    assert torch.equal(source.weight, target.weight) and torch.equal(source.bias, target.bias)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (nn.Linear(4, 3), r"weights 'weight' have shape \(3, 4\), the recipe's network has \(3, 2\)"),
        (nn.Linear(2, 3, bias=False), r"weights 'bias' have shape None, the recipe's network has \(3,\)"),
    ],
)
def test_fault_054_weights_of_another_shape_are_refused_and_change_nothing(other, said):
    network = nn.Linear(2, 3)
    before = network.weight.clone()
    with pytest.raises(MismatchError, match=rf"CD-054 runs/x: {said}.*Fix: train again"):
        put_weights(network, other.state_dict(), "runs/x", "train again")
    assert torch.equal(network.weight, before)
