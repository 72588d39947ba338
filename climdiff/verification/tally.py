"""Adds up one variable, piece by piece: every family of scores, its groups, its series and its coarse input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from climdiff.verification.by_time import by_time
from climdiff.verification.coarse import Coarse, coarse_scores, coarse_sums
from climdiff.verification.families import CELLWISE, FAMILIES, Block, Family, Setting, Sums
from climdiff.verification.groups import Group, part
from climdiff.verification.series import Calendar, Series

GROUPED = tuple(family for family in FAMILIES if family.name in CELLWISE)


@dataclass(frozen=True, eq=False)
class Plan:
    """What is to be worked out for a variable beside the families of scores.

    `cell_weights` (...) is the weight of every cell; `calendar` None where times are no series; `origin` a number near
    the values; `coarse` None where there is no coarse field of the same variable. `each_time` names scores wanted time
    by time.
    """

    setting: Setting
    cell_weights: np.ndarray
    origin: float
    calendar: Calendar | None
    groups: Mapping[str, Group]
    coarse: Coarse | None
    each_time: tuple[str, ...] = ()


class Tally:
    """Sums over the times added so far; pieces have to come in the order of time."""

    def __init__(self, plan: Plan, n_times: int) -> None:
        """Start empty, for that many times."""
        self.plan = plan
        self.sums: dict[str, Sums] = {}
        self.grouped: dict[str, dict[str, Sums]] = {name: {} for name in plan.groups}
        self.coarse: Sums = {}
        self.crps, self.weight = np.full(n_times, np.nan), np.zeros(n_times)
        self.by_time = {score: np.full(n_times, np.nan) for score in plan.each_time}
        calendar = plan.calendar
        self.series = None if calendar is None else Series(calendar, plan.setting.thresholds, plan.origin)

    def add(self, span: slice, members: np.ndarray, truth: np.ndarray) -> None:
        """Add the times of a span: members (realization, time, ...) and truth (time, ...), NaN where it is missing."""
        block = _block(members, truth, self.plan)
        self.sums = _added(self.sums, block, FAMILIES)
        for name, group in self.plan.groups.items():
            chosen = part(block, span, group)
            if chosen is not None:
                self.grouped[name] = _added(self.grouped[name], chosen, GROUPED)
        if self.series is not None:
            self.series.add(span, block.members, block.truth, block.weights)
        if self.plan.coarse is not None:
            field, blocks = self.plan.coarse.field, self.plan.coarse.blocks
            given = field.isel({field.dims[0]: span}).values
            self.coarse = _sum(self.coarse, coarse_sums(block.members, block.truth, block.weights, given, blocks))
        n_times = len(truth)
        self.weight[span] = block.weights.reshape(n_times, -1).sum(axis=1)
        error, spread = block.crps_terms
        crps = (block.weights * (error[0] - spread[0])).reshape(n_times, -1).sum(axis=1)
        np.divide(crps, self.weight[span], out=self.crps[span], where=self.weight[span] > 0)

        for score, values in by_time(block.members, block.truth, block.weights, self.plan.each_time).items():
            self.by_time[score][span] = values

    def scalars(self) -> dict[str, float]:
        """Return everything that is one number; that of a group has its name and a colon before it."""
        found = _scores(self.sums, FAMILIES, self.plan.setting)
        if self.coarse:
            found |= coarse_scores(self.coarse)
        if self.series is not None:
            found |= self.series.scores(self.plan.cell_weights)
        for name, sums in self.grouped.items():
            if sums and sums["errors"]["weight"] > 0:
                scores = _scores(sums, GROUPED, self.plan.setting)
                found |= {f"{name}:{key}": value for key, value in scores.items()}
        return found

    def tables(self) -> dict[str, xr.DataArray]:
        """Return what has more than one number, by name."""
        found: dict[str, xr.DataArray] = {}
        for family in FAMILIES:
            if self.sums[family.name]:
                found |= family.tables(self.sums[family.name], self.plan.setting)
        return found


def _block(members: np.ndarray, truth: np.ndarray, plan: Plan) -> Block:
    """Return the values with a number in every cell, those without truth at weight 0."""
    missing = np.isnan(truth)
    weights = np.where(missing, 0.0, plan.cell_weights)
    if missing.any():
        truth, members = np.where(missing, 0, truth), np.where(missing, 0, members)
    return Block(members, truth, weights, ~missing.reshape(len(truth), -1).any(axis=1), plan.setting)


def _added(sums: Mapping[str, Sums], block: Block, families: tuple[Family, ...]) -> dict[str, Sums]:
    return {family.name: _sum(sums.get(family.name, {}), family.sums(block)) for family in families}


def _sum(sums: Sums, more: Sums) -> Sums:
    return {key: value + sums[key] if key in sums else value for key, value in more.items()}


def _scores(sums: Mapping[str, Sums], families: tuple[Family, ...], setting: Setting) -> dict[str, float]:
    found: dict[str, float] = {}
    for family in families:
        if sums[family.name]:
            found |= family.scores(sums[family.name], setting)
    return found
