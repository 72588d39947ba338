"""How good a network is while it is trained: the score of a small ensemble on validation times."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from torch import nn

from climdiff.data.encoder import Encoder
from climdiff.data.pairs import Pairs
from climdiff.data.times import evenly_spread
from climdiff.errors import DataError, Problem
from climdiff.methods import Neural
from climdiff.recipe.schema import Recipe
from climdiff.verification.probabilistic import crps_fair


def other_times(n_times: int, n_used: int, at_most: int, fewest: int) -> np.ndarray:
    """Return positions of dates that are not among the `n_used` that validation uses; of all if others are too few."""
    others = np.setdiff1d(np.arange(n_times), evenly_spread(n_times, n_used))
    among = others if len(others) >= fewest else np.arange(n_times)
    return np.asarray(among[evenly_spread(len(among), at_most)])


class Validation:
    """Scores a network by a small ensemble on fixed validation times: fair CRPS relative to the interpolated field.

    `downscaler` makes the downscaler that draws members with a network.
    """

    def __init__(
        self, recipe: Recipe, pairs: Pairs, encoder: Encoder, downscaler: Callable[[nn.Module], Neural]
    ) -> None:
        index = evenly_spread(pairs.n_times, recipe.train.validation_times)
        self.recipe, self.encoder, self.downscaler = recipe, encoder, downscaler
        self.coarse, self.guess, self.truth = pairs.select(index).coarse, pairs.guess(index), pairs.truth(index)
        self.condition = encoder.condition(self.guess)
        self.area = pairs.fine_grid.cell_area().values
        self.references = {name: self._reference(name) for name in encoder.targets}

    def _reference(self, name: str) -> float:
        """Return the mean absolute error of the interpolated field, or of the mean truth where there is none."""
        truth = self.truth[name].values
        guess = self.guess[name].values if name in self.guess else np.nanmean(truth, axis=0)
        error = self._mean(np.abs(guess - truth))
        if not error > 0:
            what = f"variable '{name}' of the validation times is the same everywhere: nothing to score"
            raise DataError(Problem(34, "data.split.validation", what, "choose a longer validation period"))
        return error

    def _mean(self, errors: np.ndarray) -> float:
        """Return the area-weighted mean of errors (time, y, x) over cells that have one."""
        known = np.isfinite(errors)
        weights = np.broadcast_to(self.area, errors.shape)[known]
        return float(np.average(errors[known], weights=weights)) if known.any() else float("nan")

    def __call__(self, network: nn.Module) -> Mapping[str, float]:
        """Return `crps_fair_<target>` and their mean ratio to the reference, `score`."""
        members = range(self.recipe.train.validation_members)
        fields = self.downscaler(network).sample(self.condition, self.guess, self.coarse, members, self.recipe.seed)
        drawn = self.encoder.to_dataset(fields, self.guess)
        numbers, ratios = {}, []
        for name in self.encoder.targets:
            truth = self.truth[name].values
            numbers[f"crps_fair_{name}"] = self._mean(crps_fair(drawn[name].values, truth))
            ratios.append(numbers[f"crps_fair_{name}"] / self.references[name])
        score = float(np.mean(ratios))
        if not np.isfinite(score):
            what = f"the validation ensemble scores {numbers}"
            raise DataError(Problem(61, "validation", what, "lower train.learning_rate, or check data.on_missing"))
        return {**numbers, "score": score}
