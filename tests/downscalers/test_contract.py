"""What members look like to CF readers."""

from __future__ import annotations

import numpy as np

from climdiff.downscalers.contract import realization_coordinate


def test_member_numbers_are_a_cf_coordinate_without_axis():
    found = realization_coordinate([3, 0, 17])
    assert found.dims == ("realization",) and found.dtype == np.int32
    assert found.values.tolist() == [3, 0, 17]
    assert found.attrs == {"standard_name": "realization", "units": "1"}
