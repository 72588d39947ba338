"""The two losses by hand: hinge, penalty, content; each from its own side only."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from climdiff.diffusion.two_draws import fair_crps
from climdiff.networks.noise_fed import NoiseFed
from climdiff.objectives.adversarial import Adversarial, steepness


class Batch(NamedTuple):
    target: Tensor
    condition: Tensor


class Scale(nn.Module):
    def __init__(self, value):
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))

    def forward(self, z, t, condition):
        return self.value * z


class Critic(nn.Module):
    """A score a x + c for each cell."""

    def __init__(self, a, c):
        super().__init__()
        self.a, self.c = nn.Parameter(torch.tensor(a)), nn.Parameter(torch.tensor(c))

    def forward(self, x, condition):
        return (self.a * x + self.c).flatten(1)


def fields(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def objective(content=3.0, penalty=0.0, a=0.5, c=0.1):
    return Adversarial(NoiseFed(Scale(0.7), 1), Critic(a, c), content, penalty, torch.float32)


def test_the_losses_are_those_worked_out_by_hand():
    duel = objective(penalty=10.0)
    truth = fields(1, 4, 1, 8, 8)
    yielded = list(duel.losses(Batch(truth, fields(2, 4, 2, 8, 8)), torch.Generator().manual_seed(3), 1))
    one, other = (0.7 * torch.randn(8, 1, 8, 8, generator=torch.Generator().manual_seed(3))).chunk(2)
    expected = 3 * fair_crps(one, other, truth) - (0.5 * (one + other) / 2 + 0.1).mean(dim=(1, 2, 3))
    assert [name for name, *_ in yielded] == list(duel.networks) == ["generator", "discriminator"]
    torch.testing.assert_close(yielded[0][1].detach(), expected)
    fake = [(1 + 0.5 * x + 0.1).clamp(min=0).mean(dim=(1, 2, 3)) for x in (one, other)]
    real = (1 - 0.5 * truth - 0.1).clamp(min=0).mean(dim=(1, 2, 3))
    torch.testing.assert_close(yielded[1][1].detach(), real + (fake[0] + fake[1]) / 2 + 5.0 * 0.25)
    assert [group.tolist() for *_, group in yielded] == [[0] * 4, [1] * 4]


def test_the_critic_does_not_move_the_generator():
    duel = objective()
    (_, of_generator, _), (_, of_critic, _) = duel.losses(
        Batch(fields(1, 2, 1, 8, 8), fields(2, 2, 2, 8, 8)), torch.Generator().manual_seed(3), 1
    )
    weight = duel.network.network.value
    assert torch.autograd.grad(of_critic.sum(), weight, allow_unused=True) == (None,)
    assert float(torch.autograd.grad(of_generator.sum(), weight)[0]) != 0


@pytest.mark.parametrize("a", [0.5, -2.0])
def test_the_penalty_is_the_squared_slope_and_teaches_the_critic(a):
    critic, x = Critic(a, 0.3), fields(1, 3, 1, 8, 8).requires_grad_()
    slope = steepness(critic(x, x), x)
    torch.testing.assert_close(slope.detach(), torch.full((3,), a**2))
    (gradient,) = torch.autograd.grad(slope.mean(), critic.a)
    assert float(gradient) == pytest.approx(2 * a)


def test_missing_cells_are_the_same_to_the_critic_in_real_and_fake():
    duel = objective(content=0.0, a=1.0, c=0.0)
    truth = torch.full((2, 1, 8, 8), torch.nan)
    (_, of_generator, _), (_, of_critic, _) = duel.losses(
        Batch(truth, truth.new_zeros(2, 2, 8, 8)), torch.Generator(), 1
    )
    assert of_generator.tolist() == [0.0, 0.0]
    assert of_critic.tolist() == [2.0, 2.0]
