"""Batches for training from a zarr store, beside reading sample after sample in random order."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from pairs import ratios, seconds
from rows import Row, spread
from torch.nn import functional

from climdiff.data.batches import Batches
from climdiff.data.encoder import Encoder, fit_encoder
from climdiff.data.pairs import Pairs, align
from climdiff.transforms.pipeline import Pipeline
from climdiff.transforms.scaling import Standardize

DATES, SIDE, FACTOR, BATCH = 1024, 64, 8, 16
MEAN, SPREAD = 0.3, 0.5


def loader(budget: float) -> Iterator[Row]:
    """Yield how many more samples per processor second ours gives than reading one by one, by length of a chunk."""
    for chunk, aim in ((32, ">= 10"), (1, ">= 1.3")):
        with tempfile.TemporaryDirectory() as folder:
            coarse, fine = _stores(Path(folder), chunk)
            pairs = align(_opened(coarse), _opened(fine), None, "bilinear")
            work = {"ours": partial(_epoch, pairs, _encoder(pairs)), "naive": partial(_one_by_one, coarse, fine)}
            found = seconds(work, budget, clock=time.process_time)
        name = f"loader, chunks of {chunk}: samples per processor second over reading one by one"
        yield spread(name, ratios(found, "naive", "ours"), aim)


def _epoch(pairs: Pairs, encoder: Encoder) -> int:
    batches = Batches(pairs, encoder, BATCH, 0, cache_bytes=0)
    return sum(len(batch.target) for batch in batches.epoch(0))


def _one_by_one(coarse: Path, fine: Path) -> int:
    """Do the same as a plain torch data set does: one date after the other, in random order."""
    predictors, targets = (_opened(path)["pr"] for path in (coarse, fine))
    samples = []
    for index in np.random.default_rng(0).permutation(DATES):
        target, predictor = (torch.from_numpy(field[index].values)[None] for field in (targets, predictors))
        guess = functional.interpolate(predictor[None], size=target.shape[-2:], mode="bilinear")[0]
        samples.append(((target - MEAN) / SPREAD, (guess - MEAN) / SPREAD))
        if len(samples) == BATCH:
            [torch.stack(fields) for fields in zip(*samples, strict=True)]
            samples.clear()
    return DATES


def _opened(path: Path) -> xr.Dataset:
    return xr.open_zarr(path, chunks=None, consolidated=False)


def _stores(folder: Path, chunk: int) -> tuple[Path, Path]:
    """Write rain on fine cells and its block means, as zarr."""
    values = np.random.default_rng(0).gamma(0.3, size=(DATES, SIDE, SIDE)).astype(np.float32)
    n = SIDE // FACTOR
    means = values.reshape(DATES, n, FACTOR, n, FACTOR).mean((2, 4))
    times = np.datetime64("2000-01-01", "ns") + np.arange(DATES) * np.timedelta64(1, "D")
    paths = []
    for name, field, step in (("coarse", means, 2000.0 * FACTOR), ("fine", values, 2000.0)):
        place = step * (np.arange(field.shape[-1]) + 0.5)
        meters = {"units": "m"}
        coordinates = {
            "time": times,
            "y": ("y", place, {**meters, "standard_name": "projection_y_coordinate"}),
            "x": ("x", place, {**meters, "standard_name": "projection_x_coordinate"}),
        }
        data = xr.Dataset({"pr": (("time", "y", "x"), field, {"units": "mm day-1"})}, coordinates)
        paths.append(folder / f"{name}.zarr")
        data.to_zarr(paths[-1], encoding={"pr": {"chunks": (chunk, *field.shape[1:])}}, consolidated=False)
    return paths[0], paths[1]


def _encoder(pairs: Pairs) -> Encoder:
    pipeline = Pipeline({"pr": (Standardize(),)})
    return fit_encoder(pairs, pipeline, pipeline, targets=("pr",), predictors=("pr",), calendar=False, position=False)
