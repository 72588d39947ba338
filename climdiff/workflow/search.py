"""Which way of drawing members is best: a search in stages, where every departure from the recipe has to prove itself.

A way that costs as much as the one it would replace, or more, has to have a better fair CRPS beyond chance: the whole
95 % interval of the paired difference is below 0; a costlier one also has to gain `WORTH` at least. A cheaper one has
to be shown to be no more than `NO_WORSE` worse. Of those, the ways within one standard error of the best are equal, and
the cheapest of equals wins. The spread factor comes last and serves the constraint: spread over skill in `BAND`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from climdiff.errors import RecipeError
from climdiff.recipe.load import changed
from climdiff.recipe.schema import Recipe, Sample
from climdiff.verification import dates
from climdiff.verification.significance import Difference
from climdiff.workflow.trials import Trial

BAND = (0.95, 1.05)
"""Spread over skill that counts as calibrated."""
NO_WORSE = 1.0
"""Percent of fair CRPS by which a cheaper way may be worse, for sure."""
WORTH = 0.5
"""Percent of fair CRPS that a costlier way has to gain: less is not worth more evaluations."""
LADDER = (5, 10, 20, 40)
"""Evaluations tried, up to twice those of the recipe, while more of them help."""
SAMPLERS = ("dpmpp_2m", "dpmpp_sde_2m")
"""Tried beside that of the recipe: the best without and with fresh noise in docs/results.md."""
FRESH = {"ddim": ("eta", (0.0, 0.5, 1.0)), "euler": ("churn", (0.0, 5.0, 20.0)), "heun": ("churn", (0.0, 5.0, 20.0))}
"""Samplers with an option for fresh noise, and its values."""
WEIGHTS: tuple[tuple[float, tuple[float, float] | None], ...] = ((0.8, None), (1.25, None), (1.5, (0.2, 5.0)))
"""Guidance and its interval: less, more, and more at middle noise levels only."""
FACTORS = (0.5, 2.0)
"""Ends of the search for the spread factor."""
NEAR, MOST = 0.01, 5
"""The factor is found when log(spread over skill) is this near to 0, or after so many trials."""
LEAST_SPREAD = 1e-3
"""Members that are all alike have no logarithm of spread over skill; this is as good as none."""
BESIDE = 1.05
"""Factors this much above and below are tried too, for the curve."""
TOO_FEW = "too few dates to tell ways apart: no more evaluations are tried; give more --times"


class Search:
    """A search for one model.

    Attributes:
        own: The way of the recipe.
        trials: All ways tried, in order.
        left_out: Ways the recipe excludes, with the reason.
        notes: What its user should know about the choice.
    """

    def __init__(
        self,
        recipe: Recipe,
        score: Callable[[Sample], Trial],
        groups: np.ndarray,
        *,
        say: Callable[[str], None] = lambda line: None,
        expect: Callable[[float], None] = lambda evaluations: None,
    ) -> None:
        """Score the recipe's own way.

        Args:
            recipe: Of the model; its `sample` is where the search begins.
            score: Draws members in a way and scores them, always on the same dates and with the same noise.
            groups: What each date is drawn together with by chance, (time,).
            say: Takes lines for the user.
            expect: Told, before each stage, at most how many evaluations of a member and date are still to come.
        """
        self.recipe, self.score, self.groups, self.say, self.expect = recipe, score, groups, say, expect
        self.trials: list[Trial] = []
        self.left_out: dict[str, str] = {}
        self.notes: list[str] = []
        self.own = self._try(recipe.sample)

    def choose(self) -> Trial:
        """Return the way chosen, stage after stage."""
        current = self.own
        stages = {"sampler and steps": self._steps, "guidance": self._guidance, "fresh noise": self._fresh}
        for number, (name, candidates) in enumerate(stages.items()):
            self.expect(most(self.recipe, current.sample, current.evaluations, number))
            found = candidates(current)
            chosen = self.pick(current, found)
            self._tell(name, current, chosen, found)
            current = chosen
        self.expect(most(self.recipe, current.sample, current.evaluations, len(stages)))
        current = self._spread(current)
        if violation(current) > violation(self.own):
            self.notes.append(
                f"{difference_of(current.sample, self.own.sample)} cannot be calibrated, the recipe's way is"
            )
            return self.own
        return current

    def ratio(self, trial: Trial) -> float:
        """Return the fair CRPS over that of the recipe's own way, averaged over variables."""
        return float(dates.relative(trial.scores, self.own.scores).sum())

    def difference(self, trial: Trial, other: Trial) -> Difference:
        """Return by how many percent the fair CRPS of a way is above another's."""
        return dates.difference(trial.scores, other.scores, self.own.scores, self.groups, self.recipe.seed)

    def pick(self, current: Trial, candidates: Sequence[Trial]) -> Trial:
        """Return the cheapest of those as good as the best of all that prove themselves against `current`."""
        proven = [current, *(each for each in candidates if self._proves_itself(each, current))]
        best = min(proven, key=self.ratio)
        equals = [each for each in proven if each is best or self._is_equal(each, best)]
        return min(equals, key=lambda each: (each.evaluations, each is not current, self.ratio(each)))

    def _proves_itself(self, trial: Trial, current: Trial) -> bool:
        found = self.difference(trial, current)
        if trial.evaluations < current.evaluations:
            return found.is_better or found.high < NO_WORSE
        return found.is_better and (trial.evaluations == current.evaluations or found.percent <= -WORTH)

    def _is_equal(self, trial: Trial, best: Trial) -> bool:
        found = self.difference(trial, best)
        return found.percent <= found.error

    def _steps(self, current: Trial) -> list[Trial]:
        found: list[Trial] = []
        plain = {"eta": 0.0, "churn": 0.0, "variance": "posterior"}
        for sampler in dict.fromkeys((current.sample.sampler, *SAMPLERS)):
            changes = {} if sampler == current.sample.sampler else {"sampler": sampler, **plain}
            before: Trial | None = None
            for steps in LADDER:
                if steps > 2 * self.recipe.sample.steps:
                    break
                trial = self._vary(current, **changes, steps=steps)
                if trial is None:
                    continue
                found.append(trial)
                if before is not None:
                    gain = self.difference(trial, before)
                    if not gain.is_told and TOO_FEW not in self.notes:
                        self.notes.append(TOO_FEW)
                    if not gain.is_told or gain.percent > -gain.error:
                        break  # as far as these dates tell, more evaluations do not help this sampler
                before = trial
        return found

    def _guidance(self, current: Trial) -> list[Trial]:
        if self.recipe.train.condition_dropout == 0 or current.sample.guidance == 0:
            return []
        weights = [(1.0, None)] * (current.sample.guidance != 1) + list(WEIGHTS)
        return self._varied(current, [{"guidance": w, "guidance_interval": interval} for w, interval in weights])

    def _fresh(self, current: Trial) -> list[Trial]:
        if current.sample.sampler not in FRESH:
            return []
        key, values = FRESH[current.sample.sampler]
        return self._varied(current, [{key: value} for value in values])

    def _spread(self, current: Trial) -> Trial:
        """Return the way with the spread factor that keeps the constraint best, and among such the best CRPS."""
        tried = {current.sample.spread: current}
        while len(tried) < MOST and (factor := next_factor({k: center(each) for k, each in tried.items()})):
            trial = self._vary(current, spread=factor)
            if trial is None:
                break
            tried[factor] = trial
        middle = min(tried.values(), key=lambda each: abs(center(each)))
        for factor in (middle.sample.spread / BESIDE, middle.sample.spread * BESIDE):
            if not FACTORS[0] <= factor <= FACTORS[1]:
                continue
            trial = self._vary(current, spread=round(factor, 3))
            if trial is not None:
                tried[trial.sample.spread] = trial
        chosen = self._constrained(current, middle, list(tried.values()))
        self._tell("spread", current, chosen, [each for each in tried.values() if each is not current])
        return chosen

    def _constrained(self, current: Trial, middle: Trial, tried: Sequence[Trial]) -> Trial:
        if violation(current) > 0 and self._cannot_tell(current):
            self.notes.append(
                f"spread over skill of {shown(current)} is not told from {BAND[0]} to {BAND[1]} by these dates: the "
                "spread stays as it is; give more --times"
            )
            return current
        least = min(violation(each) for each in tried)
        kept = [each for each in tried if violation(each) <= least]
        base = current if current in kept else middle if middle in kept else kept[0]
        if least > 0:
            what = f"spread over skill of every target into {BAND[0]} to {BAND[1]}"
            self.notes.append(f"no factor brings {what}: {shown(kept[0])} is nearest")
        return self.pick(base, [each for each in kept if each is not base])

    def _cannot_tell(self, trial: Trial) -> bool:
        """Return whether every variable outside the band might be anywhere in it and beyond, or is not told at all."""
        outside = [found for found in trial.scores.values() if not BAND[0] <= found.spread_skill <= BAND[1]]
        intervals = [found.spread_skill_interval(self.groups, self.recipe.seed) for found in outside]
        return not any(low >= BAND[0] or high <= BAND[1] for low, high in intervals)  # NaN where it is not told

    def _varied(self, current: Trial, changes: Sequence[Mapping[str, Any]]) -> list[Trial]:
        trials = [self._vary(current, **each) for each in changes]
        return [each for each in trials if each is not None and each is not current]

    def _vary(self, current: Trial, **changes: Any) -> Trial | None:
        """Return the trial of a way with other values of some keys; None where the recipe excludes it."""
        overrides = [f"sample.{key}={json.dumps(value)}" for key, value in changes.items()]
        base = self.recipe.model_copy(update={"sample": current.sample})
        try:
            return self._try(changed(base, overrides, ("sample",)).sample)
        except RecipeError as error:
            self.left_out[", ".join(f"{key} {value}" for key, value in changes.items())] = error.problems[0].what
            return None

    def _try(self, sample: Sample) -> Trial:
        known = next((each for each in self.trials if each.sample == sample), None)
        if known is None:
            known = self.score(sample)
            self.trials.append(known)
        return known

    def _tell(self, stage: str, current: Trial, chosen: Trial, found: Sequence[Trial]) -> None:
        if not found:
            self.say(f"{stage}: nothing to choose")
            return
        if chosen is not current:
            gain = _percent(self.difference(chosen, current))
            self.say(
                f"{stage}: {difference_of(chosen.sample, current.sample)} of {len(found)} tried: {gain}, "
                f"spread over skill {shown(current)} -> {shown(chosen)}"
            )
            return
        nearest = min(found, key=self.ratio)
        gain = _percent(self.difference(nearest, current))
        way = difference_of(nearest.sample, current.sample)
        self.say(f"{stage}: as it was; the best of {len(found)} others ({way}) has {gain}")


