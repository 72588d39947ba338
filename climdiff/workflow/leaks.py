"""What a split knows of another: fields that are in both, and weather that is remembered across the gap."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import xarray as xr

from climdiff.data.decorrelation import decorrelation_days
from climdiff.data.digest import Digest, digest, shared_fields
from climdiff.data.pairs import Pairs
from climdiff.data.times import iso_dates
from climdiff.errors import Problem
from climdiff.recipe.schema import Recipe

WHERE = "data.split"


def digests(splits: Mapping[str, Pairs]) -> dict[str, Digest]:
    """Return the digest of each split, in one pass over each."""
    return {name: digest(pairs) for name, pairs in splits.items()}


def duplicates(digests: Mapping[str, Digest]) -> list[Problem]:
    """Return a CD-043 problem for each variable of which two splits have the same fields, exactly or nearly."""
    problems = []
    for (one, first), (other, second) in itertools.combinations(digests.items(), 2):
        for (side, name), (mine, theirs) in shared_fields(first, second).items():
            dates = iso_dates(second.times, theirs), iso_dates(first.times, mine)
            what = (
                f"{side} '{name}': {len(set(theirs))} fields of '{other}' ({dates[0]}) are the same as fields of "
                f"'{one}' ({dates[1]})"
            )
            fix = f"leave these dates out of '{one}' or of '{other}', and find out how they came to be in both"
            problems.append(Problem(43, WHERE, what, fix))
    return problems


def not_compared(digests: Mapping[str, Digest]) -> list[str]:
    """Return a line for each variable whose fields recur so often that copies would not be told from them."""
    return [
        f"not searched for copies: {side} '{name}', {share:.0%} of whose fields in '{split}' are the same as another"
        for split, found in digests.items()
        for (side, name), share in found.recurring.items()
    ]


def memories(train: Digest) -> dict[str, float | None]:
    """Return how long the mean of each variable is remembered [days], by side and name; None where that is unknown.

    Patches of one scene are one, at the time of the scene.
    """
    found = {}
    for (side, name), means in train.means.items():
        series = xr.DataArray(means, {"time": train.times.variable}, "time")
        if train.scenes is not None:
            series = series.groupby(train.scenes.rename("moment").drop_vars("valid_time")).mean().rename(moment="time")
        found[f"{side} '{name}'"] = decorrelation_days(series.values, series["time"])
    return found


def memory_lines(recipe: Recipe, train: Digest) -> list[str]:
    """Return what to tell the user of how long weather is remembered, and of an embargo shorter than that."""
    found = memories(train)
    known = {name: days for name, days in found.items() if days is not None}
    if not known:
        return ["memory of the weather: not measured, too few training dates are neighbors in time"]
    lines = [f"memory of the weather (1/e): {', '.join(f'{name} {days:.2g} days' for name, days in known.items())}"]
    longest = max(known, key=lambda name: known[name])
    split = recipe.data.split
    has_periods = sum(not isinstance(each, str) for each in (split.train, split.validation, split.test)) > 1
    if has_periods and known[longest] > recipe.data.embargo_days:
        lines.append(
            f"WARNING data.embargo_days is {recipe.data.embargo_days:g}, but {longest} is remembered for "
            f"{known[longest]:.2g} days: what is validated or tested first may be known from training. "
            f"Set data.embargo_days to {int(known[longest]) + 1} and move the periods apart"
        )
    return lines


def leaked(train: Pairs, test: Pairs, held_bytes: int) -> tuple[list[str], list[str]]:
    """Return what a verdict has to say: test fields that are training fields, and what was not searched for any.

    Fine fields of the training split are compared only up to `held_bytes`, where they are in memory: a larger store is
    not read once more for this (`climdiff data leaks` reads it). Either has a sentence for each variable.
    """
    size = 0 if train.fine is None else train.fine.nbytes
    found = {name: digest(pairs, fine=size <= held_bytes) for name, pairs in (("train", train), ("test", test))}
    unsearched = not_compared(found)
    if size > held_bytes:
        names = ", ".join(f"'{name}'" for name in train.fine or ())
        unsearched.append(
            f"not searched for copies: fine {names}, whose fields in 'train' take {size / 2**30:.3g} GiB "
            f"(climdiff data leaks reads them)"
        )
    return [f"LEAK {problem.what}: scores are better than they should be" for problem in duplicates(found)], unsearched
