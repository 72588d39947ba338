"""The checks shipped to users pass here, and fail when what they check is broken."""

from __future__ import annotations

import pytest

from climdiff.workflow import selftest
from climdiff.workflow.selftest import Check, checks


def test_every_check_passes():
    assert [check for check in checks() if not check.passed] == []


def test_a_value_outside_the_tolerance_fails():
    assert not Check("one", 1.0, 1.2, 0.1).passed
    assert not Check("nan", 1.0, float("nan"), 0.1).passed


@pytest.mark.parametrize(
    ("name", "broken", "expected"),
    [
        ("kernel", lambda chain, x, t: (0.9 * x, 1 - chain.alpha[t]), "posterior: mean by Bayes' rule"),
        ("normal", lambda *address: [0.5], "noise: the value of an address"),
        ("clean", lambda prediction, answer, x, sigma, chain: x, "parameterisation epsilon: there and back"),
        ("scaled", lambda rain, means, blocks, largest: rain, "conservation: block means"),
    ],
)
def test_what_is_broken_is_found(monkeypatch, name, broken, expected):
    monkeypatch.setattr(selftest, name, broken)
    monkeypatch.setattr(selftest, "LAWS", {})
    monkeypatch.setattr(selftest, "ORDERS", {})
    assert expected in [check.name for check in checks() if not check.passed]


def test_a_sampler_of_lower_order_is_found(monkeypatch):
    monkeypatch.setattr(selftest, "LAWS", {})
    monkeypatch.setattr(selftest, "ORDERS", {"heun": (selftest.euler, 2)})
    assert [check.name for check in checks() if not check.passed] == ["order of convergence: heun"]
