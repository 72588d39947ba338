"""Turns labelled fields into the channels a network sees, and what a network draws back into labelled fields."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from climdiff.data.pairs import Pairs
from climdiff.data.times import iso_dates
from climdiff.errors import DataError, MismatchError, Problem
from climdiff.grids.grid import Grid
from climdiff.transforms.pipeline import Block, Pipeline

CALENDAR_CHANNELS = ("season_sin", "season_cos")
POSITION_CHANNELS = ("position_y", "position_x")


@dataclass(frozen=True, eq=False)
class Encoder:
    """The one meaning of every channel: names, order, transforms and the fine grid they live on.

    The condition holds, in this order: `predictors` (regridded and transformed), the static fields by name, the season
    (sine and cosine of the fraction of the year, any calendar) when `calendar`, and the place (native coordinates from
    -1 to 1 over the grid) when `position`. `static` is already scaled (`scale_static`).
    """

    targets: tuple[str, ...]
    predictors: tuple[str, ...]
    static: xr.Dataset | None
    calendar: bool
    position: bool
    grid: Grid
    target_pipeline: Pipeline
    target_state: xr.Dataset
    predictor_pipeline: Pipeline
    predictor_state: xr.Dataset

    @property
    def static_names(self) -> tuple[str, ...]:
        """Return the names of the static fields in channel order."""
        return () if self.static is None else tuple(sorted(str(name) for name in self.static.data_vars))

    @property
    def channel_names(self) -> tuple[str, ...]:
        """Return the names of the condition channels in order."""
        season = CALENDAR_CHANNELS if self.calendar else ()
        place = POSITION_CHANNELS if self.position else ()
        return (*self.predictors, *self.static_names, *season, *place)

    @property
    def n_condition(self) -> int:
        """Return the number of condition channels."""
        return len(self.channel_names)

    @property
    def n_target(self) -> int:
        """Return the number of target channels."""
        return len(self.targets)

    def condition(self, guess: xr.Dataset) -> Tensor:
        """Return the condition (time, n_condition, y, x), float32; a missing value is 0, the mean, after scaling.

        Raises:
            DataError: CD-036 predictors that `guess` lacks; CD-033 infinite values, with the date.
            MismatchError: CD-021 when `guess` is on another grid.
        """
        guess = self._checked(guess, self.predictors, "predictors")
        scaled = self.predictor_pipeline.apply(guess, self.predictor_state)
        fields = self._stack(scaled, self.predictors, guess["time"])
        n_times, n_predictors = fields.shape[:2]
        condition = np.empty((n_times, self.n_condition, *self.grid.shape), dtype=np.float32)
        np.nan_to_num(fields, copy=False, nan=0.0)
        condition[:, :n_predictors] = fields
        channel = n_predictors
        for name in self.static_names:
            assert self.static is not None
            condition[:, channel] = self.static[name].transpose(self.grid.y_dim, self.grid.x_dim).values
            channel += 1
        if self.calendar:
            angle = 2.0 * np.pi * fraction_of_year(guess["time"])
            condition[:, channel : channel + 2] = np.stack([np.sin(angle), np.cos(angle)], axis=1)[:, :, None, None]
            channel += 2
        if self.position:
            condition[:, channel] = _from_minus_one_to_one(self.grid.y)[:, None]
            condition[:, channel + 1] = _from_minus_one_to_one(self.grid.x)[None, :]
        return torch.from_numpy(condition)

    def target(self, truth: xr.Dataset, guess: xr.Dataset) -> Tensor:
        """Return the targets in network space (time, n_target, y, x), float32; missing values stay NaN for the loss.

        Raises:
            DataError: CD-036 targets that `truth` lacks; CD-033 infinite values, with the date.
            MismatchError: CD-021 when `truth` is on another grid.
        """
        truth = self._checked(truth, self.targets, "targets")
        scaled = self.target_pipeline.apply(truth, self.target_state, guess)
        return torch.from_numpy(self._stack(scaled, self.targets, truth["time"]))

    def to_dataset(self, x0: Tensor, guess: xr.Dataset) -> xr.Dataset:
        """Return drawn fields in physical units, (realization, time, y, x), float32, with their attributes.

        Args:
            x0: Clean draws in network space, (realization, time, n_target, y, x), any float type and device.
            guess: The coarse fields on the fine grid of the same dates, physical units.
        """
        values = x0.detach().to(device="cpu", dtype=torch.float32).numpy()
        dims = ("realization", "time", self.grid.y_dim, self.grid.x_dim)
        scaled = xr.Dataset({name: (dims, values[:, :, number]) for number, name in enumerate(self.targets)})
        scaled = self.grid.attach(scaled.assign_coords(time=guess["time"].variable))
        physical = self.target_pipeline.invert(scaled, self.target_state, guess)
        return self.grid.attach(physical[list(self.targets)].transpose(*dims).astype(np.float32))

    def bounds(self, guess: xr.Dataset, limits: Mapping[str, tuple[float, float]]) -> tuple[Tensor, Tensor]:
        """Return lowest and highest possible targets in network space, each (time, n_target, y, x), float32.

        A cell whose guess is missing has no bounds (infinite ones).

        Args:
            guess: The coarse fields on the fine grid, physical units.
            limits: Lower and upper physical bound by variable; a variable without an entry is unbounded.
        """
        every = {name: limits.get(name, (-np.inf, np.inf)) for name in self.targets}
        low, high = self.target_pipeline.bounds(every, self.target_state, guess)
        dims = ("time", self.grid.y_dim, self.grid.x_dim)
        sizes = dict(zip(dims, (guess.sizes["time"], *self.grid.shape), strict=True))

        def stacked(side: xr.Dataset) -> Tensor:
            fields = [side[name].variable.set_dims(sizes).transpose(*dims).values for name in self.targets]
            return torch.from_numpy(np.stack(fields, axis=1).astype(np.float32))

        return _unbounded(stacked(low), -torch.inf), _unbounded(stacked(high), torch.inf)

    def to_state(self) -> dict[str, xr.Dataset]:
        """Return all that has to be saved beside the two pipelines; `from_state` is its inverse."""
        channels = xr.Dataset(
            attrs={
                "targets": json.dumps(self.targets),
                "predictors": json.dumps(self.predictors),
                "calendar": int(self.calendar),
                "position": int(self.position),
                "condition": json.dumps(self.channel_names),
            }
        )
        return {
            "channels": channels,
            "static": xr.Dataset() if self.static is None else self.static,
            "grid": self.grid.to_dataset(),
            "target_state": self.target_state,
            "predictor_state": self.predictor_state,
        }

    @classmethod
    def from_state(
        cls, state: Mapping[str, xr.Dataset], target_pipeline: Pipeline, predictor_pipeline: Pipeline
    ) -> Encoder:
        """Return the encoder a state was taken from.

        Raises:
            MismatchError: CD-036 when the channels do not come out in the order they were saved in.
        """
        channels = state["channels"].attrs
        encoder = cls(
            targets=tuple(json.loads(channels["targets"])),
            predictors=tuple(json.loads(channels["predictors"])),
            static=state["static"] if len(state["static"].data_vars) else None,
            calendar=bool(channels["calendar"]),
            position=bool(channels["position"]),
            grid=Grid.from_dataset(state["grid"], "saved grid"),
            target_pipeline=target_pipeline,
            target_state=state["target_state"],
            predictor_pipeline=predictor_pipeline,
            predictor_state=state["predictor_state"],
        )
        saved = tuple(json.loads(channels["condition"]))
        if encoder.channel_names != saved:
            what = f"condition channels are {encoder.channel_names}, expected {saved} as saved"
            raise MismatchError(Problem(36, "saved channels", what, "train again, or restore the bundle from a copy"))
        return encoder

    def _checked(self, values: xr.Dataset, names: tuple[str, ...], role: str) -> xr.Dataset:
        absent = [name for name in names if name not in values.data_vars]
        if absent:
            what = f"{role} {', '.join(absent)} are absent; found {', '.join(map(str, values.data_vars)) or 'none'}"
            raise DataError(Problem(36, role, what, "give all variables the model was trained with, by these names"))
        shape = tuple(values.sizes.get(dim, 0) for dim in (self.grid.y_dim, self.grid.x_dim))
        if shape != self.grid.shape:
            what = f"fields are {dict(values.sizes)}, expected {self.grid.y_dim}, {self.grid.x_dim} = {self.grid.shape}"
            raise MismatchError(Problem(21, role, what, "put the fields on the model's fine grid first"))
        return values[list(names)]

    def _stack(self, values: xr.Dataset, names: tuple[str, ...], times: xr.DataArray) -> np.ndarray:
        """Return the variables as one array (time, channel, y, x), float32; infinite values are refused."""
        dims = ("time", self.grid.y_dim, self.grid.x_dim)
        stacked = np.empty((times.size, len(names), *self.grid.shape), dtype=np.float32)
        for channel, name in enumerate(names):
            stacked[:, channel] = values[name].transpose(*dims).values
        infinite = np.asarray(np.isinf(stacked).any(axis=(2, 3)))
        if infinite.any():
            problems = []
            for channel, name in enumerate(names):
                dates = np.flatnonzero(infinite[:, channel])
                if len(dates):
                    what = f"variable '{name}' is infinite after its transform on {iso_dates(times, dates)}"
                    fix = "repair these dates, or choose a transform that is defined for all values of the variable"
                    problems.append(Problem(33, "data", what, fix))
            raise DataError(*problems)
        return stacked


def _unbounded(bound: Tensor, value: float) -> Tensor:
    return torch.where(bound.isnan(), value, bound)


def fit_encoder(
    pairs: Pairs,
    target_pipeline: Pipeline,
    predictor_pipeline: Pipeline,
    *,
    targets: tuple[str, ...],
    predictors: tuple[str, ...],
    calendar: bool,
    position: bool,
    block_times: int = 256,
) -> Encoder:
    """Return the encoder whose statistics come from these pairs, the training ones, read block by block.

    Raises:
        DataError: CD-033, CD-034 or CD-036 from the pipelines and the static fields.
    """

    def blocks() -> Iterator[Block]:
        for start in range(0, pairs.n_times, block_times):
            index = slice(start, start + block_times)
            guess = pairs.guess(index)
            yield pairs.truth(index)[list(targets)], guess

    def guesses() -> Iterator[Block]:
        for start in range(0, pairs.n_times, block_times):
            yield pairs.guess(slice(start, start + block_times))[list(predictors)], None

    return Encoder(
        targets=targets,
        predictors=predictors,
        static=None if pairs.static is None or not pairs.static.data_vars else scale_static(pairs.static),
        calendar=calendar,
        position=position,
        grid=pairs.fine_grid,
        target_pipeline=target_pipeline,
        target_state=target_pipeline.fit(blocks, pairs.times),
        predictor_pipeline=predictor_pipeline,
        predictor_state=predictor_pipeline.fit(guesses, pairs.times),
    )


def scale_static(static: xr.Dataset) -> xr.Dataset:
    """Return static fields with mean 0 and standard deviation 1 each, float32; missing cells become 0, the mean.

    The mean and standard deviation taken out are kept as attributes `mean` and `std` (units of the field).

    Raises:
        DataError: CD-034 fields that are constant, CD-033 fields with infinite or only missing values.
    """
    problems = []
    scaled = {}
    for name, values in static.astype(np.float64).data_vars.items():
        if np.isinf(values.values).any() or np.isnan(values.values).all():
            what = f"variable '{name}' has infinite values or none at all"
            problems.append(Problem(33, "static", what, "repair the field"))
            continue
        mean, std = float(values.mean()), float(values.std())
        if std <= 1e-6 * abs(mean) or std == 0.0:
            what = f"variable '{name}' is constant ({mean:g}): it cannot be scaled and tells the network nothing"
            problems.append(Problem(34, "static", what, "leave it out of the static fields"))
            continue
        scaled[name] = ((values - mean) / std).fillna(0.0).astype(np.float32).assign_attrs(mean=mean, std=std)
    if problems:
        raise DataError(*problems)
    return xr.Dataset(scaled, coords=static.coords)


def fraction_of_year(times: xr.DataArray) -> np.ndarray:
    """Return how much of its year has passed at each time, in [0, 1), whatever the calendar or leap day."""
    return (times.dt.decimal_year - times.dt.year).values.astype(np.float64)


def _from_minus_one_to_one(coordinate: np.ndarray) -> np.ndarray:
    low, high = float(np.min(coordinate)), float(np.max(coordinate))
    if high == low:
        return np.zeros(len(coordinate))
    return 2.0 * (coordinate - low) / (high - low) - 1.0