def most(recipe: Recipe, current: Sample, evaluations: int, stage: int) -> int:
    """Return at most how many evaluations come from a stage on, with those of the two ways on the dates held out.

    Args:
        recipe: Of the model.
        current: The way that is best so far.
        evaluations: Of the network for a member drawn in it.
        stage: 0 sampler and steps, 1 guidance, 2 fresh noise, 3 spread.
    """
    each = math.ceil(evaluations / current.steps)
    tried = [steps for steps in LADDER if steps <= 2 * recipe.sample.steps] if stage == 0 else []
    dearest = each * max(current.steps, *tried, 0)
    ways = MOST + 1 + 2
    if stage <= 1 and recipe.train.condition_dropout > 0:
        ways += 1 + len(WEIGHTS)
        dearest *= 1 + (current.guidance == 1)  # guided, the network is asked with the condition and without
    if stage <= 2 and current.sampler in FRESH:
        ways += len(FRESH[current.sampler][1])
    return each * sum(tried) * (1 + len(SAMPLERS)) + ways * dearest


def center(trial: Trial) -> float:
    """Return log(spread over skill), in the middle between the variables with least and most."""
    found = [math.log(max(each.spread_skill, LEAST_SPREAD)) for each in trial.scores.values()]
    return (min(found) + max(found)) / 2


