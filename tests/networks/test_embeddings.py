"""Time features against their formula."""

from __future__ import annotations

import math

import torch

from climdiff.networks.embeddings import TimeEmbedding, sinusoidal


def test_features_are_sines_then_cosines_of_geometric_frequencies():
    features = sinusoidal(torch.tensor([0.0, 3.0]), 4)
    assert features[0].tolist() == [0.0, 0.0, 1.0, 1.0]
    expected = [math.sin(3), math.sin(0.03), math.cos(3), math.cos(0.03)]
    torch.testing.assert_close(features[1], torch.tensor(expected), rtol=1e-5, atol=1e-6)


def test_neighboring_times_have_different_embeddings():
    torch.manual_seed(0)
    embedded = TimeEmbedding(32, 64)(torch.tensor([500.0, 501.0]))
    assert embedded.shape == (2, 64)
    assert float((embedded[0] - embedded[1]).detach().abs().max()) > 1e-3
