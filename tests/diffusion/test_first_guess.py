"""Two stages: residuals and back, a first guess that stands still, and a law whose second stage is known."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from climdiff.diffusion import schedules
from climdiff.diffusion.denoiser import Denoiser
from climdiff.diffusion.first_guess import FirstGuess, SecondStage
from climdiff.diffusion.objective import Objective
from climdiff.networks.noise_fed import NoiseFed


class Batch(NamedTuple):
    target: Tensor
    condition: Tensor


class Twice(nn.Module):
    """The mean of x = 2 y + 0.7 eps."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(2.0))

    def forward(self, z, t, condition):
        assert z.shape[1] == 0
        return self.weight * condition[:, :1]


def first_guess(deviation=0.7):
    made = FirstGuess(NoiseFed(Twice(), 0), 1)
    made.deviation.fill_(deviation)
    return made


def fields(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_residuals_and_fields_are_inverse():
    guess, field, made = fields(1, 2, 1, 4, 4), fields(2, 2, 1, 4, 4), first_guess()
    torch.testing.assert_close(made.to_field(made.to_residual(field, guess), guess), field)
    torch.testing.assert_close(made.to_residual(guess + 0.7, guess), torch.ones(2, 1, 4, 4))


def test_a_projection_of_fields_is_one_of_residuals():
    """Projecting twice is projecting once, and the field comes out projected."""
    guess, residual, made = fields(1, 2, 1, 4, 4), fields(2, 2, 1, 4, 4), first_guess()
    centered = lambda field: field - field.mean(dim=(2, 3), keepdim=True)  # noqa: E731
    project = made.in_residuals(centered, guess)
    once = project(residual)
    torch.testing.assert_close(project(once), once)
    assert float(made.to_field(once, guess).mean(dim=(2, 3)).abs().max()) < 1e-6


class Seen:
    """An objective that remembers what it was given."""

    networks, groups = {}, ("a",)

    def losses(self, batch, generator, step):
        self.batch = batch
        yield "none", torch.zeros(len(batch.target)), torch.zeros(len(batch.target))


def test_the_second_stage_is_given_residuals_of_unit_variance_and_the_guess():
    condition = fields(1, 16, 2, 32, 32)
    target = 2 * condition[:, :1] + 0.7 * fields(2, 16, 1, 32, 32)
    target[0, 0, 0, 0] = torch.nan
    seen = Seen()
    stage = SecondStage(seen, first_guess(), torch.float32)
    list(stage.losses(Batch(target, condition), torch.Generator(), 1))
    assert stage.groups == ("a",)
    assert float(seen.batch.target.nan_to_num().square().mean()) == pytest.approx(1.0, abs=0.02)
    assert int(seen.batch.target.isnan().sum()) == 1
    torch.testing.assert_close(seen.batch.condition, torch.cat([condition, 2 * condition[:, :1]], dim=1))


class Zero(nn.Module):
    """A network whose answer is a number that can be learned."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(0.0))

    def forward(self, z, t, condition):
        return self.weight + 0 * z


def test_where_nothing_but_white_noise_is_left_the_denoiser_of_zero_is_the_best():
    """For residuals N(0, 1), by the epsilon prediction with its skip, F = 0 is the conditional mean: no gradient."""
    objective = Objective(Denoiser(Zero(), schedules.cosine(1000), "epsilon"), "uniform", 0.0, torch.float32)
    stage = SecondStage(objective, first_guess(), torch.float32)
    condition = fields(1, 64, 1, 32, 32)
    batch = Batch(2 * condition + 0.7 * fields(2, 64, 1, 32, 32), condition)
    ((name, losses, _),) = stage.losses(batch, torch.Generator().manual_seed(0), 1)
    assert list(stage.networks) == [name]
    (gradient,) = torch.autograd.grad(losses.mean(), objective.network.network.weight)
    assert abs(float(gradient)) < 0.02


def test_the_first_guess_stands_still():
    made = first_guess()
    assert not any(parameter.requires_grad for parameter in made.parameters())
    assert not made(fields(1, 1, 1, 4, 4).requires_grad_()).requires_grad
    assert set(made.state_dict()) == {"network.network.weight", "deviation"}
