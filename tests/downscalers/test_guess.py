"""Targets as the coarse field has them; what is refused is tested with `Interpolation`, which is one."""

from __future__ import annotations

import numpy as np

from climdiff.downscalers.guess import Guess


def test_the_guess_is_that_of_the_pairs_it_was_made_of(rain):
    train = rain(5, 1)
    found = Guess.of_pairs(train, ["pr"])(train.coarse)
    np.testing.assert_array_equal(found["pr"], train.guess(slice(None))["pr"])
    assert found["pr"].attrs["units"] == "mm/day"
