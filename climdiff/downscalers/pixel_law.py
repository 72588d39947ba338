"""Each cell by itself: values that training cells had where the interpolated coarse field was about the same.

The conditional law is resampled from nearest neighbors (Lall & Sharma, 1996) instead of from fixed bins, so that bins
are as narrow as the data allow. It knows neither place nor season, and members have no structure in space or between
variables: a good score with a wrong texture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from climdiff.data.pairs import Pairs
from climdiff.downscalers.contract import ensemble
from climdiff.downscalers.draws import date_keys, generator
from climdiff.downscalers.guess import Guess
from climdiff.errors import DataError, Problem

MOST_PAIRS = 4_000_000  # (interpolated, fine) values kept per target: 32 MB
NEIGHBORS = 400  # cells a member is drawn from: their sampling error adds about 1 / 400 to the CRPS
FEWEST_BINS = 20  # of a small training set
LARGEST_RATIO = 2.0
BLOCK_TIMES = 256


class PixelLaw:
    """Draws every cell of `targets` from training values with a like interpolated one, all cells pooled.

    A drawn value moves with the difference of the two interpolated values: by the ratio where 0 is the least value by
    nature (no more than twofold), else by the difference.
    """

    def __init__(self, train: Pairs, targets: Sequence[str]) -> None:
        """Collect pairs of values of the training times, at most `MOST_PAIRS` by chance.

        Raises:
            DataError: CD-036, a target that the coarse data do not have; CD-033, one without any pair of values.
        """
        assert train.fine is not None
        self.guess = Guess.of_pairs(train, targets)
        self.attributes = {name: train.fine[name].attrs for name in targets}
        self.laws = {
            name: _Law.of(pairs, name, is_positive=self.attributes[name].get("lower_bound") == 0)
            for name, pairs in _collect(train, self.guess).items()
        }

    def downscale(self, coarse: xr.Dataset, members: Sequence[int], seed: int) -> xr.Dataset:
        """Return members without number; see `contract.Downscaler`. A cell without interpolated value stays missing.

        Raises:
            DataError: As `Guess`.
        """
        guess = self.guess(coarse)
        fields = {}
        for number, (name, law) in enumerate(self.laws.items()):
            values = np.empty((len(members), *guess[name].shape), np.float32)
            for at, key in enumerate(date_keys(coarse["time"])):
                given = guess[name].values[at].astype(np.float64)
                windows = law.windows(given)
                for row, member in enumerate(members):
                    share = generator(seed, member, key, number).random(given.shape)
                    values[row, at] = law.draw(given, windows, share)
            fields[name] = values
        return ensemble(fields, self.attributes, self.guess.target, members, coarse["time"])


@dataclass(frozen=True, eq=False)
class _Law:
    """Pairs of values sorted by the interpolated one, (pair,) each."""

    given: np.ndarray
    found: np.ndarray
    is_positive: bool

    @classmethod
    def of(cls, pairs: np.ndarray, name: str, is_positive: bool) -> _Law:
        if not pairs.shape[1]:
            what = f"variable '{name}' has no cell with both a coarse and a fine value"
            raise DataError(Problem(33, "training data", what, "repair the data, or choose a longer period"))
        given, found = pairs[:, np.argsort(pairs[0], kind="stable")]
        return cls(given, found, is_positive)

    def windows(self, given: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the first and one past the last pair that each cell draws from, each like `given`.

        These are the nearest in rank; of values that many pairs share, such as no rain at all, all of these.
        """
        count = len(self.given)
        width = min(NEIGHBORS, max(1, count // FEWEST_BINS))
        low, high = (np.searchsorted(self.given, given, side=side) for side in ("left", "right"))
        is_shared = high - low >= width
        start = np.clip((low + high - width) // 2, 0, count - width)
        return np.where(is_shared, low, start), np.where(is_shared, high, start + width)

    def draw(self, given: np.ndarray, windows: tuple[np.ndarray, np.ndarray], share: np.ndarray) -> np.ndarray:
        """Return the value at a share in [0, 1) of each cell's window, moved to its interpolated value."""
        low, high = windows
        at = np.minimum(low + (share * (high - low)).astype(np.intp), high - 1)
        then, found = self.given[at].astype(np.float64), self.found[at]
        if not self.is_positive:
            return found + (given - then)
        ratio = np.divide(given, then, out=np.where(np.isnan(given), np.nan, 1.0), where=then > 0)
        return np.maximum(found * np.clip(ratio, 1 / LARGEST_RATIO, LARGEST_RATIO), 0.0)


def _collect(train: Pairs, guess: Guess) -> dict[str, np.ndarray]:
    """Return (interpolated and fine value, pair) of each target, float32."""
    share = min(1.0, MOST_PAIRS / (train.n_times * math.prod(train.fine_grid.shape)))
    found: dict[str, list[np.ndarray]] = {name: [] for name in guess.variables}
    for start in range(0, train.n_times, BLOCK_TIMES):
        index = slice(start, start + BLOCK_TIMES)
        interpolated, truth = guess(train.coarse.isel(time=index)), train.truth(index)
        for number, name in enumerate(guess.variables):
            values = np.stack([interpolated[name].values, truth[name].transpose(*interpolated[name].dims).values])
            chosen = np.isfinite(values).all(axis=0)
            if share < 1:
                chosen &= generator(0, start, 0, number).random(chosen.shape) < share
            found[name].append(values[:, chosen])
    return {name: np.concatenate(parts, axis=1) for name, parts in found.items()}
