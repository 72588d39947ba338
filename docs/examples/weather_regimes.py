"""Steer a weather generator to weather regimes with a classifier trained on the same winters.

    climdiff train recipes/iberia-weather.yaml
    python docs/examples/weather_regimes.py runs/iberia-weather docs/images/regimes.png

Winter days are put into four regimes by k-means. A linear classifier learns log p(regime | field) from physical fields
of temperature and rain. Its gradient then steers draws of P(X), which come from no regime in particular, to each.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import matplotlib
import numpy as np
import torch
import xarray as xr
from matplotlib.colors import BoundaryNorm
from scipy.cluster.vq import kmeans2

import climdiff
from climdiff import build
from climdiff.grids.grid import Grid, to_native
from climdiff.report.coastline import coastline_around

matplotlib.use("Agg")
from matplotlib import pyplot as plt

N_REGIMES, N_MEMBERS, CELLS = 4, 48, 4

Fields = Mapping[str, torch.Tensor]


class Features:
    """Means of standardised temperature and of the cube root of rain over blocks of 4 x 4 cells."""

    def __init__(self, fields: Fields) -> None:
        stacked = self._stack(fields)
        self.mean, self.std = stacked.mean((0, 2, 3), keepdim=True), stacked.std((0, 2, 3), keepdim=True)
        # the climate of each block is no regime
        self.climate = self._blocks(stacked).mean(0)

    def __call__(self, fields: Fields) -> torch.Tensor:
        """Return (batch, feature) of physical fields (batch, y, x)."""
        return (self._blocks(self._stack(fields)) - self.climate).flatten(1)

    def _stack(self, fields: Fields) -> torch.Tensor:
        rain = (fields["pr"] + 0.01) ** (1 / 3)  # as a cube root, with a finite slope at 0
        return torch.stack([fields["tas"], rain], dim=1)

    def _blocks(self, stacked: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.avg_pool2d((stacked - self.mean) / self.std, CELLS)


def train_classifier(features: torch.Tensor, regimes: torch.Tensor) -> torch.nn.Linear:
    """Return a linear classifier of regimes, trained by gradient descent with weight decay."""
    classifier = torch.nn.Linear(features.shape[1], N_REGIMES)
    optimizer = torch.optim.AdamW(classifier.parameters(), lr=0.02, weight_decay=0.05)
    for _ in range(400):
        loss = torch.nn.functional.cross_entropy(classifier(features), regimes)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return classifier.requires_grad_(requires_grad=False)


def likelihood(classifier: torch.nn.Linear, features: Features, regime: int) -> Callable[[Fields], torch.Tensor]:
    """Return log p(regime | fields), (batch,)."""
    return lambda fields: classifier(features(fields)).log_softmax(-1)[:, regime]


def tensors(fields: xr.Dataset) -> dict[str, torch.Tensor]:
    """Return physical fields as the likelihood gets them."""
    return {name: torch.from_numpy(fields[name].values.astype(np.float32)) for name in ("pr", "tas")}


def main(run: str, picture: str) -> None:
    """Print how many members are of the regime they were steered to, and draw the mean fields."""
    model = climdiff.load(run)
    splits = build.open_splits(model.recipe, ("train", "validation"))
    truth = splits["train"].truth(slice(None))
    features = Features(tensors(truth))
    known = features(tensors(truth))
    _, found = kmeans2(known.numpy().astype(np.float64), N_REGIMES, minit="++", seed=0, iter=100)
    order = np.argsort([-known[found == k, : known.shape[1] // 2].mean() for k in range(N_REGIMES)])
    regimes = torch.from_numpy(np.argsort(order)[found])
    classifier = train_classifier(known, regimes)
    held_out = features(tensors(splits["validation"].truth(slice(None))))
    centers = torch.stack([known[regimes == k].mean(0) for k in range(N_REGIMES)])
    right = (classifier(held_out).argmax(1) == torch.cdist(held_out, centers).argmin(1)).float().mean()
    print(f"classifier: {right:.0%} of {len(held_out)} validation days in the regime of the nearest center")
    date = splits["validation"].coarse.isel(time=slice(0, 1))
    plain = model.downscale(date, members=N_MEMBERS)
    shares = classifier(features(tensors(plain.isel(time=0)))).softmax(-1).mean(0)
    rows = []
    for regime in range(N_REGIMES):
        steered = model.steered(likelihood=likelihood(classifier, features, regime))
        members = steered.downscale(date, members=N_MEMBERS).isel(time=0)
        inside = (classifier(features(tensors(members))).argmax(1) == regime).float().mean()
        days = truth.isel(time=np.flatnonzero(regimes.numpy() == regime))
        anomalies = [each["tas"].mean(str(each["tas"].dims[0])) - truth["tas"].mean("time") for each in (days, members)]
        one, other = (each.values.ravel() for each in anomalies)
        alike = np.corrcoef(one, other)[0, 1]
        climate = float((regimes == regime).float().mean())
        print(
            f"regime {regime + 1}: {climate:.0%} of training days, {shares[regime]:.0%} of members unsteered, "
            f"{inside:.0%} steered; mean temperature anomalies correlate by {alike:.2f}"
        )
        rows.append((anomalies, [each["pr"].mean(str(each["pr"].dims[0])) for each in (days, members)]))
    draw(rows, model.grid, picture)


def draw(rows: list[tuple[list[xr.DataArray], list[xr.DataArray]]], grid: Grid, picture: str) -> None:
    """Draw, for each regime, mean anomaly of temperature and mean rain of the truth and of steered members."""
    figure = plt.figure(figsize=(6.4, 1.55 * len(rows) + 0.9), layout="constrained")
    panels = figure.subplots(len(rows), 4)
    titles = ["temperature,\nits days", "temperature,\nsteered members", "rain,\nits days", "rain,\nsteered members"]
    wet_levels = BoundaryNorm([0.5, 1, 2, 4, 6, 10, 15, 20, 30], 256, extend="max")
    edges = grid.bounds_x(), grid.bounds_y()
    for number, (row, (anomalies, rain)) in enumerate(zip(panels, rows, strict=True)):
        for axes, field in zip(row[:2], anomalies, strict=True):
            warm = axes.pcolormesh(*edges, field, cmap="RdBu_r", vmin=-5, vmax=5)
        for axes, field in zip(row[2:], rain, strict=True):
            wet = axes.pcolormesh(*edges, np.ma.masked_less(field, 0.5), cmap="YlGnBu", norm=wet_levels)
        row[0].set_ylabel(f"regime {number + 1}")
    for axes, title in zip(panels[0], titles, strict=True):
        axes.set_title(title, fontsize=9)
    coast = [to_native(grid, *np.array(line.coords).T[::-1]) for line in coastline_around(*grid.latlon()).geoms]
    for axes in panels.flat:
        for y, x in coast:
            axes.plot(x, y, color="black", linewidth=0.6)
        axes.set(xticks=[], yticks=[], xlim=edges[0][[0, -1]], ylim=edges[1][[0, -1]], aspect="equal")
    bars = {"location": "bottom", "shrink": 0.8, "aspect": 30}
    figure.colorbar(warm, ax=panels[:, :2], label="anomaly of the mean temperature [K]", extend="both", **bars)
    figure.colorbar(
        wet, ax=panels[:, 2:], label="mean rain [mm/day]", ticks=[0.5, 1, 2, 4, 10, 20], format="%g", **bars
    )
    Path(picture).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture, dpi=110)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
