"""Do the variables of a member belong together? Their correlation, against that of the truth's."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import combinations

import numpy as np

from climdiff.verification.correlation import correlation_sums, correlations, mean_over_cells
from climdiff.verification.ensembles import BLOCK_BYTES, Match


def correlated(
    matches: Mapping[str, Match], origins: Mapping[str, float], weights: np.ndarray
) -> dict[str, dict[str, float]]:
    """Return `correlation_<other>` of members and (`_truth`) of the truth for every variable, the mean over cells.

    Pearson's correlation over time of each member and cell; cells where it is not defined are left out. Variables are
    read once more, a block of times of all of them at once; those on other times, cells or members are left out.
    """
    names = _alike(matches)
    sums: dict[tuple[str, str], dict[str, np.ndarray]] = {}
    for fields in _blocks({name: matches[name] for name in names}):
        for first, second in combinations(names, 2):
            present = ~np.isnan(fields[first][-1]) & ~np.isnan(fields[second][-1])
            one, another = (fields[name] - origins[name] for name in (first, second))
            more = correlation_sums(one, another, present)
            before = sums.get((first, second), {})
            sums[first, second] = {key: value + before.get(key, 0.0) for key, value in more.items()}
    found: dict[str, dict[str, float]] = {name: {} for name in matches}
    for both, added in sums.items():
        values = mean_over_cells(correlations(added), weights)
        for own, other in (both, both[::-1]):
            found[own] |= {f"correlation_{other}": values[0], f"correlation_{other}_truth": values[1]}
    return found


def _alike(matches: Mapping[str, Match]) -> list[str]:
    """Return the variables with the times, cells and members of the first, or none where it is the only one."""
    first = next(iter(matches.values()))
    names = [
        name
        for name, pair in matches.items()
        if pair.cells == first.cells
        and pair.n_members == first.n_members
        and np.array_equal(pair.times.values, first.times.values)
    ]
    return names if len(names) > 1 else []


def _blocks(matches: Mapping[str, Match]) -> Iterator[dict[str, np.ndarray]]:
    """Yield members and, last, the truth of all variables, (realization + 1, time, ...) float64, a block at a time."""
    if not matches:
        return
    first = next(iter(matches.values()))
    per_time = 8 * (first.n_members + 1) * math.prod(first.cells.values()) * len(matches)
    length = max(1, BLOCK_BYTES // per_time)
    for start in range(0, first.times.size, length):
        span = slice(start, min(start + length, first.times.size))
        found = {}
        for name, pair in matches.items():
            members, truth = pair.read(span)
            in_order = [list(pair.cells).index(dim) + 2 for dim in first.cells]
            found[name] = np.concatenate([members, truth[None]]).astype(np.float64).transpose(0, 1, *in_order)
        yield found
