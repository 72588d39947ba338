"""What a finished member costs: few evaluations, and one, beside 250 of DDPM, at the fair CRPS each of them has."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from pairs import ratios, seconds
from rows import Row, spread

from climdiff import build, bundle
from climdiff.verification.scorecard import scorecard
from climdiff.workflow.validation import other_times

N_TIMES, N_MEMBERS = 64, 8
CHAIN = ["sample.sampler=ddpm", "sample.steps=250"]
WAYS = {
    "10 evaluations of dpmpp_sde_2m": ["sample.sampler=dpmpp_sde_2m", "sample.steps=10", "sample.sigma_min=0.1"],
    "the one of the distilled network": ["sample.sampler=one_step"],
}


def evaluations(run: Path) -> Iterator[Row]:
    """Yield, for each way that the bundle has, its speed and its fair CRPS over those of 250 steps of DDPM.

    Scores are those of validation dates that chose no checkpoint.
    """
    models = {"chain": bundle.load(run, overrides=CHAIN)}
    for name, overrides in WAYS.items():
        if name.startswith("the one") and not (models["chain"].path / "one_step.safetensors").is_file():
            continue
        models[name] = bundle.load(run, overrides=overrides)
    pairs = build.open_splits(models["chain"].recipe, ("validation",))["validation"]
    chosen = pairs.select(other_times(pairs.n_times, models["chain"].recipe.train.validation_times, N_TIMES, N_TIMES))
    truth = chosen.truth(slice(None))
    found = {}
    for name, model in models.items():
        drawn = model.downscaler.downscale(chosen.coarse, range(N_MEMBERS), 0)
        found[name] = scorecard(drawn, truth).variables["pr"].scalars
    few = chosen.coarse.isel(time=slice(0, 8))
    work = {name: partial(model.downscaler.downscale, few, range(N_MEMBERS), 0) for name, model in models.items()}
    timed = seconds(work, 1)
    for name in list(models)[1:]:
        yield spread(f"a member by {name}: speed over 250 of ddpm", ratios(timed, "chain", name), ">= 20")
        for score, aim in (("crps_fair", "<= 1.03"), ("spread_skill", "")):
            ratio = found[name][score] / found["chain"][score]
            said = "fair CRPS" if score == "crps_fair" else "spread over skill"
            yield Row(f"a member by {name}: {said} over that of 250 of ddpm", ratio, ratio, ratio, aim)
