"""The whole of a user's work with a trained network: from coarse fields to a scored ensemble in a zarr store.

Beside it stands the same made of diffusers' parts, as its examples go: interpolation by xarray, UNet2DModel with as
many weights, DPMSolverMultistepScheduler with as many evaluations, a zarr store, and xskillscore. The weights are those
after one step: what is drawn means nothing, and takes as long as if it did. Ours writes receipts and checksums, too.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from contenders import Answer, peer_network
from pairs import ratios, seconds
from rows import Row, spread

from climdiff import build, bundle
from climdiff.bundle import Model
from climdiff.recipe.load import load
from climdiff.verification.probabilistic import crps_fair
from climdiff.workflow import generation, training

RECIPE = Path(__file__).parents[2] / "recipes" / "precip.yaml"
SIZE = "2M"
EVALUATIONS, MEMBERS, TOGETHER = 10, 8, 8
CHANGES = (
    "data.predictors=[pr]",
    "data.statics=[]",
    "data.static=null",
    "data.options.start=2002-01-01",
    "data.split.train=[2002-01-01,2002-12-31]",
    "data.split.validation=[2003-01-10,2003-01-20]",
    "data.split.test=[2005-01-10,2005-01-13]",
    "train.steps=1",
    "train.warmup_steps=1",
    "train.validation_members=2",
    "train.validation_times=2",
    "sample.sampler=dpmpp_2m",
    f"sample.steps={EVALUATIONS}",
    f"generate.micro_batch={TOGETHER}",
)
PEERS = ("diffusers", "diffusers' example")


def end_to_end(budget: float) -> Iterator[Row]:
    """Yield how many times longer pipelines of diffusers take for the same ensemble and its fair CRPS."""
    recipe = load(RECIPE, CHANGES)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        model = bundle.load(training.train(recipe, folder / "run"))
        pairs = build.open_splits(model.recipe, ("test",))["test"]
        coarse, truth = pairs.coarse[["pr"]].load(), pairs.truth(slice(None))["pr"].load()
        stores = (folder / f"{number}.zarr" for number in count())
        work = {"ours": lambda: ours(model, truth, next(stores))}
        for name in PEERS:
            for flags in (False, True):
                _, answer = peer_network(name, SIZE, flags)
                how = f"{name} {'our flags' if flags else 'as shipped'}"
                work[how] = lambda answer=answer: plain(answer, coarse, truth, next(stores))
        found = seconds(work, budget)
    title = f"from coarse fields to a scored store, {SIZE}, 64 x 64, {EVALUATIONS} evaluations"
    for how in list(work)[1:]:
        yield spread(f"{title}: {how}", ratios(found, how, "ours"))


def ours(model: Model, truth: xr.DataArray, store: Path) -> float:
    """Return the fair CRPS of an ensemble that climdiff writes for the test split."""
    generation.generate(model, store, members=MEMBERS)
    with xr.open_zarr(store) as ensemble:
        return float(crps_fair(ensemble["pr"].values, truth.values).mean())


@torch.no_grad()
def plain(answer: Answer, coarse: xr.Dataset, truth: xr.DataArray, store: Path) -> float:
    """Return the fair CRPS of an ensemble made of the parts that come with diffusers, xarray and xskillscore."""
    import xskillscore
    from diffusers import DPMSolverMultistepScheduler

    scheduler = DPMSolverMultistepScheduler()
    y, x = truth.dims[-2:]
    guess = coarse["pr"].interp({y: truth[y], x: truth[x]}, kwargs={"fill_value": "extrapolate"}).clip(0)
    condition = torch.from_numpy(np.cbrt(guess.values).astype(np.float32))[:, None].repeat(MEMBERS, 1, 1, 1)
    drawn = []
    for given in condition.split(TOGETHER):
        scheduler.set_timesteps(EVALUATIONS)
        field = torch.randn_like(given)
        for time in scheduler.timesteps:
            noise = answer(field, given, time.expand(len(field)))
            field = scheduler.step(noise, time, field).prev_sample
        drawn.append((field + given).clamp(min=0).pow(3))
    members = torch.cat(drawn).reshape(MEMBERS, *truth.shape).numpy()
    xr.Dataset({"pr": (("member", *truth.dims), members)}, truth.coords).to_zarr(store, consolidated=False)
    with xr.open_zarr(store, consolidated=False) as ensemble:
        return float(xskillscore.crps_ensemble(truth, ensemble["pr"].load()))
