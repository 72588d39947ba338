"""What one pass over the pairs of a split keeps of every field: its mean, and a sketch that tells fields apart.

A sketch is a random projection of a field on a few numbers that keeps distances: every cell is added to one of them
with a random sign (Charikar et al. 2002). Fields that differ by rounding have almost the same sketch, which a hash of
rounded values would miss, and memory is the same few numbers per date, whatever the grid.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray as xr
from scipy.sparse import csr_array
from scipy.spatial import KDTree

from climdiff.data.pairs import Pairs, read

N_NUMBERS = 32
NEARLY = 0.005
"""Fields whose RMS difference is below this share of their own standard deviation over cells are the same."""
FEWEST_CELLS = 10
"""With fewer cells off its minimum or maximum (or half of all, on small grids), a field is like many: a dry day."""
MOST_RECURRING = 0.05
"""Share of fields that are the same as another of their own split, above which a variable tells no copies."""

Field = tuple[str, str]
"""Side (coarse or fine) and variable."""


@dataclass(frozen=True, eq=False)
class Digest:
    """What is kept of the fields of a split, by side and variable.

    Attributes:
        times: Their dates.
        scenes: (time,), when each was observed, where dates are numbers of patches of scenes (`valid_time`).
        means: (time,), the mean over cells, in the units of the variable.
        sketches: (time, N_NUMBERS), as long as the RMS of the field; NaN for fields that are like many others.
        deviations: (time,), the standard deviation over cells.
        ranges: Smallest and largest value.
    """

    times: xr.DataArray
    scenes: xr.DataArray | None
    means: Mapping[Field, np.ndarray]
    sketches: Mapping[Field, np.ndarray]
    deviations: Mapping[Field, np.ndarray]
    ranges: Mapping[Field, tuple[float, float]]

    @cached_property
    def recurring(self) -> dict[Field, float]:
        """The share of fields that are the same as another one here, where it is so high that copies tell nothing."""
        shares = {key: self._share_of_twins(key) for key in self.sketches}
        return {key: share for key, share in shares.items() if share > MOST_RECURRING}

    def _share_of_twins(self, key: Field) -> float:
        at = np.flatnonzero(np.isfinite(self.sketches[key][:, 0]))
        if not at.size:
            return 0.0
        points, radii = _balls(self, key, at)
        counts = KDTree(points).query_ball_point(points, radii, return_length=True)
        return float(np.mean(counts > 1))


def digest(pairs: Pairs, *, fine: bool = True, block_times: int = 256) -> Digest:
    """Return the digest of a split, read once, a block of times at a time.

    Args:
        pairs: The pairs of a split.
        fine: False leaves the fine fields unread.
        block_times: Number of times in memory.
    """
    parts: dict[Field, list[tuple[np.ndarray, ...]]] = {}
    sides = {"coarse": pairs.coarse} | ({"fine": pairs.fine} if fine and pairs.fine is not None else {})
    projections = {side: _projection(values) for side, values in sides.items()}
    for start in range(0, pairs.n_times, block_times):
        for side, values in sides.items():
            block = read(values, slice(start, start + block_times))
            for name, field in block.data_vars.items():
                numbers = field.values.reshape(field.sizes["time"], -1)
                parts.setdefault((side, str(name)), []).append(_digested(numbers, projections[side]))
    whole = {key: [np.concatenate(each) for each in zip(*found, strict=True)] for key, found in parts.items()}
    return Digest(
        times=pairs.times,
        scenes=pairs.fine.coords.get("valid_time") if pairs.fine is not None else None,
        means={key: found[0] for key, found in whole.items()},
        sketches={key: found[1] for key, found in whole.items()},
        deviations={key: found[2] for key, found in whole.items()},
        ranges={key: (float(found[3].min()), float(found[4].max())) for key, found in whole.items()},
    )


def shared_fields(one: Digest, other: Digest) -> dict[Field, tuple[np.ndarray, np.ndarray]]:
    """Return by side and variable the positions in both of fields that are, exactly or nearly, the same.

    Variables that are `recurring` in one of both are left out: the same insolation is no sign of the same weather.
    """
    found = {}
    for key in (one.sketches.keys() & other.sketches.keys()) - one.recurring.keys() - other.recurring.keys():
        mine, theirs = (np.flatnonzero(np.isfinite(each.sketches[key][:, 0])) for each in (one, other))
        if not (mine.size and theirs.size):
            continue
        near = KDTree(one.sketches[key][mine]).query_ball_point(*_balls(other, key, theirs))
        pairs = [(mine[i], theirs[j]) for j, matches in enumerate(near) for i in sorted(matches)]
        if pairs:
            first, second = np.array(pairs).T
            found[key] = first, second
    return dict(sorted(found.items()))


def _balls(digest: Digest, key: Field, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the sketches at these positions, and how far a sketch of the same field may be."""
    return digest.sketches[key][at], NEARLY * digest.deviations[key][at]


def _projection(values: xr.Dataset) -> csr_array:
    """Return the projection of fields (time, cell) on N_NUMBERS numbers; the same for every split."""
    n_cells = int(np.prod([size for dim, size in values.sizes.items() if dim != "time"]))
    generator = np.random.default_rng(n_cells)
    signs = generator.choice(np.array([-1.0, 1.0]), n_cells) / np.sqrt(n_cells)
    numbers = generator.permutation(np.arange(n_cells) % N_NUMBERS)
    return csr_array((signs, (np.arange(n_cells), numbers)), shape=(n_cells, N_NUMBERS))


def _digested(fields: np.ndarray, projection: csr_array) -> tuple[np.ndarray, ...]:
    """Return mean, sketch, standard deviation, minimum and maximum of fields (time, cell)."""
    n_cells = fields.shape[1]
    missing = np.isnan(fields)
    filled = np.where(missing, 0.0, fields).astype(np.float64)
    count = np.maximum(n_cells - missing.sum(axis=1), 1)
    mean = filled.sum(axis=1) / count
    deviation = np.sqrt((np.where(missing, 0.0, filled - mean[:, None]) ** 2).sum(axis=1) / count)
    lowest = np.where(missing, np.inf, filled).min(axis=1)
    highest = np.where(missing, -np.inf, filled).max(axis=1)
    above, below = filled > lowest[:, None], filled < highest[:, None]
    uncommon = np.minimum((~missing & above).sum(axis=1), (~missing & below).sum(axis=1))
    is_plain = uncommon < min(FEWEST_CELLS, n_cells / 2)
    sketch = filled @ projection
    sketch[is_plain | missing.all(axis=1)] = np.nan
    return mean, sketch, deviation, lowest, highest
