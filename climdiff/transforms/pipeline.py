"""Chains of transforms, one per variable: fitted block by block on training times, applied, inverted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import xarray as xr

from climdiff.errors import DataError, MismatchError, Problem
from climdiff.transforms.residual import Residual
from climdiff.transforms.times import iso_strings, times_hash

Block = tuple[xr.Dataset, xr.Dataset | None]  # values and first guess, physical units, one grid


class Transform(Protocol):
    """A step that can be undone and does not decrease where its values increase."""

    @property
    def name(self) -> str: ...  # noqa: D102
    def apply(self, values: xr.DataArray, state: xr.Dataset) -> xr.DataArray: ...  # noqa: D102
    def invert(self, values: xr.DataArray, state: xr.Dataset) -> xr.DataArray: ...  # noqa: D102


@runtime_checkable
class FittedTransform(Transform, Protocol):
    """A step with statistics: those of a block, of two blocks together, and what is wrong with the whole."""

    def fit(self, values: xr.DataArray) -> xr.Dataset: ...  # noqa: D102
    def merge(self, first: xr.Dataset, second: xr.Dataset) -> xr.Dataset: ...  # noqa: D102
    def check(self, state: xr.Dataset, variable: str, where: str) -> list[Problem]: ...  # noqa: D102


@dataclass(frozen=True)
class Pipeline:
    """The steps of each variable, in the order in which they are applied.

    All state is one Dataset of variables like `pr__1_standardize__mean` (variable, place in the chain and name of the
    step, statistic), with the dates it was fitted on (`training_time`), their hash, the steps and the attributes of the
    variables. Steps compute in float64; results have the precision of the values.
    """

    steps: Mapping[str, tuple[Transform, ...]]

    def fit(
        self, blocks: Callable[[], Iterable[Block]], times: xr.DataArray, where: str = "training data"
    ) -> xr.Dataset:
        """Return the state, from one pass over the blocks for each level of fitted steps.

        Args:
            blocks: starts a new pass over the training data.
            times: the training dates, of all blocks together.
            where: what to call the data in messages.

        Raises:
            DataError: CD-033 for a variable without values, CD-034 for a constant one, CD-036 for an absent one.
        """
        state = xr.Dataset(coords={"training_time": ("training_time", times.values, {"long_name": "dates fitted on"})})
        dates = iso_strings(times)
        attributes: dict[str, dict[str, Any]] = {}
        for level in range(max([1, *(len(_fitted(chain)) for chain in self.steps.values())])):
            places = {name: _fitted(chain)[level] for name, chain in self.steps.items() if len(_fitted(chain)) > level}
            sums: dict[str, xr.Dataset] = {}
            for values, guess in blocks():
                for name in self.steps:
                    attributes.setdefault(name, _plain(_get(values, name, where).attrs))
                if not places:
                    break
                for name, place in places.items():
                    step = self.steps[name][place]
                    assert isinstance(step, FittedTransform)
                    partial = step.fit(self._forward(name, place, values, state, guess))
                    sums[name] = step.merge(sums[name], partial) if name in sums else partial
            self._check(places, sums, where)
            for name, total in sums.items():
                prefix = _prefix(name, places[name], self.steps[name][places[name]])
                state = state.assign({prefix + str(key): total[key].rename(None) for key in total.data_vars})
        return state.assign_attrs(
            training_times_hash=times_hash(times),
            training_first=dates[0],
            training_last=dates[-1],
            n_times=len(dates),
            steps=self._description(),
            variable_attributes=json.dumps(attributes, sort_keys=True),
        )

    def apply(self, values: xr.Dataset, state: xr.Dataset, guess: xr.Dataset | None = None) -> xr.Dataset:
        """Return the variables of the pipeline as the network sees them.

        Raises:
            MismatchError: CD-054 where the state is of other steps.
            DataError: CD-021 or CD-036 where a variable or its first guess is absent or on another grid.
        """
        self._check_state(state)
        fields = {}
        for name, chain in self.steps.items():
            field = self._forward(name, len(chain), values, state, guess).astype(_precision(values[name]))
            fields[name] = field.assign_attrs(long_name=f"transformed {name}", units="1")
        return xr.Dataset(fields)

    def invert(self, values: xr.Dataset, state: xr.Dataset, guess: xr.Dataset | None = None) -> xr.Dataset:
        """Return physical values, within the bounds and with the attributes the variables had when fitted."""
        self._check_state(state)
        attributes = json.loads(state.attrs["variable_attributes"])
        fields = {}
        for name, chain in self.steps.items():
            field = _get(values, name, "network output").astype(np.float64)
            for place, step in reversed(list(enumerate(chain))):
                own = self._own_state(name, place, state, guess)
                field = step.invert(field, own)
            attrs = attributes[name]
            field = field.clip(attrs.get("lower_bound"), attrs.get("upper_bound"))
            fields[name] = field.astype(_precision(values[name])).drop_attrs().assign_attrs(attrs)
        return xr.Dataset(fields)

    def bounds(
        self, limits: Mapping[str, tuple[float, float]], state: xr.Dataset, guess: xr.Dataset | None = None
    ) -> tuple[xr.Dataset, xr.Dataset]:
        """Return the lowest and the highest value in network space, given physical limits per variable.

        With a first guess, fields of its shape; else numbers, or fields where a step has its statistics per cell. A
        variable without limits is unbounded (rain is still at least zero).
        """
        self._check_state(state)
        ends: tuple[dict[str, xr.DataArray], dict[str, xr.DataArray]] = {}, {}
        for name, chain in self.steps.items():
            for fields, limit in zip(ends, limits.get(name, (-np.inf, np.inf)), strict=True):
                like = None if guess is None else next(iter(guess.data_vars.values()))
                whole = xr.DataArray(float(limit)) if like is None else xr.full_like(like, limit, dtype=np.float64)
                values = xr.Dataset({name: whole.drop_attrs()})
                fields[name] = self._forward(name, len(chain), values, state, guess).astype(np.float32)
        return xr.Dataset(ends[0]), xr.Dataset(ends[1])

    def _forward(
        self, name: str, until: int, values: xr.Dataset, state: xr.Dataset, guess: xr.Dataset | None
    ) -> xr.DataArray:
        field = _get(values, name, "values").astype(np.float64)
        for place, step in enumerate(self.steps[name][:until]):
            field = step.apply(field, self._own_state(name, place, state, guess))
        return field

    def _own_state(self, name: str, place: int, state: xr.Dataset, guess: xr.Dataset | None) -> xr.Dataset:
        """Return the state of one step under its own names; that of a residual is the guess as it is by then."""
        if isinstance(self.steps[name][place], Residual):
            if guess is None or name not in guess:
                what = f"variable '{name}' is to be a residual, but there is no first guess of that name"
                raise DataError(
                    Problem(36, "coarse data", what, f"add {name} to the coarse variables, or drop the step")
                )
            return xr.Dataset({"guess": self._forward(name, place, guess, state, guess)})
        prefix = _prefix(name, place, self.steps[name][place])
        return xr.Dataset(
            {str(key)[len(prefix) :]: state[key] for key in state.data_vars if str(key).startswith(prefix)}
        )

    def _check(self, places: Mapping[str, int], sums: Mapping[str, xr.Dataset], where: str) -> None:
        problems = []
        for name, place in places.items():
            step = self.steps[name][place]
            assert isinstance(step, FittedTransform)
            if name in sums:
                problems += step.check(sums[name], name, where)
            else:
                problems.append(Problem(33, where, f"variable '{name}' has no dates at all", "choose a longer period"))
        if problems:
            raise DataError(*problems)

    def _description(self) -> str:
        return json.dumps({name: [repr(step) for step in chain] for name, chain in self.steps.items()})

    def _check_state(self, state: xr.Dataset) -> None:
        if state.attrs.get("steps") != self._description():
            what = f"transforms were fitted for {state.attrs.get('steps')}, but {self._description()} is asked for"
            raise MismatchError(Problem(54, "transform state", what, "train again, or use the recipe of the bundle"))


def _fitted(chain: tuple[Transform, ...]) -> list[int]:
    return [place for place, step in enumerate(chain) if isinstance(step, FittedTransform)]


def _prefix(name: str, place: int, step: Transform) -> str:
    return f"{name}__{place}_{step.name}__"


def _get(values: xr.Dataset, name: str, where: str) -> xr.DataArray:
    if name not in values:
        what = f"variable '{name}' is not among {list(values.data_vars)}"
        raise DataError(Problem(36, where, what, "name one that is there, or add it to the data"))
    return values[name]


def _precision(values: xr.DataArray) -> np.dtype:
    return np.dtype(np.float64 if values.dtype == np.float64 else np.float32)


def _plain(attrs: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(key): np.asarray(value).tolist() for key, value in attrs.items()}
