"""The recipe as frozen, closed models: every key, its type, its bounds and its default.

A key marked `harmless` cannot change a number in the result; it is left out of the fingerprint.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from climdiff.recipe import consistency, sampling
from climdiff.recipe.fields import (
    HARMLESS,
    Baselines,
    Box,
    Count,
    FilePath,
    Fraction,
    HalfLife,
    Levels,
    Members,
    Moment,
    Name,
    NeuralRung,
    Option,
    Reference,
    Sampler,
    Section,
    Selection,
    StepsByVariable,
    Variable,
    Variables,
    unique,
)
from climdiff.recipe.findings import Finding, refuse


class Split(Section):
    """Which times train, validate and test: a period `[first, last]` (inclusive) or a subset of the catalog part."""

    train: Selection
    validation: Selection
    test: Selection

    @model_validator(mode="after")
    def _disjoint(self) -> Split:
        findings = consistency.overlaps({name: getattr(self, name) for name in ("train", "validation", "test")})
        if findings:
            raise refuse(*findings)
        return self


class Data(Section):
    """What is read, and which of it the network is told and must predict."""

    coarse: Reference = Field(description="Predictor fields, as <catalog entry>/<part>.")
    fine: Reference = Field(description="Target fields, as <catalog entry>/<part>.")
    static: Reference | None = Field(default=None, description="Fields without time on the fine grid, or null.")
    options: Annotated[Mapping[Variable, Option], Field(max_length=64)] = Field(
        default={}, description="Options of the embedded world: size, seed, first and last day ..."
    )
    predictors: Variables = Field(description="Coarse variables given to the network.")
    targets: Variables = Field(description="Fine variables to be predicted.")
    statics: Annotated[tuple[Variable, ...], Field(max_length=256), AfterValidator(unique)] = Field(
        default=(), description="Static variables given to the network."
    )
    calendar: bool = Field(default=True, description="Give the network sine and cosine of the day of the year.")
    position: bool = Field(default=False, description="Give the network the normalized y and x of each cell.")
    regrid: Literal["bilinear", "conservative"] = Field(
        default="bilinear", description="How coarse fields come to the fine grid."
    )
    on_missing: Literal["error", "mask", "skip_date"] = Field(
        default="error", description="What to do about missing values."
    )
    split: Split
    embargo_days: Annotated[float, Field(ge=0.0, le=3650.0)] = Field(
        default=5.0, description="Least distance of two periods [days]; named subsets ignore it."
    )

    @model_validator(mode="after")
    def _has_statics(self) -> Data:
        if self.statics and self.static is None:
            fix = "set data.static to the catalog part that holds them"
            raise refuse(Finding("static variables named, but data.static is null", fix, ("statics",)))
        return self


class Transforms(Section):
    """Steps from physical values to what the network sees, per variable; unnamed variables get [standardize]."""

    targets: StepsByVariable = Field(default={}, description="Steps per target variable.")
    predictors: StepsByVariable = Field(default={}, description="Steps per predictor variable.")


class Model(Section):
    """The network."""

    method: Literal["diffusion", NeuralRung] = Field(
        default="diffusion", description="How members are made: by diffusion, or by a network in one evaluation."
    )
    size: Literal["tiny", "small", "base"] = Field(default="small", description="Size of the U-Net.")
    channels: Annotated[int, Field(ge=16, le=1024, multiple_of=16)] | None = Field(
        default=None, description="Width of the finest level; null: as `size` has it."
    )
    stem: Literal[1, 2, 4] = Field(default=2, description="Cells per side folded into channels before the U-Net.")
    dropout: Fraction = Field(default=0.0, description="Probability of dropping a feature in training.")


class Diffusion(Section):
    """The noising chain and what the network estimates."""

    schedule: Literal["linear", "cosine", "sigmoid", "edm", "log_linear"] = Field(
        default="cosine", description="How noise grows along the chain."
    )
    zero_terminal: bool = Field(default=False, description="Rescale the chain so that no signal is left at its end.")
    n_steps: Annotated[int, Field(ge=2, le=100_000)] = Field(default=1000, description="Length T of the chain.")
    prediction: Literal["epsilon", "epsilon_plain", "v", "x0", "edm"] = Field(
        default="epsilon", description="What the network estimates; epsilon_plain is without the skip."
    )
    weighting: Literal["bounded", "uniform", "min_snr", "clean", "edm"] = Field(
        default="bounded", description="Weight of noise levels in the loss."
    )

    @model_validator(mode="after")
    def _has_signal(self) -> Diffusion:
        if self.zero_terminal and self.prediction == "epsilon_plain":
            what = "without signal at the end of the chain, plain epsilon says nothing about the clean field there"
            raise refuse(Finding(what, "set prediction to epsilon, or zero_terminal to false", ("prediction",)))
        return self


class Vae(Section):
    """What teaches a variational autoencoder; only with `model.method` vae."""

    latent_channels: Annotated[int, Field(ge=1, le=1024)] = Field(
        default=8, description="Channels of the latent map, which has the resolution of the U-Net's bottom."
    )
    beta: Annotated[float, Field(gt=0.0, le=1000.0)] = Field(
        default=1.0, description="Weight of the prior; 1 is the evidence lower bound."
    )
    warmup: Annotated[float, Field(ge=0.0, le=1.0)] = Field(
        default=0.25, description="Share of the training over which the weight of the prior grows."
    )


class Gan(Section):
    """What teaches a generative adversarial network; only with `model.method` gan."""

    content: Annotated[float, Field(ge=0.0, le=1e6)] = Field(
        default=2.0, description="Weight of the fair CRPS of two draws beside the critic's score."
    )
    penalty: Annotated[float, Field(ge=0.0, le=1e6)] = Field(
        default=1.0, description="Weight of the critic's squared gradient at real fields."
    )
    learning_rate: Annotated[float, Field(gt=0.0, le=1.0)] = Field(
        default=2e-4, description="Peak learning rate of the critic, by AdamW."
    )


class Train(Section):
    """The optimization, its checks on the way and its checkpoints."""

    steps: Count = Field(description="Optimizer steps.")
    batch_size: Annotated[int, Field(ge=1, le=65_536)] = Field(default=16, description="Samples per step.")
    optimizer: Literal["muon", "adamw"] = Field(
        default="muon", description="Muon for weight matrices and AdamW for the rest, or AdamW alone."
    )
    learning_rate: Annotated[float, Field(gt=0.0, le=1.0)] = Field(
        default=2e-3, description="Peak learning rate; with adamw alone, 5e-4 is a good one."
    )
    warmup_steps: Annotated[int, Field(ge=0, le=100_000_000)] = Field(
        default=200, description="Steps to the peak rate."
    )
    weight_decay: Annotated[float, Field(ge=0.0, le=1.0)] = Field(default=0.01, description="Decoupled weight decay.")
    gradient_clip: Annotated[float, Field(gt=0.0, le=1e6)] = Field(
        default=1.0, description="Largest norm of the gradient."
    )
    ema_half_life: Count = Field(default=500, description="Half-life of the averaged weights [steps].")
    condition_dropout: Fraction = Field(default=0.1, description="Probability of training without the condition.")
    precision: Literal["auto", "float32", "bfloat16"] = Field(default="auto", description="Arithmetic of the network.")
    flips: bool = Field(default=False, description="Mirror samples at random (only without directional predictors).")
    transposes: bool = Field(
        default=False, description="Exchange y and x of samples at random (as flips; square domain)."
    )
    validate_every: Count = Field(default=500, description="Steps between validation ensembles.")
    validation_members: Members = Field(default=8, description="Members of a validation ensemble.")
    validation_times: Count = Field(default=64, description="Times of a validation ensemble.")
    checkpoint_every: Count = Field(default=250, description="Steps between checkpoints.", json_schema_extra=HARMLESS)
    keep_checkpoints: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=2, description="Checkpoints kept beside the best.", json_schema_extra=HARMLESS
    )
    workers: Annotated[int, Field(ge=0, le=256)] = Field(
        default=0, description="Processes that read batches.", json_schema_extra=HARMLESS
    )
    log_every: Count = Field(default=10, description="Steps between log lines.", json_schema_extra=HARMLESS)
    buffer_times: Count = Field(default=1024, description="Times held in memory to shuffle from.")


class Sample(Section):
    """The way from noise to a member."""

    sampler: Sampler = Field(default="dpmpp_2m", description="The sampler.")
    steps: Annotated[int, Field(ge=1, le=100_000)] = Field(default=10, description="Evaluations of the network.")
    levels: Literal["karras", "trailing", "uniform", "angle"] | Levels | None = Field(
        default=None,
        description="Spacing of noise levels, or the levels; null: trailing for ddpm, angle for angular, else karras.",
    )
    sigma_max: Annotated[float, Field(gt=0.0, le=100_000.0)] = Field(
        default=80.0, description="Highest noise level (karras, angle)."
    )
    sigma_min: Annotated[float, Field(gt=0.0, le=100.0)] = Field(
        default=0.01, description="Lowest noise level before 0 (karras, angle)."
    )
    eta: Annotated[float, Field(ge=0.0, le=1.0)] = Field(default=0.0, description="Share of fresh noise (ddim).")
    variance: Literal["posterior", "beta"] = Field(default="posterior", description="Variance of a step (ddpm).")
    churn: Annotated[float, Field(ge=0.0, le=1000.0)] = Field(
        default=0.0, description="Noise stirred in before the steps (euler, heun)."
    )
    guidance: Annotated[float, Field(ge=0.0, le=50.0)] = Field(
        default=1.0, description="Weight of the condition; 1: as is, 0: without it."
    )
    guidance_interval: Annotated[tuple[float, float], Field()] | None = Field(
        default=None, description="Lowest and highest noise level at which guidance acts; null: all."
    )
    spread: Annotated[float, Field(ge=0.1, le=10.0)] = Field(
        default=1.0, description="Factor on all noise of a member; above 1 members differ more."
    )
    noise_half_life: (
        Literal["fitted"] | Annotated[Mapping[Variable, HalfLife], Field(min_length=1, max_length=256)] | None
    ) = Field(
        default=None,
        description="Half-life of noise from date to date by target [days], or fitted; null: every date its own.",
    )
    largest: Annotated[float, Field(ge=1.0, le=1000.0)] = Field(
        default=1.25, description="Upper physical bound, as a multiple of the largest training value."
    )
    conserve: bool = Field(
        default=False, description="Keep the block means of targets to the coarse input, in the late steps."
    )

    def _given(self) -> set[str]:
        """Return the keys whose values are not their defaults; a saved recipe names all."""
        return {name for name, field in type(self).model_fields.items() if getattr(self, name) != field.default}

    @model_validator(mode="after")
    def _fits_together(self) -> Sample:
        findings = sampling.misplaced(self.sampler, self._given(), self.eta, self.variance, self.churn)
        are_ends = sampling.has_ends(self.sampler, self.levels)
        findings += sampling.crossed(
            self.sigma_min, self.sigma_max, self.guidance_interval, self.guidance, are_ends=are_ends
        )
        findings += sampling.idle_ends(self.sampler, self.levels, self._given())
        findings += sampling.unfit(self.sampler, self.levels, self.steps)
        findings += sampling.more_than_one_step(self.sampler, self.levels, self.guidance, self.spread)
        if findings:
            raise refuse(*findings)
        return self


class Generate(Section):
    """The ensemble, and how its work is cut into units."""

    split: Literal["test", "validation", "train"] = Field(default="test", description="Which times are generated.")
    members: Annotated[int, Field(ge=1, le=100_000)] = Field(default=16, description="Members of the ensemble.")
    observations: FilePath | None = Field(default=None, description="Station values, a file below CLIMDIFF_DATA.")
    known: FilePath | None = Field(default=None, description="Fields whose gaps are filled, below CLIMDIFF_DATA.")
    members_per_unit: Annotated[int, Field(ge=1, le=100_000)] | None = Field(
        default=None, description="Members of a unit of work; null: by the size of the grid."
    )
    times_per_unit: Count | None = Field(
        default=None, description="Times of a unit of work; null: by the size of the grid."
    )
    micro_batch: Annotated[int, Field(ge=1, le=4096)] = Field(
        default=32, description="Fields per network evaluation; fewer are filled up to as many, so it costs memory."
    )


class Verify(Section):
    """What the ensemble is held against."""

    baselines: Baselines = Field(
        default="ladder",
        description="Methods scored on the same times; ladder: all that the data allow; full_ladder: networks, too.",
    )
    analogs: Annotated[int, Field(ge=1, le=10_000)] = Field(default=20, description="Members of the analog ensemble.")
    climatology_members: Members = Field(default=50, description="Members of the climatology ensemble.")
    thresholds: Annotated[Mapping[Variable, tuple[float, ...]], Field(max_length=256)] = Field(
        default={}, description="Thresholds per target, in its units, for scores of events."
    )
    by_season: bool = Field(default=False, description="Score the seasons on their own as well.")
    regions: Annotated[Mapping[Variable, Box], Field(max_length=64)] = Field(
        default={}, description="Regions scored on their own: [south, north, west, east], degrees or units of the axes."
    )


class Report(Section):
    """What the page shows."""

    times: tuple[Annotated[int, Field(ge=0)] | Moment, ...] = Field(
        default=(), description="Times to map, as ISO dates or positions in the split; empty: chosen."
    )
    members_shown: Annotated[int, Field(ge=1, le=100)] = Field(default=4, description="Members mapped per time.")


class Recipe(Section):
    """One experiment: data, transforms, network, training, sampling, verification."""

    name: Name = Field(description="The run folder is runs/<name>.", json_schema_extra=HARMLESS)
    title: Annotated[str, Field(max_length=200)] = Field("", json_schema_extra=HARMLESS)
    description: Annotated[str, Field(max_length=5000)] = Field("", json_schema_extra=HARMLESS)
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] = Field(default=0, description="Key of every random draw.")
    data: Data
    transforms: Transforms = Field(default_factory=Transforms)
    model: Model = Field(default_factory=Model)
    diffusion: Diffusion = Field(default_factory=Diffusion)
    first_guess: Literal["unet"] | None = Field(
        default=None, description="Regression trained first, whose residuals the diffusion model learns; null: none."
    )
    vae: Vae = Field(default_factory=Vae)
    gan: Gan = Field(default_factory=Gan)
    train: Train
    sample: Sample = Field(default_factory=Sample)
    generate: Generate = Field(default_factory=Generate)
    verify: Verify = Field(default_factory=Verify)
    report: Report = Field(default_factory=Report, json_schema_extra=HARMLESS)

    # Each check runs once the sections it compares are sound: one faulty section hides as little as can be.

    @field_validator("transforms", mode="after")
    @classmethod
    def _transforms_fit_data(cls, transforms: Transforms, info: ValidationInfo) -> Transforms:
        if "data" in info.data:
            data: Data = info.data["data"]
            _raise(
                consistency.misplaced_steps(transforms.targets, transforms.predictors, data.targets, data.predictors)
            )
        return transforms

    @field_validator("first_guess", mode="after")
    @classmethod
    def _first_guess_fits_method(cls, first_guess: str | None, info: ValidationInfo) -> str | None:
        if first_guess is not None and "model" in info.data and info.data["model"].method != "diffusion":
            what = f"a first guess is for diffusion, and model.method is {info.data['model'].method}"
            raise refuse(Finding(what, "set first_guess to null", ()))
        return first_guess

    @field_validator("sample", mode="after")
    @classmethod
    def _sample_fits_training(cls, sample: Sample, info: ValidationInfo) -> Sample:
        n_steps = info.data["diffusion"].n_steps if "diffusion" in info.data else None
        dropout = info.data["train"].condition_dropout if "train" in info.data else None
        findings = consistency.unsampled(sample.steps, n_steps, sample.guidance, dropout)
        if sample.conserve and "data" in info.data and "transforms" in info.data:
            data: Data = info.data["data"]
            findings += consistency.unconserved(info.data["transforms"].targets, data.targets, data.predictors)
        if isinstance(sample.noise_half_life, Mapping) and "data" in info.data:
            targets = info.data["data"].targets
            findings += consistency.not_targets(("noise_half_life",), sample.noise_half_life, targets)
        _raise(findings)
        return sample

    @field_validator("generate", mode="after")
    @classmethod
    def _given_fits_sample(cls, generate: Generate, info: ValidationInfo) -> Generate:
        if "sample" in info.data:
            _raise(consistency.unkept(generate.known, info.data["sample"].conserve))
        return generate

    @field_validator("verify", mode="after")
    @classmethod
    def _scores_have_names(cls, verify: Verify, info: ValidationInfo) -> Verify:
        _raise(consistency.unnamable(verify.thresholds, verify.regions, by_season=verify.by_season))
        if "data" in info.data:
            data: Data = info.data["data"]
            _raise(consistency.not_targets(("thresholds",), verify.thresholds, data.targets))
            if (
                isinstance(verify.baselines, tuple)
                and "oracle" in verify.baselines
                and not data.fine.startswith("world/")
            ):
                what = f"the oracle knows the law of the embedded world only, and data.fine is {data.fine}"
                raise refuse(Finding(what, "remove oracle", ("baselines",)))
        return verify


def _raise(findings: list[Finding]) -> None:
    if findings:
        raise refuse(*findings)
