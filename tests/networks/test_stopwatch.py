"""The stopwatch counts what a network computes and nothing else."""

from __future__ import annotations

import time

import torch
from torch import nn

from climdiff.networks.stopwatch import Stopwatch


class Sleepy(nn.Module):
    def forward(self, x):
        time.sleep(0.02)
        return x


def test_only_the_time_in_the_network_counts():
    network = Sleepy()
    with Stopwatch(network) as watch:
        began = time.perf_counter()
        for _ in range(3):
            network(torch.ones(1))
        inside = time.perf_counter() - began
        time.sleep(0.05)
    assert 0.06 <= watch.seconds <= inside


def test_nothing_is_counted_after_the_context():
    network = Sleepy()
    with Stopwatch(network) as watch:
        pass
    network(torch.ones(1))
    assert watch.seconds == 0.0
