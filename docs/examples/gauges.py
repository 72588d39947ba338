"""What a few rain gauges tell about the cells between them: members steered to gauges, scored at all other cells.

    climdiff train recipes/radar.yaml
    python docs/examples/gauges.py runs/radar

Gauges are random cells of the truth of validation patches, with an error of 0.1 mm/h plus 10 %.
"""

from __future__ import annotations

import sys

import numpy as np
import xarray as xr

import climdiff
from climdiff import build
from climdiff.bundle import Model
from climdiff.verification.probabilistic import crps_fair

N_PATCHES, N_MEMBERS, COUNTS = 32, 8, (8, 32, 128)


def gauges(model: Model, truth: xr.Dataset, cells: np.ndarray, rng: np.random.Generator) -> xr.Dataset:
    """Return what gauges in those cells of the flattened (y, x) report."""
    grid, units = model.grid, {"units": model.targets["pr"]["units"]}
    rain = truth["pr"].values.reshape(truth.sizes["time"], -1)[:, cells]
    error = 0.1 + 0.1 * rain
    reported = np.maximum(rain + error * rng.normal(size=error.shape), 0.0)
    y, x = np.divmod(cells, grid.shape[1])
    dims = ("time", "station")
    return xr.Dataset(
        {"pr": (dims, reported, units), "pr_error": (dims, error, units)},
        {"time": truth["time"].values, grid.y_dim: ("station", grid.y[y]), grid.x_dim: ("station", grid.x[x])},
    )


def main(run: str) -> None:
    """Print the fair CRPS at gauges and at all other cells, without and with gauges."""
    model = climdiff.load(run)
    pairs = build.open_splits(model.recipe, ("validation",))["validation"]
    pairs = pairs.select(np.linspace(0, pairs.n_times - 1, N_PATCHES).round().astype(int))
    truth = pairs.truth(slice(None))
    rng = np.random.default_rng(0)
    order = rng.permutation(truth["pr"][0].size)

    def score(members: xr.Dataset) -> np.ndarray:
        found = crps_fair(members["pr"].values, truth["pr"].values)
        return np.asarray(found.reshape(N_PATCHES, -1))

    plain = score(model.downscale(pairs.coarse, members=N_MEMBERS))
    for count in COUNTS:
        at, elsewhere = order[:count], order[count:]
        steered = model.steered(observations=gauges(model, truth, at, rng))
        told = score(steered.downscale(pairs.coarse, members=N_MEMBERS))
        gain = (plain[:, elsewhere] - told[:, elsewhere]).mean(1) / plain[:, elsewhere].mean()
        print(
            f"{count} gauges: fair CRPS at gauges {plain[:, at].mean():.3f} -> {told[:, at].mean():.3f}, elsewhere "
            f"{plain[:, elsewhere].mean():.3f} -> {told[:, elsewhere].mean():.3f} mm/h: better by {gain.mean():.1%}, "
            f"standard error {gain.std() / N_PATCHES**0.5:.1%}"
        )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