def violation(trial: Trial) -> float:
    """Return how far spread over skill is outside the band, of the variable where it is farthest."""
    return max(max(BAND[0] - each.spread_skill, each.spread_skill - BAND[1], 0.0) for each in trial.scores.values())


def next_factor(centers: Mapping[float, float]) -> float | None:
    """Return the factor to try next, given `center` of those tried; None when one is near enough or none is left.

    Between two factors on both sides of the root: where the line between them is 0. Outside: along the line through the
    nearest two, or as for Gaussian data, where spread is in proportion to the factor.
    """
    nearest = sorted(centers, key=lambda factor: abs(centers[factor]))
    if abs(centers[nearest[0]]) <= NEAR:
        return None
    below = max((factor for factor in centers if centers[factor] < 0), default=None)
    above = min((factor for factor in centers if centers[factor] > 0), default=None)
    if below is not None and above is not None:
        ends = below, above
    elif len(nearest) > 1:
        ends = nearest[0], nearest[1]
    else:
        ends = nearest[0], nearest[0]
    one, other = (math.log(end) for end in ends)
    slope = 1.0 if ends[0] == ends[1] else (centers[ends[1]] - centers[ends[0]]) / (other - one)
    log_factor = one - centers[ends[0]] / min(max(slope, 0.25), 4.0)
    factor = round(min(max(math.exp(log_factor), FACTORS[0]), FACTORS[1]), 3)
    return None if factor in centers else factor


def difference_of(sample: Sample, other: Sample) -> str:
    """Return the keys in which a way differs from another: `steps 10, spread 1.1`."""
    named = {key: value for key, value in settings(sample, other).items() if value is not None}
    return ", ".join(str(value) if key == "sampler" else f"{key} {value}" for key, value in named.items())


def settings(sample: Sample, other: Sample) -> dict[str, Any]:
    """Return the keys of a way that have other values than in another."""
    mine, theirs = sample.model_dump(mode="json"), other.model_dump(mode="json")
    return {key: value for key, value in mine.items() if value != theirs[key]}


def shown(trial: Trial) -> str:
    """Return spread over skill of every variable."""
    return " / ".join(f"{each.spread_skill:.2f}" for each in trial.scores.values())


def _percent(found: Difference) -> str:
    interval = f"[{found.low:+.1f}, {found.high:+.1f}]" if found.is_told else "(too few dates for an interval)"
    return f"fair CRPS {found.percent:+.1f} % {interval}"
