"""The rows of a score card: which scores a reader meets, in which order, and what is best of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from climdiff.verification.aggregation import FACTORS

FSS_WIDTHS = (1, 5, 17)
"""Windows whose fractions skill score has a row; the figure has all."""
FINE_POWER, FINE_CELLS = "fine_power", 8
"""Key of the power of short waves over the truth's, which the report works out of spectra, and how short [cells]."""
Best = Literal["low", "high", "zero", "one", "truth", "none"]


@dataclass(frozen=True)
class Row:
    """One score: its key in `scores.json`, its name, what it means, and what is best.

    `best` is the lowest value, the highest (1 is perfect), 0, 1 by ratio, the value of the truth (`<name>_truth`), or
    `none` for what is no score. `units` says whether it has the units of the variable.
    """

    key: str
    name: str
    meaning: str
    best: Best = "low"
    units: bool = True

    @property
    def truth(self) -> str:
        """The key of the value that the truth has."""
        kind, at, threshold = self.key.partition("@")
        return f"{kind}_truth{at}{threshold}"


@dataclass(frozen=True)
class Group:
    """Rows that answer one question."""

    heading: str
    rows: tuple[Row, ...]


_CRPS = "Error of the ensemble as a probability forecast, whatever its size; of a single field its mean absolute error."
_TOGETHER = "The same of means over {0} x {0} cells: members must be right together, not only cell by cell."
FIXED = (
    Group(
        "The forecast as a whole",
        (
            Row("crps_fair", "Fair CRPS", _CRPS),
            *(Row(f"crps_fair_{n}x{n}", f"of {n} x {n} cells", _TOGETHER.format(n)) for n in FACTORS),
            Row("energy_fair", "Energy score", "Distance of whole fields, fair; patterns count as well as values."),
            Row("variogram_fair", "Variogram score", "Differences of neighbors and of cells 4 apart.", units=False),
            Row("mae", "MAE of the mean", "Mean absolute error of the ensemble mean."),
            Row("rmse", "RMSE of the mean", "Root mean square error of the ensemble mean."),
            Row("bias", "Bias", "Mean of the ensemble less mean of the truth.", "zero"),
        ),
    ),
    Group(
        "Spread",
        (
            Row("spread_skill", "Spread / skill", "Below 1 too sure of itself, above 1 not sure enough.", "one", False),
            Row("spread_reliability", "Error by spread", "Distance of spread and error, cells sorted by spread."),
            Row("n_members", "Members", "Number of members that were scored.", "none", False),
        ),
    ),
    Group(
        "Distribution and texture",
        (
            *(
                Row(f"p{name}", f"P{name}", f"{name} % of all values are at most this.", "truth")
                for name in ("50", "90", "95", "99", "99.9")
            ),
            Row("annual_maximum", "Annual maximum", "Largest value of a cell in a year, mean over all.", "truth"),
            Row(
                FINE_POWER,
                f"Power below {FINE_CELLS} cells",
                "Power of waves this short over that of the truth.",
                "one",
                False,
            ),
            Row("lag1_correlation", "Persistence", "Correlation with the step before.", "truth", False),
            Row("coarse_rmse", "Coarse RMSE", "Block means of members against the coarse field.", "truth"),
        ),
    ),
)


def groups(known: set[str]) -> Iterator[Group]:
    """Yield the groups of the scores whose keys are `known`: fixed ones, one per threshold, seasons and regions."""
    found = [*FIXED, *_events(known), _correlations(known), _parts(known)]
    for group in found:
        if rows := tuple(row for row in group.rows if row.key in known):
            yield Group(group.heading, rows)


def _events(known: set[str]) -> Iterator[Group]:
    levels = [key.partition("@")[2] for key in known if key.startswith("brier_fair@")]
    for level in sorted(levels, key=float):
        rows = (
            Row(f"brier_fair@{level}", "Brier score", "Mean square error of the probability, fair.", units=False),
            Row(f"twcrps@{level}", "CRPS beyond", "Fair CRPS of what lies beyond the threshold."),
            Row(f"roc_area@{level}", "ROC area", "1/2 tells nothing apart, 1 all.", "high", False),
            *(
                Row(f"fss_{n}@{level}", f"FSS, {n} x {n}", "Fractions skill score of windows.", "high", False)
                for n in FSS_WIDTHS
            ),
            Row(f"wet_fraction@{level}", "Frequency", "How often the event occurs.", "truth", False),
            Row(f"intensity@{level}", "Intensity", "Mean value where the event is on.", "truth"),
            Row(f"joint@{level}", "Neighbor, too", "How often the next cell has the event as well.", "truth", False),
            Row(f"wet_spell@{level}", "Spell with", "Mean number of days in a row with the event.", "truth", False),
            Row(f"dry_spell@{level}", "Spell without", "Mean number of days in a row without.", "truth", False),
        )
        yield Group(f"Event: at least {level}", rows)


def _correlations(known: set[str]) -> Group:
    names = sorted(
        name for key in known if (name := key.removeprefix("correlation_")) != key and not name.endswith("_truth")
    )
    meaning = "Correlation over time, mean over cells."
    rows = (Row(f"correlation_{name}", f"with {name}", meaning, "truth", False) for name in names)
    return Group("Correlation with other variables", tuple(rows))


def _parts(known: set[str]) -> Group:
    names = sorted(part for key in known if (part := key.removesuffix(":crps_fair")) != key)
    rows = (Row(f"{name}:crps_fair", name, "Fair CRPS of this part of times or cells.") for name in names)
    return Group("Fair CRPS by season and region", tuple(rows))
