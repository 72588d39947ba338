"""The loop: resumes bit by bit, keeps the best, stops on bad numbers, and knows no model."""

from __future__ import annotations

import math
import statistics
import time
from dataclasses import replace
from typing import NamedTuple

import pytest
import torch
from torch import nn

from climdiff.errors import DataError, MismatchError, RetryError
from climdiff.training import checkpoint
from climdiff.training.log import read
from climdiff.training.loop import Run, Settings, endless, learning_rate, train

SETTINGS = Settings(
    steps=12,
    optimizer="muon",
    learning_rate=1e-2,
    warmup_steps=4,
    weight_decay=0.01,
    gradient_clip=1.0,
    ema_half_life=5,
    validate_every=4,
    checkpoint_every=3,
    keep_checkpoints=2,
    log_every=2,
    seed=1,
)


class Batch(NamedTuple):
    target: torch.Tensor
    time_index: torch.Tensor


class Batches:
    """Five batches an epoch, each a pure function of (epoch, number)."""

    batches_per_epoch = 5

    def epoch(self, epoch, start=0):
        for number in range(start, 5):
            generator = torch.Generator().manual_seed(100 * epoch + number)
            yield Batch(torch.randn(4, 3, generator=generator), torch.tensor([epoch, number]))


class Objective:
    """Fits a noisy linear map with dropout, so that every source of randomness is used."""

    dtype = torch.float32

    def __init__(self):
        torch.manual_seed(0)
        self.network = nn.Sequential(
            nn.Linear(3, 40), nn.Dropout(0.5), nn.Linear(40, 40), nn.Linear(40, 3), nn.Unflatten(1, (3, 1, 1))
        )
        self.network.append(nn.Conv2d(3, 3, 3, padding=1)).append(nn.Flatten())
        self.network[5].weight.data = self.network[5].weight.data.contiguous(memory_format=torch.channels_last)

    groups = ("even", "odd")

    @property
    def networks(self):
        return {"map": self.network}

    def losses(self, batch, generator, step):
        noise = torch.randn(batch.target.shape, generator=generator)
        yield "map", ((self.network(batch.target + noise) - batch.target) ** 2).mean(dim=1), torch.arange(4) % 2


class Duel(Objective):
    """The map against a critic, which is asked after the map has moved and keeps a count of its own."""

    groups = ("map", "critic")

    def __init__(self):
        super().__init__()
        self.critic = nn.Sequential(nn.Linear(3, 40), nn.Linear(40, 40), nn.Linear(40, 1))
        self.critic.register_buffer("calls", torch.zeros(()))
        self.seen = []

    @property
    def networks(self):
        return {"map": self.network, "critic": self.critic}

    def losses(self, batch, generator, step):
        fake = self.network(batch.target + torch.randn(batch.target.shape, generator=generator))
        before = parameters(self.critic)
        yield "map", -self.critic(fake)[:, 0] + ((fake - batch.target) ** 2).mean(dim=1), torch.zeros(4)
        moved = parameters(self.network)
        self.critic.calls += 1
        yield "critic", (self.critic(fake.detach()) - self.critic(batch.target))[:, 0] ** 2, torch.ones(4)
        self.seen.append((step, before, moved))


def parameters(network):
    return torch.cat([p.detach().flatten() for p in network.parameters()])


def fresh(settings=SETTINGS, objective=Objective):
    return Run(objective(), settings, {"recipe": "abc"})


def score(network):
    return {"score": float(next(network.parameters()).detach().square().mean())}


def weights(run):
    networks = (*run.objective.networks.values(), run.average.network)
    return torch.cat([*map(parameters, networks), *(b.flatten() for each in networks for b in each.buffers())])


def stop_after(step):
    calls = []

    def should_stop():
        calls.append(1)
        return len(calls) >= step

    return should_stop


@pytest.mark.parametrize("objective", [Objective, Duel])
@pytest.mark.parametrize("killed_after", [1, 4, 7])
def test_fault_059_a_resumed_run_ends_with_the_same_bits(tmp_path, killed_after, objective):
    whole = fresh(objective=objective)
    train(whole, Batches(), tmp_path / "whole", score)
    with pytest.raises(RetryError, match=f"CD-060 .*stopped at step {killed_after} of 12.*--resume"):
        stop = stop_after(killed_after)
        train(fresh(objective=objective), Batches(), tmp_path / "parts", score, should_stop=stop)
    resumed = fresh(objective=objective)
    resumed.restore(checkpoint.complete(tmp_path / "parts" / "checkpoints")[-1])
    assert resumed.step == killed_after
    train(resumed, Batches(), tmp_path / "parts", score)
    assert torch.equal(weights(whole), weights(resumed))
    keep = lambda rows: [(r["step"], r.get("validation_score")) for r in rows if "validation_score" in r]  # noqa: E731
    assert keep(read(tmp_path / "whole" / "log.jsonl")) == keep(read(tmp_path / "parts" / "log.jsonl"))


