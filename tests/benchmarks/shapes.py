"""Shapes of the network compared on radar rain: one training, one line of JSON.

    CLIMDIFF_DATA=/path/to/data OMP_NUM_THREADS=1 python tests/benchmarks/shapes.py tiny 1000 0

Steps are chosen by the caller, such as to train all shapes for the same processor time; `seconds` of the output says
what it took. Scores are those of 8 members at all 154 validation times, drawn by 10 evaluations of dpmpp_2m.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import torch
from torch.optim._muon import DEFAULT_A, DEFAULT_B, DEFAULT_C

from climdiff import build, bundle
from climdiff.networks.unet import Architecture, architecture
from climdiff.recipe.load import load
from climdiff.training import muon
from climdiff.verification.scorecard import scorecard
from climdiff.workflow import training

SHAPES = {
    "tiny": architecture("tiny"),
    "tiny, no path at full resolution": Architecture((32, 64, 96), 1, refine=1),
    "tiny, half the path at full resolution": Architecture((32, 64, 96), 1, refine=8),
    "narrow top": Architecture((16, 48, 112), 1),
    "four levels": Architecture((32, 48, 64, 80), 1),
    "four levels, narrow top": Architecture((16, 32, 48, 112), 1),
    "two blocks": Architecture((32, 48, 80), 2),
    "stem 4": Architecture((48, 96), 1, stem=4),
    "stem 1, four levels": Architecture((16, 32, 48, 112), 1, stem=1),
    "5M: 64, 112, 160": Architecture((64, 112, 160), 1),
    "5M: 48, 96, 176": Architecture((48, 96, 176), 1),
    "small": architecture("small"),
    "small of before": Architecture((64, 128, 192), 1),
}
FINEST_CELLS = 4.0
"""Wavelengths below this many cells are the small scales."""


def scores(name: str, steps: int, seed: int) -> dict[str, object]:
    """Train the shape `name` for some steps with a seed; return its scores and the processor seconds it took."""
    torch.set_num_threads(1)
    build.network_shape = lambda recipe: SHAPES[name]
    changes = [
        f"seed={seed}",
        f"train.steps={steps}",
        f"train.validate_every={steps}",
        f"train.ema_half_life={max(steps // 15, 1)}",
        "train.warmup_steps=100",
        "train.validation_times=8",
        "sample.sampler=dpmpp_2m",
        "sample.steps=10",
        "sample.conserve=false",
    ]
    recipe = load(Path(__file__).parents[2] / "recipes" / "radar.yaml", changes)
    with tempfile.TemporaryDirectory() as folder:
        begun = time.process_time()
        training.train(recipe, Path(folder))
        seconds = time.process_time() - begun
        model = bundle.load(folder)
    validation = build.open_splits(recipe, ("validation",))["validation"]
    found = scorecard(model.downscale(validation.coarse, range(8), 0), validation.truth(slice(None)))["pr"]
    assert found.spectrum is not None
    is_small = found.spectrum.wavelength_cells < FINEST_CELLS
    return {
        "shape": name,
        "steps": steps,
        "seed": seed,
        "crps_fair": found.scalars["crps_fair"],
        "spread_skill": found.scalars["spread_skill"],
        "small_scale_ratio": float(found.spectrum.ratio[is_small].mean()),
        "seconds": seconds,
    }


def main() -> None:
    """Read the command line, train and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shape", choices=SHAPES, metavar="SHAPE", help="; ".join(SHAPES))
    parser.add_argument("steps", type=int)
    parser.add_argument("seed", type=int)
    torch_muon = "take the polynomial of torch's Muon this many times (5 there) instead of our own three"
    parser.add_argument("polynomials", type=int, nargs="?", help=torch_muon)
    options = parser.parse_args()
    if options.polynomials:
        muon.COEFFICIENTS = ((DEFAULT_A, DEFAULT_B, DEFAULT_C),) * options.polynomials
    print(json.dumps(scores(options.shape, options.steps, options.seed)))


if __name__ == "__main__":
    main()
