"""The moving average against its closed form."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from climdiff.training.ema import Average, decay


def test_the_average_halves_what_is_old_in_a_half_life():
    network = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(network.weight)
    average = Average(network, half_life=50)
    nn.init.ones_(network.weight)
    for step in range(1000, 1050):
        average.update(network, step)
    assert float(average.network.weight.detach()) == pytest.approx(0.5, rel=1e-5)


def test_the_first_steps_forget_the_random_start():
    assert decay(1, 500) < 1e-2
    assert decay(100, 500) == pytest.approx(0.5 ** (1 / 10))
    assert decay(10**6, 500) == pytest.approx(0.5 ** (1 / 500))


def test_the_average_is_a_copy_that_is_not_trained():
    network = nn.Linear(2, 2)
    average = Average(network, half_life=10)
    assert not any(parameter.requires_grad for parameter in average.network.parameters())
    with torch.no_grad():
        network.weight += 1
    assert not torch.equal(average.network.weight, network.weight)