def test_each_network_moves_down_its_own_loss_only_and_in_turn():
    """Before the first loss is asked for both stand; the critic has not moved when the map has."""
    run = fresh(objective=Duel)
    start = {name: parameters(network) for name, network in run.objective.networks.items()}
    losses = run.advance(next(Batches().epoch(0)))
    ((step, critic_before, map_after),) = run.objective.seen
    assert step == 1
    assert torch.equal(critic_before, start["critic"])
    assert not torch.equal(map_after, start["map"])
    assert torch.equal(map_after, parameters(run.objective.network))
    assert not torch.equal(parameters(run.objective.critic), start["critic"])
    assert all(p.grad is None for network in run.objective.networks.values() for p in network.parameters())
    assert losses.mean == pytest.approx(float(losses.of_sample[losses.group == 0].mean()))


def test_other_networks_may_have_an_optimizer_and_a_rate_of_their_own():
    """One step of AdamW without decay from rest moves every weight by the rate, whatever the gradient."""
    run = fresh(replace(SETTINGS, weight_decay=0.0, warmup_steps=0, others=("adamw", 1e-4)), Duel)
    before = parameters(run.objective.critic)
    run.advance(next(Batches().epoch(0)))
    moved = (parameters(run.objective.critic) - before).abs()
    expected = learning_rate(1, run.settings, 1e-4)
    assert moved[moved > 1e-6].numpy() == pytest.approx(expected, rel=1e-2)


def test_validation_steps_and_the_last_step_are_scored(tmp_path):
    train(fresh(), Batches(), tmp_path, score)
    assert [row["step"] for row in read(tmp_path / "log.jsonl") if "validation_score" in row] == [4, 8, 12]
    assert checkpoint.best(checkpoint.complete(tmp_path / "checkpoints")) is not None


def test_fault_061_a_loss_that_is_not_finite_stops_and_names_the_batch(tmp_path):
    class Poisoned(Batches):
        def epoch(self, epoch, start=0):
            for batch in super().epoch(epoch, start):
                bad = batch.time_index.tolist() == [1, 2]
                yield batch._replace(target=torch.full((4, 3), float("inf"))) if bad else batch

    run = fresh()
    with pytest.raises(DataError, match=r"CD-061 training step 8: .*\[1, 2\].* Fix: .*resume"):
        train(run, Poisoned(), tmp_path, score)
    assert bool(weights(run).isfinite().all())
    assert checkpoint.complete(tmp_path / "checkpoints")[-1].step == 6


def test_fault_045_a_checkpoint_of_another_recipe_is_refused(tmp_path):
    run = fresh()
    run.save(tmp_path, None)
    other = Run(Objective(), SETTINGS, {"recipe": "xyz"})
    with pytest.raises(MismatchError, match=r"CD-045 .*recipe: abc -> xyz"):
        other.restore(checkpoint.complete(tmp_path)[0])


def test_fault_054_a_checkpoint_of_a_network_of_other_widths_is_refused(tmp_path):
    fresh().save(tmp_path, None)
    other = Objective()
    other.network = nn.Linear(7, 1)
    with pytest.raises(MismatchError, match=r"CD-054 .*have shape .*Fix: go on with .*remove .* and train without"):
        Run(other, SETTINGS, {"recipe": "abc"}).restore(checkpoint.complete(tmp_path)[0])


def test_the_learning_rate_warms_up_and_falls():
    rates = [learning_rate(step, SETTINGS, 1e-2) for step in range(1, 13)]
    cosine = [0.01 + 0.99 * (1 + math.cos(math.pi * step / 12)) / 2 for step in range(1, 13)]
    expected = [1e-2 * min(1, step / 4) * factor for step, factor in enumerate(cosine, start=1)]
    assert rates == pytest.approx(expected, rel=1e-12)


def test_endless_batches_start_where_they_are_told():
    stream = endless(Batches(), first_step=13)
    found = [next(stream).time_index.tolist() for _ in range(4)]
    assert found == [[2, 3], [2, 4], [3, 0], [3, 1]]


def test_progress_is_reported_every_step(tmp_path):
    seen = []
    train(fresh(), Batches(), tmp_path, score, on_step=seen.append)
    assert [progress.step for progress in seen] == list(range(1, 13))
    assert [progress.step for progress in seen if progress.validation] == [4, 8, 12]


def test_the_log_tells_the_loss_of_each_group(tmp_path):
    train(fresh(), Batches(), tmp_path, score)
    (first, *_) = [row for row in read(tmp_path / "log.jsonl") if "loss" in row]
    assert first["loss"] == pytest.approx((first["loss_even"] + first["loss_odd"]) / 2)


def test_the_log_tells_which_share_of_the_time_was_spent_waiting_for_data(tmp_path):
    class Slow(Batches):
        def epoch(self, epoch, start=0):
            for batch in super().epoch(epoch, start):
                time.sleep(0.1)
                yield batch

    shares = []
    for name, source in (("slow", Slow()), ("fast", Batches())):
        train(fresh(), source, tmp_path / name, score)
        shares.append([row["waiting_for_data"] for row in read(tmp_path / name / "log.jsonl") if "loss" in row])
    assert min(shares[0]) > 0.5
    # another process may hold one row up
    assert statistics.median(shares[1]) < 0.2
