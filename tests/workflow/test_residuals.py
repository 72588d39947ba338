"""The half-life of noise is found again from truth made with it, through networks that pass on a part of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

from climdiff.data.encoder import fit_encoder
from climdiff.data.pairs import align
from climdiff.downscalers.diffusion import DiffusionDownscaler, Sampling
from climdiff.downscalers.one_evaluation import Drawing, OneEvaluation
from climdiff.errors import DataError
from climdiff.samplers.persistence import DAY, Persistence, PersistentNoise
from climdiff.transforms.pipeline import Pipeline
from climdiff.transforms.scaling import Standardize
from climdiff.workflow import residuals

SIZE, N_DAYS = 24, 1000


def dataset(times, **fields):
    axis = ("x", np.arange(SIZE) * 10.0, {"units": "km"})
    return xr.Dataset(
        {name: (("time", "y", "x"), values.astype(np.float32)) for name, values in fields.items()},
        coords={"time": times, "y": ("y", *axis[1:]), "x": axis},
    )


@pytest.fixture(scope="module")
def pairs():
    """Return pairs whose truth is a predictor plus AR(1) noise: half-lives of 1 and 3 days."""
    times = np.datetime64("2001-01-01") + np.arange(N_DAYS)
    truth = Persistence(DAY, (1.0, 3.0))
    keys = truth.keys(times)
    noise = PersistentNoise(9, [(0, row) for row in keys], (2, SIZE, SIZE), truth.coefficients())(0).numpy()
    large = np.random.default_rng(0).normal(size=(N_DAYS, 1, 1)) * np.ones((1, SIZE, SIZE))
    coarse = dataset(times, large=large)
    fine = dataset(times, pr=2 * large + noise[:, 0], tas=3 * noise[:, 1] - large)
    return align(coarse, fine)


class Mean(nn.Module):
    """A denoiser that knows the mean given the predictor: what any says at the highest noise level."""

    def __init__(self, slopes):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.slopes = torch.tensor(slopes).reshape(1, 2, 1, 1)

    def bind(self, condition):
        return lambda x, sigma: self.slopes * condition[:, :1]

    def unconditional(self, condition):
        return self.bind(condition)


def downscaler(pairs, share=1.0):
    """Return a model of the law of the pairs; a `share` of the variance follows the noise, the rest has no memory."""
    names = ("pr", "tas")
    encoder = fit_encoder(
        pairs, Pipeline({name: (Standardize(),) for name in names}), Pipeline({"large": (Standardize(),)}),
        targets=names, predictors=("large",), calendar=False, position=False,
    )  # fmt: skip
    scale = [float(pairs.fine[name].std()) for name in names]
    slope = float(pairs.coarse["large"].std())
    spreads = torch.tensor([1 / scale[0], 3 / scale[1]]).reshape(1, 2, 1, 1)
    sigmas = torch.tensor([80.0, 0.0])

    def sampler(denoise, x, sigmas, noise):
        own = torch.randn(x.shape, generator=torch.Generator().manual_seed(1))
        mixed = share**0.5 * x / sigmas[0] + (1 - share) ** 0.5 * own
        return denoise(x, sigmas[:1].expand(len(x))) + spreads * mixed

    sampling = Sampling(sampler, sigmas, micro_batch=2 * residuals.OF_MEMBERS)
    mean = Mean([2 * slope / scale[0], -slope / scale[1]])
    return DiffusionDownscaler(mean, encoder, pairs.coarse_grid, pairs.method, sampling)


def test_the_variance_that_predictors_leave_open_is_found(pairs):
    scale = [float(pairs.fine[name].std()) for name in ("pr", "tas")]
    found = residuals.variances(downscaler(pairs), pairs, seed=0)
    assert found == pytest.approx({"pr": 1 / scale[0] ** 2, "tas": 9 / scale[1] ** 2}, rel=0.03)


def test_the_models_mean_is_taken_without_conserving_block_means(pairs):
    """Members conserve them; the mean of fields that do, after a transform, does not."""
    from dataclasses import dataclass

    @dataclass
    class Refuses:
        def bind(self, *_):
            raise AssertionError("conserved")

    conserving = downscaler(pairs).changed(conservation=Refuses())
    with pytest.raises(AssertionError, match="conserved"):
        residuals._drawn(conserving, pairs, np.arange(2), 0)
    assert residuals.variances(conserving, pairs, 0) == residuals.variances(downscaler(pairs), pairs, 0)


def test_the_half_lives_of_the_truth_are_found(pairs):
    found = residuals.fit(downscaler(pairs), pairs, seed=0)
    assert found["pr"] == pytest.approx(1.0, rel=0.05)
    assert found["tas"] == pytest.approx(3.0, rel=0.12)


def test_a_network_that_passes_on_a_part_gets_noise_that_persists_longer(pairs):
    """Where 70 % of the variance follows the noise, the correlation 0.5 of the truth takes noise of 0.5 / 0.7."""
    found = residuals.fit(downscaler(pairs, share=0.7), pairs, seed=0)
    assert 2 ** (-1 / found["pr"]) == pytest.approx(0.5 / 0.7, abs=0.03)
    assert 2 ** (-1 / found["tas"]) == pytest.approx(0.98, abs=1e-6)


def test_truth_that_does_not_persist_leaves_noise_independent(pairs):
    shuffled = np.random.default_rng(3).permutation(N_DAYS)
    moved = {name: pairs.fine[name].values[shuffled] for name in ("pr", "tas")}
    large = pairs.coarse["large"].values[shuffled]
    times = pairs.times.values
    loose = align(dataset(times, large=large), dataset(times, **moved))
    found = residuals.fit(downscaler(loose), loose, seed=0)
    assert all(half_life < 0.3 for half_life in found.values())


def test_fault_023_dates_without_neighbors_are_told(pairs):
    every_third = pairs.select(np.flatnonzero(np.random.default_rng(0).random(N_DAYS) < 0.3))
    with pytest.raises(DataError, match=r"CD-023 training data: .* dates are followed by one a common step later"):
        residuals.neighbors(every_third, 48)


def test_missing_values_do_not_pull_the_correlation_down():
    generator = torch.Generator().manual_seed(0)
    one = torch.randn(400, 1, 8, 8, generator=generator)
    other = 0.5 * one + 0.75**0.5 * torch.randn(400, 1, 8, 8, generator=generator)
    both = torch.cat([one, other])
    holes = torch.rand(both.shape, generator=generator) < 0.4
    (whole,), (holed,) = (residuals._lag_one(fields) for fields in (both, both.masked_fill(holes, torch.nan)))
    assert whole == pytest.approx(0.5, abs=0.02)
    assert holed == pytest.approx(0.5, abs=0.03)


def test_noise_that_does_not_matter_or_not_enough_is_told(caplog):
    assert residuals._crossing("pr", 0.3, [0.0, 0.01, 0.02, 0.03]) == 0.0
    assert "noise does not matter" in caplog.text
    assert residuals._crossing("pr", 0.95, [0.0, 0.4, 0.7, 0.8]) == 0.98
    assert "persist longer (0.95) than noise can make members (0.80)" in caplog.text


def test_fault_023_months_have_no_common_step(pairs):
    months = pairs.times.values[:40].astype("datetime64[M]")[0] + np.arange(40)
    monthly = dataset(months.astype("datetime64[ns]"), large=pairs.coarse["large"].values[:40])
    with pytest.raises(
        DataError, match=r"CD-023 training data: .* of 40 dates are followed by one a common step later"
    ):
        residuals.neighbors(align(monthly, monthly), 48)


def test_what_a_regression_leaves_over_is_told_as_a_share_of_the_truth(pairs):
    """The best regression leaves 1 - R^2; one that says nothing leaves all of it, as its fields do."""
    like = downscaler(pairs)
    parts = like.encoder, like.coarse_grid, like.method, Drawing({})
    share = 1 / float(pairs.fine["pr"].std()) ** 2 / 2 + 9 / float(pairs.fine["tas"].std()) ** 2 / 2

    class OneDraw(nn.Module):
        def __init__(self, factor):
            super().__init__()
            self.weight = nn.Parameter(torch.tensor(factor))

        def noise_shape(self, cells):
            return 0, *cells

        def forward(self, z, condition):
            return self.weight * like.denoiser.slopes * condition[:, :1]

    best, silent = (residuals.kept(OneEvaluation(OneDraw(factor), *parts), pairs, 0) for factor in (1.0, 0.0))
    assert best.share == pytest.approx(share, rel=0.05)
    assert silent.share == pytest.approx(1.0, rel=1e-6)
    assert silent.fields.shape == (min(residuals.KEPT, pairs.n_times), 2, *pairs.fine_grid.shape)
    assert float(best.fields.mean()) == pytest.approx(0.0, abs=0.02)
