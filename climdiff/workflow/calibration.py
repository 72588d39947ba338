"""A trained run in; into its bundle, the way of drawing members that is best on the validation split.

Half of the dates choose (`search`), the other half are held out and scored twice: the recipe's way and the chosen one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import climdiff
from climdiff import build, bundle, bundle_files
from climdiff.bundle import Model
from climdiff.bundle_files import Calibration, Scored, Tried
from climdiff.data.pairs import Pairs
from climdiff.data.times import evenly_spread, microseconds
from climdiff.errors import DataError, MismatchError, Problem, RecipeError
from climdiff.recipe.schema import Sample
from climdiff.report.calibrations import Way
from climdiff.samplers.persistence import DAY
from climdiff.workflow.lock import alone
from climdiff.workflow.search import BAND, Search, most, settings
from climdiff.workflow.trials import Trial, Trials
from climdiff.workflow.validation import other_times

FOLDER = "calibration"
"""Below a run: what was tried, so that a calibration that was interrupted goes on, and the figures."""
FEWEST = 16
"""Dates; even these tell little."""
FEWEST_GROUPS = 10
"""Scenes or weeks of each half that chance is drawn among; with fewer, it is drawn among dates."""
GROUP_DAYS = 7.0
"""Days that are drawn together by chance: longer than the memory of daily weather."""
DEAREST = 4
"""Evaluations a step before they are counted: two of heun, each with and without the condition."""
N_PARTS = 8
"""Parts of the validation period that choose and are held out in turn, so that both see all seasons."""


@dataclass
class _Progress:
    """How many evaluations of all members and dates are done, and at most to come, told to `show`."""

    show: Callable[[int, int], None]
    done: float = 0.0
    ahead: float = 0.0
    began: float = 0.0

    def advance(self, evaluations: float) -> None:
        self.done += evaluations
        self.tell()

    def expect(self, evaluations: float) -> None:
        """Expect at most so many more, from here on."""
        self.began, self.ahead = self.done, evaluations
        self.tell()

    def tell(self) -> None:
        total = max(self.began + self.ahead, self.done) + (self.ahead > 0)
        self.show(round(self.done), round(total))


def calibrate(
    run: Path,
    *,
    times: int = 64,
    members: int = 8,
    say: Callable[[str], None] = lambda line: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Calibration:
    """Choose how a model draws members, and put the choice into its bundle; return all that was found.

    Args:
        run: A trained run; its validation data are opened.
        times: Dates of the validation split, evenly spread; half of them choose, half are held out.
        members: Members of each date.
        say: Takes lines for the user.
        progress: Called with (evaluations of the network done, at most how many in all), in fields of one member.

    Raises:
        RecipeError: CD-037, a budget that cannot tell anything.
        DataError: CD-043, too few validation dates.
        MismatchError: CD-044, another process works in the folder, the bundle changed meanwhile, or what an earlier
            calibration left was changed.
    """
    _refuse_budget(times, members)
    model = bundle.load(run, calibrated=False)
    folder = model.path.parent
    with alone(folder):
        pairs, are_new = _dates(model, times)
        shared = "" if are_new else ", which also chose the checkpoint"
        is_held_out = halves(_groups(pairs))
        parts = [pairs.select(np.flatnonzero(is_held_out == is_part)) for is_part in (False, True)]
        groups, notes = _chances(parts)
        work = folder / FOLDER
        work.mkdir(exist_ok=True)
        bar = _Progress(progress)
        say(
            f"{pairs.n_times} dates of the validation split{shared}: "
            f"{parts[0].n_times} choose, {parts[1].n_times} are held out; {members} members"
        )
        trials, others = (Trials(model, part, members, work, bar.advance) for part in parts)
        dearest = DEAREST * model.recipe.sample.steps
        bar.expect(dearest + most(model.recipe, model.recipe.sample, dearest, 0))
        search = Search(model.recipe, trials.score, groups[0], say=say, expect=bar.expect)
        chosen = search.choose()
        for way, reason in search.left_out.items():
            say(f"left out: {way}: {reason}")
        bar.expect(search.own.evaluations + chosen.evaluations)
        confirming = Search(model.recipe, others.score, groups[1])
        held_out = confirming.own, others.score(chosen.sample)
        search.notes += notes
        found = _calibration(model, members, search, chosen, confirming, held_out)
        for note in found.notes:
            say(note)
        _refuse_other(run, model)
        bundle_files.add_calibration(model.path, found)
        bar.expect(0)
    return found


def _refuse_budget(times: int, members: int) -> None:
    problems = []
    if members < 2:
        problems.append(Problem(37, "members", f"{members} member has no spread to calibrate", "give --members 8"))
    if times < FEWEST:
        what = f"{times} dates cannot tell ways of drawing from each other"
        problems.append(Problem(37, "times", what, "give --times 64, or as many as the validation split has"))
    if problems:
        raise RecipeError(*problems)


def _refuse_other(run: Path, model: Model) -> None:
    if bundle.load(run, calibrated=False).hash != model.hash:
        what = f"the bundle is another one than when this calibration began ({model.hash[:16]}...)"
        raise MismatchError(Problem(44, str(run), what, "calibrate again"))


def _dates(model: Model, times: int) -> tuple[Pairs, bool]:
    """Return dates of the validation split, and whether they are others than those that chose the checkpoint."""
    pairs = build.open_splits(model.recipe, ("validation",))["validation"]
    if pairs.n_times < FEWEST:
        what = f"the validation split has {pairs.n_times} dates, too few to calibrate with"
        fix = f"give a validation split of at least {FEWEST} dates, better 64, in the recipe, and train again"
        raise DataError(Problem(43, "data.split.validation", what, fix))
    chosen = other_times(pairs.n_times, model.recipe.train.validation_times, times, times)
    are_new = not set(chosen) & set(evenly_spread(pairs.n_times, model.recipe.train.validation_times))
    return pairs.select(chosen), are_new


def _groups(pairs: Pairs) -> np.ndarray:
    """Return what each date is drawn together with: its scene where the data name one, else its week; (time,)."""
    assert pairs.fine is not None
    if "valid_time" in pairs.fine.coords:
        return np.unique(pairs.fine["valid_time"].values, return_inverse=True)[1]
    numbers = microseconds(pairs.times)
    return np.unique((numbers - numbers[0]) // round(GROUP_DAYS * DAY), return_inverse=True)[1]


def _chances(parts: Sequence[Pairs]) -> tuple[list[np.ndarray], list[str]]:
    """Return what the dates of each part are drawn together with by chance, and what is to be said about it."""
    groups = [_groups(part) for part in parts]
    fewest = min(len(np.unique(each)) for each in groups)
    if fewest >= FEWEST_GROUPS:
        return groups, []
    note = f"only {fewest} scenes or weeks in a half: chance is drawn among single dates, and intervals are too narrow"
    return [np.arange(part.n_times) for part in parts], [note]


def halves(groups: np.ndarray) -> np.ndarray:
    """Return which dates are held out, (time,) bool: parts of whole groups, in turn, so that both halves are as large.

    Raises:
        DataError: CD-043, all dates are of one group.
    """
    names, sizes = np.unique(groups, return_counts=True)
    if len(names) < 2:
        what = "all dates of the validation split are of one scene or week: nothing can be held out"
        raise DataError(Problem(43, "data.split.validation", what, "give a longer validation split, and train again"))
    part = np.minimum(np.arange(len(names)) * N_PARTS // len(names), N_PARTS - 1)
    n_held_out = n_choosing = 0
    held_out = []
    for number in np.unique(part):
        if n_held_out < n_choosing:
            held_out += names[part == number].tolist()
            n_held_out += int(sizes[part == number].sum())
        else:
            n_choosing += int(sizes[part == number].sum())
    return np.isin(groups, held_out)


def _calibration(
    model: Model, members: int, search: Search, chosen: Trial, confirming: Search, held_out: tuple[Trial, Trial]
) -> Calibration:
    one, other = (tried(confirming, trial, model.recipe.sample) for trial in held_out)
    notes = [*search.notes, *_doubts(other, chosen is search.own)]
    return Calibration(
        climdiff=climdiff.__version__,
        bundle_hash=model.hash,
        recipe=model.recipe.sample,
        sample=chosen.sample,
        seed=model.recipe.seed,
        members=members,
        dates_chosen=len(search.groups),
        dates_held_out=len(confirming.groups),
        tried=tuple(tried(search, trial, model.recipe.sample) for trial in search.trials),
        held_out=(one, other),
        notes=tuple(notes),
    )


def tried(search: Search, trial: Trial, own: Sample) -> Tried:
    """Return a trial as the bundle keeps it."""
    gain = search.difference(trial, search.own)
    scores = {
        name: Scored(
            crps_fair=found.crps_fair,
            spread_skill=found.spread_skill,
            spread_skill_interval=_told(found.spread_skill_interval(search.groups, search.recipe.seed)),
            small_scale_ratio=trial.power[name] if np.isfinite(trial.power[name]) else None,
        )
        for name, found in trial.scores.items()
    }
    return Tried(
        settings=settings(trial.sample, own),
        evaluations=trial.evaluations,
        seconds=trial.seconds,
        scores=scores,
        difference=(gain.percent, *(_told((gain.low, gain.high)) or (None, None))),
    )


def _told(interval: tuple[float, float]) -> tuple[float, float] | None:
    """Return an interval, or None where there were too few dates for one."""
    return interval if np.isfinite(interval).all() else None


def ways(found: Calibration, variable: str) -> list[Way]:
    """Return the ways tried, for the figure of a variable."""
    plain = {key: value for key, value in found.settings.items() if key != "spread"}
    made = []
    for each in found.tried:
        scored = each.scores[variable]
        made.append(
            Way(
                evaluations=each.evaluations,
                factor=each.settings.get("spread", found.recipe.spread),
                crps=scored.crps_fair,
                spread_skill=(scored.spread_skill, *(scored.spread_skill_interval or 2 * (scored.spread_skill,))),
                is_own=not each.settings,
                is_chosen=each.settings == found.settings,
                is_on_curve={key: value for key, value in each.settings.items() if key != "spread"} == plain,
            )
        )
    return made


def _doubts(held_out: Tried, is_own: bool) -> list[str]:
    """Return what the dates held out have against the choice."""
    doubts = []
    percent, low, high = held_out.difference
    if not is_own and low is not None and low > 0:
        doubts.append(f"held-out dates do not confirm the choice: fair CRPS {percent:+.1f} % [{low:+.1f}, {high:+.1f}]")
    for name, found in held_out.scores.items():
        if not BAND[0] <= found.spread_skill <= BAND[1]:
            ends = found.spread_skill_interval
            interval = "too few to tell how surely" if ends is None else f"[{ends[0]:.2f}, {ends[1]:.2f}]"
            what = f"spread over skill of the choice is {found.spread_skill:.2f} ({interval})"
            doubts.append(f"'{name}': {what} on the dates held out")
    return doubts
