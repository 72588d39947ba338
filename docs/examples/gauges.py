"""What a few stations tell about the cells between them: members steered to them, scored at all other cells.

    python docs/examples/gauges.py runs/radar
    python docs/examples/gauges.py runs/iberia sample.steps=20

Stations are random cells of the truth of validation dates and report every target, with an error of 0.1 plus 10 % for
rain and of 0.3 for anything else, in its units. Further words are keys of `sample`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
import xarray as xr

import climdiff
from climdiff import build
from climdiff.bundle import Model
from climdiff.verification.probabilistic import crps_fair

N_DATES, N_MEMBERS, COUNTS = 32, 8, (8, 32, 128)


def stations(model: Model, truth: xr.Dataset, cells: np.ndarray, rng: np.random.Generator) -> xr.Dataset:
    """Return what stations in those cells of the flattened (y, x) report."""
    grid, dims = model.grid, ("time", "station")
    fields = {}
    for name, attributes in model.targets.items():
        units = {"units": attributes["units"]}
        values = truth[name].values.reshape(truth.sizes["time"], -1)[:, cells]
        is_rain = attributes.get("lower_bound") == 0
        error = 0.1 + 0.1 * values if is_rain else np.full(values.shape, 0.3)
        reported = values + error * rng.normal(size=error.shape)
        fields[name] = dims, np.maximum(reported, 0.0) if is_rain else reported, units
        fields[f"{name}_error"] = dims, error, units
    y, x = np.divmod(cells, grid.shape[1])
    places = {grid.y_dim: ("station", grid.y[y]), grid.x_dim: ("station", grid.x[x])}
    return xr.Dataset(fields, {"time": truth["time"].values, **places})


def main(run: str, overrides: Sequence[str]) -> None:
    """Print the fair CRPS at stations and at all other cells, without and with stations."""
    model = climdiff.load(run, overrides=overrides)
    pairs = build.open_splits(model.recipe, ("validation",))["validation"]
    pairs = pairs.select(np.linspace(0, pairs.n_times - 1, N_DATES).round().astype(int))
    truth = pairs.truth(slice(None))
    rng = np.random.default_rng(0)
    order = rng.permutation(model.grid.shape[0] * model.grid.shape[1])

    def scores(members: xr.Dataset) -> dict[str, np.ndarray]:
        found = {name: crps_fair(members[name].values, truth[name].values) for name in model.targets}
        return {name: each.reshape(N_DATES, -1) for name, each in found.items()}

    plain = scores(model.downscale(pairs.coarse, members=N_MEMBERS))
    for count in COUNTS:
        at, elsewhere = order[:count], order[count:]
        steered = model.steered(observations=stations(model, truth, at, rng))
        told = scores(steered.downscale(pairs.coarse, members=N_MEMBERS))
        for name, attributes in model.targets.items():
            before, after = plain[name], told[name]
            gain = (before[:, elsewhere] - after[:, elsewhere]).mean(1) / before[:, elsewhere].mean()
            print(
                f"{count} stations, {name} [{attributes['units']}]: fair CRPS at them {before[:, at].mean():.3f} -> "
                f"{after[:, at].mean():.3f}, elsewhere {before[:, elsewhere].mean():.3f} -> "
                f"{after[:, elsewhere].mean():.3f}: better by {gain.mean():.1%}, "
                f"standard error {gain.std() / N_DATES**0.5:.1%}",
                flush=True,
            )


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2:])
