"""Random training fields of the same season: what is known without looking at the coarse field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray as xr

from climdiff.data.times import microseconds
from climdiff.downscalers.training_fields import check_enough, gather

SEASON_DAYS = 45.5  # on either side of the date: a season of three months around it


@dataclass(frozen=True, eq=False)
class Climatology:
    """Draws distinct fields of `fine`, the training data (time, y, x), opened lazily.

    For each date the training times are shuffled by (seed, date), those within a month and a half of it in the
    year first; member i is the i-th. Times out of season only serve when the season has too few.
    """

    fine: xr.Dataset

    def downscale(self, coarse: xr.Dataset, members: Sequence[int], seed: int) -> xr.Dataset:
        """Return members drawn for the dates of `coarse`, whose values play no role; see `contract.Downscaler`.

        Raises:
            DataError: More members than training times (CD-033).
        """
        n_training = self.fine.sizes["time"]
        check_enough(members, n_training)
        times = coarse["time"]
        keys = microseconds(times).astype(np.uint64)  # dates before 1970 wrap around, each to a number of its own
        chosen = np.empty((len(members), times.size), np.int64)
        for i, (key, year_share) in enumerate(zip(keys, _year_share(times), strict=True)):
            order = np.random.default_rng([seed, int(key)]).permutation(n_training)
            apart = np.abs(self._year_shares[order] - year_share)
            out_of_season = np.minimum(apart, 1 - apart) > SEASON_DAYS / 365
            chosen[:, i] = order[np.argsort(out_of_season, kind="stable")][list(members)]
        return gather(self.fine, chosen, members, times)

    @cached_property
    def _year_shares(self) -> np.ndarray:
        return _year_share(self.fine["time"])


def _year_share(times: xr.DataArray) -> np.ndarray:
    """Return how much of its year has passed at each time, in [0, 1), in any calendar."""
    return np.asarray((times.dt.dayofyear - 1) / times.dt.days_in_year, np.float64)
