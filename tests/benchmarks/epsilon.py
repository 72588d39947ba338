"""Measures what makes epsilon prediction robust: prints the table of docs/epsilon.md.

    CLIMDIFF_DATA=/path/to/data python tests/benchmarks/epsilon.py [--steps 500] [--runs DIR]

Trains the tiny network on radar2km for each variant and seed, draws 8 members of every validation patch, and prints
fair CRPS relative to the mean absolute error of bilinear interpolation, spread-skill and the largest value. The test
split is not opened. Finished trainings in DIR are not repeated.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import climdiff
from climdiff import build
from climdiff.recipe.load import load
from climdiff.verification.scorecard import scorecard
from climdiff.workflow.training import is_trained, train

VARIANTS = {
    "plain epsilon, Algorithm 18.1, no limits": ("epsilon_plain", "uniform", 1000, 1),
    "plain epsilon, Algorithm 18.1": ("epsilon_plain", "uniform", 1.25, 1),
    "plain epsilon, bounded weight": ("epsilon_plain", "bounded", 1.25, 1),
    "epsilon through a skip, Algorithm 18.1": ("epsilon", "uniform", 1.25, 1),
    "epsilon through a skip, bounded weight": ("epsilon", "bounded", 1.25, 3),
    "v, bounded weight": ("v", "bounded", 1.25, 3),
}


def measure(number: int, variant: str, seed: int, steps: int, runs: Path) -> dict[str, float]:
    """Return the scores of one training on the validation split."""
    prediction, weighting, largest, _ = VARIANTS[variant]
    overrides = [f"name=epsilon-{number}-{seed}", f"seed={seed}", f"train.steps={steps}", "model.size=tiny"]
    overrides += [f"diffusion.prediction={prediction}", f"diffusion.weighting={weighting}", f"sample.largest={largest}"]
    overrides += [f"train.validate_every={steps}", "train.validation_times=8", f"train.ema_half_life={steps // 20}"]
    overrides += ["train.optimizer=adamw", "train.learning_rate=5e-4", "train.transposes=false"]
    overrides += ["sample.sampler=dpmpp_2m", "sample.steps=10", "sample.conserve=false"]
    recipe = load(Path("recipes/radar.yaml"), overrides)
    folder = runs / recipe.name
    if not is_trained(folder, recipe):
        train(recipe, folder)
    pairs = build.open_splits(recipe, ["validation"])["validation"]
    ensemble = climdiff.load(folder).downscale(pairs.coarse, members=8, seed=0)
    finite = bool(np.isfinite(ensemble["pr"]).all())
    scores = scorecard(ensemble, pairs.truth(slice(None)))["pr"].scalars if finite else {}
    bilinear = float(np.abs(pairs.guess(slice(None))["pr"] - pairs.truth(slice(None))["pr"]).mean())
    crps = scores.get("crps_fair", np.nan) / bilinear
    return {"crps": crps, "spread_skill": scores.get("spread_skill", np.nan), "largest": float(ensemble["pr"].max())}


def main() -> None:
    """Print one row per variant."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    arguments = parser.parse_args()
    print("| variant | fair CRPS / bilinear MAE, per seed | spread-skill | largest value [mm/h] |")
    print("| --- | --- | --- | --- |")
    for number, (variant, (*_, n_seeds)) in enumerate(VARIANTS.items()):
        found = [measure(number, variant, seed, arguments.steps, arguments.runs) for seed in range(n_seeds)]
        crps = ", ".join(f"{one['crps']:.4f}" for one in found)
        spread = ", ".join(f"{one['spread_skill']:.2f}" for one in found)
        print(f"| {variant} | {crps} | {spread} | {max(one['largest'] for one in found):.4g} |", flush=True)


if __name__ == "__main__":
    main()
