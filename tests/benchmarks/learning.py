"""Time to a fair CRPS on radar rain: climdiff beside pipelines built on the networks of diffusers.

    CLIMDIFF_DATA=/path/to/data OMP_NUM_THREADS=1 python tests/benchmarks/learning.py 180

Our network is trained for a budget of processor seconds, each peer for three times as many. Where a peer's fair CRPS is
still higher then, we reached ours at least three times as fast. Every training runs its whole schedule of learning
rates, so that none is cut off in its middle. Data, batches, chain, loss, moving average, validation ensemble and
bfloat16 are the same for all; the optimizer is ours on our side and, as is usual with diffusers, AdamW on theirs.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from contenders import OURS, PEER_NETWORKS
from rows import Row, table
from torch import Tensor, nn

from climdiff import build
from climdiff.data.encoder import Encoder
from climdiff.data.pairs import Pairs
from climdiff.diffusion.denoiser import Denoiser
from climdiff.diffusion.objective import Objective
from climdiff.drawing import Learned
from climdiff.methods import Parts, method
from climdiff.networks.precision import compute_dtype, device
from climdiff.networks.unet import UNet
from climdiff.recipe.load import load
from climdiff.recipe.schema import Recipe
from climdiff.training.loop import Run, endless
from climdiff.workflow.validation import Validation

RECIPE = Path(__file__).parents[2] / "recipes" / "radar.yaml"
SIZE, LONGER = "2M", 3.0
PEERS = ("diffusers", "diffusers' example")
ADAMW = {"optimizer": "adamw", "learning_rate": 5e-4}
"""The rate of AdamW for our network on this data (docs/networks.md)."""
TRIAL_STEPS = 6


class Beside(nn.Module):
    """A peer's network, called as ours."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)

    def forward(self, z: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        """Return f(z_t, y, t), (batch, 1, y, x)."""
        seen = torch.cat([z, condition], dim=1).contiguous(memory_format=torch.channels_last)
        return self.network(seen, t)


def learning(seconds: float) -> Iterator[Row]:
    """Yield, for each peer, its fair CRPS after three times our processor seconds, over ours.

    Args:
        seconds: Processor time of our training.
    """
    recipe = load(RECIPE)
    splits = build.open_splits(recipe, ("train", "validation"))
    encoder = build.encoder(recipe, splits["train"])
    ours = UNet(encoder.n_target + encoder.n_condition + 1, encoder.n_target, OURS[SIZE])
    mine = _trained(recipe, splits, encoder, ours, {}, seconds)
    for name in PEERS:
        network = Beside(PEER_NETWORKS[name](SIZE))
        theirs = _trained(recipe, splits, encoder, network, ADAMW, LONGER * seconds)
        title = f"{name} in {LONGER:g} times our {seconds:.0f} processor seconds of training: fair CRPS over ours"
        yield Row(title, theirs / mine, theirs / mine, theirs / mine, ">= 1")


def _trained(
    recipe: Recipe,
    splits: Mapping[str, Pairs],
    encoder: Encoder,
    network: nn.Module,
    changes: Mapping[str, object],
    seconds: float,
) -> float:
    """Return the validation score of a network trained for some processor seconds."""
    denoiser = Denoiser(network, build.chain(recipe), recipe.diffusion.prediction)
    dtype = compute_dtype("auto", device())
    objective = Objective(denoiser, recipe.diffusion.weighting, recipe.train.condition_dropout, dtype)
    batches = build.batches(recipe, splits["train"], encoder)
    started = {name: weights.clone() for name, weights in denoiser.state_dict().items()}
    trial = Run(objective, replace(build.settings(recipe), **changes), {})
    steps = max(1, int(seconds / _seconds_per_step(trial, batches)))
    denoiser.load_state_dict(started)
    settings = replace(build.settings(recipe), steps=steps, ema_half_life=max(steps // 15, 1), **changes)
    run = Run(objective, replace(settings, warmup_steps=min(100, steps // 10)), {})
    source = endless(batches, 0)
    while run.step < steps:
        run.advance(next(source))
    source.close()
    train = splits["train"]
    assert train.fine is not None
    learned = Learned({"pr": (0.0, 200.0)}, {}, None)
    parts = Parts(encoder, train.coarse_grid, {"pr": dict(train.fine["pr"].attrs)}, learned, dtype)
    validating = method(recipe).validating
    validation = Validation(recipe, splits["validation"], encoder, lambda network: validating(recipe, network, parts))
    run.average.network.eval()
    return validation(run.average.network)["crps_fair_pr"]


def _seconds_per_step(run: Run, batches: build.Batches) -> float:
    source, taken = endless(batches, 0), []
    for _ in range(TRIAL_STEPS):
        batch, begun = next(source), time.process_time()
        run.advance(batch)
        taken.append(time.process_time() - begun)
    source.close()
    return float(np.median(taken[1:]))


if __name__ == "__main__":
    print(table(list(learning(float(sys.argv[1])))))
