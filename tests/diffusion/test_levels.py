"""The levels samplers visit: from inside the chain down to zero, spaced as their formulas say."""

from __future__ import annotations

import math

import pytest
import torch

from climdiff.diffusion import levels, schedules


def test_karras_levels_follow_their_formula():
    found = levels.karras(schedules.cosine(1000), 10)
    expected = (80 ** (1 / 7) + 3 / 9 * (0.01 ** (1 / 7) - 80 ** (1 / 7))) ** 7
    assert float(found[3]) == pytest.approx(expected, rel=1e-9)
    assert float(found[0]) == pytest.approx(80.0)
    assert float(found[-1]) == 0.0
    assert len(found) == 11


@pytest.mark.parametrize("spaced", [levels.karras, levels.trailing, levels.uniform, levels.angle])
def test_levels_go_down_from_inside_the_chain_to_zero(spaced):
    chain = schedules.cosine(1000)
    for steps in (1, 2, 10, 200):
        sigmas = spaced(chain, steps)
        assert len(sigmas) == steps + 1
        assert float(sigmas[0]) <= float(chain.sigma[-1])
        assert float(sigmas[-1]) == 0.0
        assert bool((sigmas[1:] < sigmas[:-1]).all())


def test_all_trailing_levels_are_the_whole_chain():
    chain = schedules.linear(50)
    torch.testing.assert_close(levels.trailing(chain, 50), levels.whole_chain(chain))


def test_all_uniform_levels_are_the_whole_chain():
    chain = schedules.linear(50)
    torch.testing.assert_close(levels.uniform(chain, 50), levels.whole_chain(chain))


def test_levels_of_even_angle_follow_their_formula():
    found = levels.angle(schedules.cosine(1000), 8)[:-1].atan()
    torch.testing.assert_close(found.diff(), found.diff().mean().expand(7), rtol=1e-9, atol=0)
    assert (float(found[0]), float(found[-1])) == pytest.approx((math.atan(80.0), math.atan(0.01)))
