"""Keys of a recipe that must agree with each other: plain checks on plain values, findings back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

from climdiff.recipe.findings import Finding
from climdiff.recipe.steps import Step

SEASONS = ("DJF", "MAM", "JJA", "SON")
"""What verification calls them; it knows no recipes."""
Selection = str | tuple[str, str]


def overlaps(split: Mapping[str, Selection]) -> list[Finding]:
    """Find pairs of a split that share times: periods that overlap, subsets of the same name."""
    findings = []
    for (one, selected), (other, also_selected) in combinations(split.items(), 2):
        shared = _shared(selected, also_selected)
        if shared:
            what = f"{one} and {other} share {shared}"
            fix = "give train, validation and test times of their own"
            findings.append(Finding(what, fix, (other,), code=43))
    return findings


def _shared(one: Selection, other: Selection) -> str:
    if isinstance(one, str) or isinstance(other, str):
        return f"the subset {one!r}" if one == other else ""
    first, last = max(one[0], other[0]), min(one[1], other[1])
    return f"{first} to {last}" if first <= last else ""


def misplaced_steps(
    target_steps: Mapping[str, Sequence[Step]],
    predictor_steps: Mapping[str, Sequence[Step]],
    targets: Sequence[str],
    predictors: Sequence[str],
) -> list[Finding]:
    """Find transforms of variables the data have not, repeated steps, and residuals from nothing."""
    findings = not_targets(("targets",), target_steps, targets)
    for variable in predictor_steps:
        if variable not in predictors:
            what = f"{variable!r} is not in data.predictors ({', '.join(predictors)})"
            findings.append(Finding(what, "remove it, or add it there", ("predictors", variable)))
    for side, by_variable in (("targets", target_steps), ("predictors", predictor_steps)):
        for variable, steps in by_variable.items():
            names = [step.name for step in steps]
            for position, name in enumerate(names):
                at = (side, variable, position)
                if name in names[:position]:
                    findings.append(Finding(f"step {name!r} given twice", "keep one of them", at))
                elif name == "residual" and side == "predictors":
                    findings.append(Finding("a predictor has no first guess to subtract", "remove residual", at))
                elif name == "residual" and variable not in predictors:
                    what = f"residual of {variable!r} needs {variable!r} among data.predictors"
                    findings.append(Finding(what, f"add {variable} to data.predictors, or remove residual", at))
    return findings


def not_targets(at: tuple[str, ...], variables: Iterable[str], targets: Sequence[str]) -> list[Finding]:
    """Find the variables that are no targets."""
    return [
        Finding(
            f"{variable!r} is not in data.targets ({', '.join(targets)})", "remove it, or add it there", (*at, variable)
        )
        for variable in variables
        if variable not in targets
    ]


def unnamable(thresholds: Mapping[str, Sequence[float]], regions: Iterable[str], *, by_season: bool) -> list[Finding]:
    """Find scores that would have one name: thresholds alike in six digits, regions named as seasons."""
    findings = []
    for variable, each in thresholds.items():
        names = [f"{threshold:g}" for threshold in each]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            what = f"{', '.join(twice)} is there more than once, in the six digits that name scores"
            findings.append(Finding(what, "keep one of them, or scale the unit", ("thresholds", variable)))
    if by_season:
        taken = [name for name in regions if name in SEASONS]
        what = "a region and a season would have one name"
        findings += [Finding(what, "rename the region", ("regions", name)) for name in taken]
    return findings


def unkept(known: str | None, conserve: bool) -> list[Finding]:
    """Find known cells beside block means: keeping one would change the other."""
    if known is None or not conserve:
        return []
    what = "known cells and block means (sample.conserve) cannot both be kept"
    return [Finding(what, "remove it, or set sample.conserve to false", ("known",))]


def unconserved(
    target_steps: Mapping[str, Sequence[Step]], targets: Sequence[str], predictors: Sequence[str]
) -> list[Finding]:
    """Find what keeps `sample.conserve` from meaning anything: no mean to keep, or a step that changes it again."""
    names = [name for name in targets if name in predictors]
    if not names:
        what = (
            f"no target ({', '.join(targets)}) is a predictor ({', '.join(predictors)}): there is no mean to conserve"
        )
        return [
            Finding(
                what, "set conserve to false, or add the coarse field of a target to data.predictors", ("conserve",)
            )
        ]
    return [
        Finding(
            f"wet_day of target {name!r} sets values to 0 after their block means were conserved",
            f"remove wet_day from transforms.targets.{name}, or set conserve to false",
            ("conserve",),
        )
        for name in names
        if any(step.name == "wet_day" for step in target_steps.get(name, ()))
    ]


def unsampled(steps: int, n_steps: int | None, guidance: float, dropout: float | None) -> list[Finding]:
    """Find samplings the trained network cannot do; what is None is unknown and not checked."""
    findings = []
    if n_steps is not None and steps > n_steps:
        what = f"{steps} sampling steps on a chain of {n_steps} (diffusion.n_steps)"
        findings.append(Finding(what, f"write {n_steps} or less", ("steps",)))
    if dropout == 0.0 and guidance != 1.0:
        what = (
            f"guidance {guidance:g} needs a network trained without the condition too, but train.condition_dropout is 0"
        )
        findings.append(Finding(what, "set guidance to 1, or train with condition_dropout 0.1", ("guidance",)))
    return findings
