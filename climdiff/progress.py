"""What a user sees in the terminal: progress bars with the time left, and the tables of scores."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from climdiff.errors import Problem, RetryError

COLUMNS = ("crps_fair", "mae", "rmse", "bias", "spread_skill", "n_members")
HEADINGS = ("fair CRPS", "MAE", "RMSE", "bias", "spread/\nskill", "members")

ROUNDING = 1e-6
"""Of the root mean square error: a bias below is that of adding float32 numbers."""


class Bars:
    """One progress bar per stage of work; as `experiment.Watch`. Without a terminal, a line at each tenth."""

    def __init__(self, should_stop: Callable[[], bool] = lambda: False) -> None:
        """Prepare bars; `should_stop` is asked whenever a stage advances, and ends it if true (CD-060)."""
        self.should_stop = should_stop
        self.console = Console(stderr=True)
        self.progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self.tasks: dict[str, TaskID] = {}
        self.tenths: dict[str, int] = {}

    def __enter__(self) -> Bars:
        self.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.progress.stop()

    def say(self, line: str) -> None:
        """Print a line above the bars, as it is: brackets are no markup, and a file gets it in one piece."""
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def stage(self, name: str, done: int, total: int, note: str = "") -> None:
        """Show how much of a stage is done.

        Raises:
            RetryError: CD-060, a signal asked to stop.
        """
        self._show(name, done, total, note)
        if self.should_stop() and done < total:
            what = f"stopped at {done} of {total}; what is done is kept"
            raise RetryError(Problem(60, name, what, "run the same command again to go on"))

    def _show(self, name: str, done: int, total: int, note: str) -> None:
        if name not in self.tasks:
            self.tasks[name] = self.progress.add_task(name, total=total, note=note)
        self.progress.update(self.tasks[name], completed=done, total=total, note=note)
        tenth = 10 * done // max(total, 1)
        before, self.tenths[name] = self.tenths.get(name, 0), tenth
        if not self.console.is_terminal and tenth > before:
            self.say(f"{name}: {done} of {total} {note}".rstrip())

    def training(self, progress: Any, total: int, name: str = "train") -> None:
        """Show a step of training: loss, samples per second and, when there is one, the validation score."""
        note = f"loss {progress.loss:.4f}, {progress.samples_per_second:.0f} samples/s"
        self._show(name, progress.step, total, note)
        if progress.validation is not None:
            score = progress.validation["score"]
            self.say(f"step {progress.step}: validation CRPS is {score:.3f} of the error of the interpolated field")


def score_tables(verdict: Any) -> None:
    """Print one table of scores per variable: the ensemble first, then the baselines."""
    console = Console()
    for variable, rows in verdict.to_json().items():
        units = verdict.ensemble[variable].attrs.get("units", "1")
        table = Table(
            title=escape(f"\n{variable} ({units})"),
            title_justify="left",
            title_style="bold",
            box=SIMPLE_HEAD,
            padding=(0, 1, 0, 0),
        )
        table.add_column("method", no_wrap=True)
        for heading in HEADINGS:
            table.add_column(heading, justify="right", no_wrap=True)
        for method, scores in rows.items():
            table.add_row(method, *(_text(name, scores) for name in COLUMNS))
        console.print(table)


def sweep_table(rows: Sequence[Any]) -> None:
    """Print the rows of a sweep, the best CRPS of each variable first."""
    console = Console()
    for variable in dict.fromkeys(row.variable for row in rows):
        own = sorted((row for row in rows if row.variable == variable), key=lambda row: row.crps_fair)
        names = list(dict.fromkeys(key for row in own for key in row.settings))
        common = {key for key in names if len({row.settings.get(key) for row in own}) == 1 < len(own)}
        said = _way({key: own[0].settings[key] for key in names if key in common})
        title = f"\n{variable}" + (f", all with {said}" if said else "")
        table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        table.add_column("way", overflow="fold", min_width=24)
        for heading in ("evalua-\ntions", "fair CRPS", "spread/\nskill", "power\n< 4 cells", "power\nlonger", "ms"):
            table.add_column(heading, justify="right", no_wrap=True)
        for row in own:
            way = _way({key: value for key, value in row.settings.items() if key not in common})
            power = f"{row.ratio_low:.2f}-{row.ratio_high:.2f}"
            numbers = f"{row.crps_fair:.4g}", f"{row.spread_skill:.3g}", f"{row.small_scale_ratio:.2f}", power
            table.add_row(escape(way), str(row.evaluations), *numbers, f"{1000 * row.seconds:.0f}")
        console.print(table)
    console.print("evaluations: of the network; power: ratio to the truth; ms: for one member of one date")


def _way(settings: Mapping[str, str]) -> str:
    plain = {key.removeprefix("sample."): value for key, value in settings.items()}
    return ", ".join(value if key == "sampler" else f"{key} {value}" for key, value in plain.items())


def calibration_table(found: Any) -> None:
    """Print what a calibration tried, and how the choice did on dates held out."""
    console = Console()
    tried = sorted(found.tried, key=lambda row: row.settings.get("spread", 0.0))
    for variable in found.tried[0].scores:
        title = f"\n{variable}: {found.dates_chosen} dates that choose, {found.members} members"
        console.print(_calibrated(title, tried, variable, found.settings))
        held_out = found.held_out if found.settings else found.held_out[:1]
        console.print(_calibrated(f"{found.dates_held_out} dates held out", held_out, variable, found.settings))
    console.print("*: chosen; evaluations: of the network, for a member; difference: of fair CRPS")
    console.print("[%] from the recipe's way, mean over targets; +-: half of the 95 % interval, if")
    console.print("there are dates enough; power: ratio to the truth at wavelengths below 4 cells")


def _calibrated(title: str, rows: Sequence[Any], variable: str, chosen: Mapping[str, Any]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("way", overflow="fold", min_width=24)
    for heading in ("evalua-\ntions", "fair CRPS", "difference", "spread/skill", "power"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        scored, (percent, *ends) = row.scores[variable], row.difference
        star = "* " if row.settings == chosen else ""
        way = _way({key: str(value) for key, value in row.settings.items()}) or "as in the recipe"
        numbers = (
            f"{scored.crps_fair:.4g}",
            f"{percent:+.1f}{_half(ends, 1)}" if row.settings else "-",
            f"{scored.spread_skill:.2f}{_half(scored.spread_skill_interval, 2)}",
            "-" if scored.small_scale_ratio is None else f"{scored.small_scale_ratio:.2f}",
        )
        table.add_row(escape(star + way), str(row.evaluations), *numbers)
    return table


def _half(interval: Sequence[float | None] | None, digits: int) -> str:
    """Return half the width of an interval as text; nothing where it is not known."""
    if interval is None or interval[0] is None or interval[1] is None:
        return ""
    return f" +-{(interval[1] - interval[0]) / 2:.{digits}f}"


def show_problems(name: str, problems: Sequence[Problem]) -> None:
    """Print everything wrong with a data set, a line each, which no table breaks in the middle of a path."""
    print(f"{name}: {len(problems)} problem{'s' * (len(problems) != 1)}")
    for problem in problems:
        print(problem)


def _text(name: str, scores: Mapping[str, float | None]) -> str:
    value = scores.get(name)
    if value is None or math.isnan(value):
        return "-"
    if name == "bias" and abs(value) < ROUNDING * (scores.get("rmse") or 0.0):
        return "0"
    digits = {"n_members": ".0f", "bias": ".2g", "spread_skill": ".3g"}
    return format(value, digits.get(name, ".4g"))


def where_time_went(seconds: float, network: float, drawing: float, writing: float, waiting: float) -> str:
    """Return a line that says how the seconds of generating an ensemble were spent.

    Args:
        seconds: All of it.
        network: In the network.
        drawing: In the downscaler, the network among it.
        writing: In writing, beside the drawing.
        waiting: For the last of the writing.
    """
    shares = {
        "in the network": network,
        "in the rest of drawing": drawing - network,
        "waiting for the disk": waiting,
        "reading and checking": seconds - drawing - waiting,
    }
    parts = ", ".join(f"{100 * part / seconds:.1f} % {what}" for what, part in shares.items())
    return f"time: {parts}; writing took {writing:.1f} s beside the drawing"
