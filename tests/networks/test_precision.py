"""The number format is what was asked for, or what the machine does natively."""

from __future__ import annotations

import pytest
import torch

from climdiff.networks.precision import autocast, compute_dtype

CPU = torch.device("cpu")


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_an_explicit_precision_is_taken(precision):
    assert compute_dtype(precision, CPU) is getattr(torch, precision)


@pytest.mark.parametrize(
    ("known", "expected"), [({"avx512_bf16": True}, torch.bfloat16), ({"avx2": True}, torch.float32)]
)
def test_auto_takes_bfloat16_only_where_the_cpu_multiplies_it(monkeypatch, known, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: known)
    assert compute_dtype("auto", CPU) is expected


def test_autocast_computes_in_the_asked_format():
    layer, x = torch.nn.Conv2d(1, 1, 1), torch.zeros(1, 1, 2, 2)
    with autocast(torch.bfloat16, CPU):
        assert layer(x).dtype is torch.bfloat16
    with autocast(torch.float32, CPU):
        assert layer(x).dtype is torch.float32
