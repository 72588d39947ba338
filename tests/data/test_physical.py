"""Physical values of an estimate are those of the inverse transform, and so is their gradient."""

from __future__ import annotations

import numpy as np
import torch

from climdiff.data.encoder import fit_encoder
from climdiff.data.pairs import align
from climdiff.data.physical import physical
from climdiff.transforms.pipeline import Pipeline
from climdiff.transforms.precipitation import Log1p
from climdiff.transforms.residual import Residual
from climdiff.transforms.scaling import Standardize


def test_values_and_gradients_are_those_of_the_inverse_transform(fields):
    data = fields(names=("pr", "tas"))
    pairs = align(data, data)
    steps = {"pr": (Log1p(1.0), Residual()), "tas": (Standardize(),)}
    encoder = fit_encoder(
        pairs, Pipeline(steps), Pipeline({"pr": (Log1p(1.0),)}),
        targets=("pr", "tas"), predictors=("pr",), calendar=False, position=False,
    )  # fmt: skip
    guess = pairs.guess(slice(0, 3))
    x0 = torch.randn(3, 2, 4, 6, generator=torch.Generator().manual_seed(0)).requires_grad_()
    found = physical(x0, encoder, guess)
    rain = torch.expm1(x0[:, 0] + torch.log1p(torch.from_numpy(guess["pr"].values)))
    torch.testing.assert_close(found["pr"], rain.clamp(min=0), rtol=1e-5, atol=1e-5)
    spread = float(data["tas"].std())
    torch.testing.assert_close(found["tas"], x0[:, 1] * spread + float(data["tas"].mean()), rtol=1e-4, atol=1e-4)
    weight = torch.linspace(-1, 1, 3 * 4 * 6).reshape(3, 4, 6)
    (gradient,) = torch.autograd.grad((weight * (found["pr"] + 2 * found["tas"])).sum(), x0)
    torch.testing.assert_close(gradient[:, 1], 2 * spread * weight, rtol=1e-3, atol=1e-3)
    wet = rain.detach() > 0.1
    assert bool(wet.any())
    expected = weight * (1 + rain.detach())
    np.testing.assert_allclose(gradient[:, 0][wet], expected[wet], rtol=2e-3)
