"""The training loop: steps, moving average, checkpoints, validation, log. It knows no model and no data.

Everything random in a step comes from (seed, step), and the batch of a step is a pure function of (seed, epoch), so a
run resumed from a checkpoint continues bit by bit as if it had never stopped.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from climdiff.errors import DataError, MismatchError, Problem, RetryError
from climdiff.networks.weights import put_weights
from climdiff.training import checkpoint
from climdiff.training.ema import Average
from climdiff.training.log import Log
from climdiff.training.optimizer import Method, Optimizer

OTHER_NETWORK = "go on with the climdiff that began it, or remove {} and train without --resume"
RESTORE = "restore the recipe the run was started with, or train under another name"


class Objective(Protocol):
    """All the loop knows of a method: what is trained and how wrong it is on a batch."""

    @property
    def dtype(self) -> torch.dtype:
        """What the networks compute in."""
        ...

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """What is trained, by name; the first is averaged, validated and kept, the others serve its training only."""
        ...

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups that losses are reported for, such as bands of noise levels."""
        ...

    def losses(self, batch: Any, generator: torch.Generator, step: int) -> Iterator[tuple[str, Tensor, Tensor]]:
        """Yield (name of a network, its loss for each sample (batch,), the number of each sample's group (batch,)).

        A network has moved down its loss when the next one is asked for: an adversary is scored after that. Every
        random number comes from `generator`; `step` counts from 1.
        """
        ...


class Batches(Protocol):
    """Where batches come from; `epoch(e, start)` skips `start` batches of epoch e."""

    @property
    def batches_per_epoch(self) -> int:
        """Number of full batches in an epoch."""
        ...

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Any]:
        """Yield the batches of an epoch in an order fixed by (seed, epoch)."""
        ...


@dataclass(frozen=True)
class Settings:
    """How long and how fast to train, and how often to look and to save; counts are optimizer steps."""

    steps: int
    optimizer: Method
    learning_rate: float
    warmup_steps: int
    weight_decay: float
    gradient_clip: float
    ema_half_life: int
    validate_every: int
    checkpoint_every: int
    keep_checkpoints: int
    log_every: int
    seed: int
    others: tuple[Method, float] | None = None
    """Optimizer and peak learning rate of the networks beside the first; None: as the first."""


@dataclass(frozen=True)
class Progress:
    """What a progress bar shows after a step; `validation` is set on the steps that validated."""

    step: int
    loss: float
    samples_per_second: float
    validation: Mapping[str, float] | None = None


class Losses(NamedTuple):
    """Losses of one step: the mean of the first network's, and of each sample with the number of its group."""

    mean: float
    of_sample: np.ndarray
    group: np.ndarray


class Run:
    """The state of one training run: networks, the average of the first, optimizers and the step they have reached."""

    def __init__(self, objective: Objective, settings: Settings, identity: Mapping[str, Any]) -> None:
        self.objective = objective
        self.settings = settings
        self.identity = identity
        (self.first, self.network), *others = objective.networks.items()
        self.average = Average(self.network, settings.ema_half_life)
        own = settings.optimizer, settings.learning_rate
        self.rates = {self.first: own} | {name: settings.others or own for name, _ in others}
        self.optimizers = {
            name: Optimizer(network, *self.rates[name], settings.weight_decay, objective.dtype)
            for name, network in objective.networks.items()
        }
        self.step = 0

    def advance(self, batch: Any) -> Losses:
        """Do one optimizer step of each network and return their losses.

        Raises:
            DataError: CD-061 when a loss is not finite; the weights of its network are left as they were.
        """
        number = self.step + 1
        entropy = np.random.SeedSequence((self.settings.seed, number)).generate_state(2, np.uint64)
        torch.manual_seed(int(entropy[0]))  # dropout layers draw from the global generator
        generator = torch.Generator().manual_seed(int(entropy[1]))
        means, of_samples, groups = {}, [], []
        for name, of_sample, group in self.objective.losses(batch, generator, number):
            means[name] = self._move(name, of_sample.mean(), number, batch)
            of_samples.append(of_sample.detach().cpu().numpy())
            groups.append(group.cpu().numpy())
        self.step = number
        self.average.update(self.network, number)
        return Losses(means[self.first], np.concatenate(of_samples), np.concatenate(groups))

    def _move(self, name: str, loss: Tensor, number: int, batch: Any) -> float:
        """Move a network down its loss, and no other; return the loss."""
        weights = list(self.objective.networks[name].parameters())
        value = float(loss.detach())
        loss.backward(inputs=weights)
        norm = float(nn.utils.clip_grad_norm_(weights, self.settings.gradient_clip))
        if not (math.isfinite(value) and math.isfinite(norm)):
            where = f"training step {number}"
            what = f"the loss is {value:g} and the norm of its gradient {norm:g}; positions of the batch in time: "
            what += str(getattr(batch, "time_index", torch.empty(0)).tolist())
            fix = "check these dates, lower train.learning_rate, or resume from the last checkpoint, which is sound"
            raise DataError(Problem(61, where, what, fix))
        self.optimizers[name].step(learning_rate(number, self.settings, self.rates[name][1]))
        return value

    def save(self, folder: Path, score: float | None) -> None:
        """Save a checkpoint of the present step and drop those no longer needed."""
        parts = {
            "weights": self.network.state_dict(),
            "average": self.average.network.state_dict(),
            "optimizer": self.optimizers[self.first].state(),
        }
        for name, network in self._others():
            parts |= {name: network.state_dict(), f"{name}_optimizer": self.optimizers[name].state()}
        checkpoint.save(folder, self.step, parts, self.identity, score)
        checkpoint.retain(folder, self.settings.keep_checkpoints)

    def restore(self, saved: checkpoint.Checkpoint, fix: str = RESTORE) -> None:
        """Take over the state of a checkpoint; `fix` is the advice for one of another run.

        Raises:
            MismatchError: CD-045 when the checkpoint belongs to another run, CD-048 to 050 when it is damaged, CD-054
                when it is of a network of other widths.
        """
        if dict(saved.identity) != dict(self.identity):
            keys = [k for k in {*saved.identity, *self.identity} if saved.identity.get(k) != self.identity.get(k)]
            what = "; ".join(f"{k}: {saved.identity.get(k)} -> {self.identity.get(k)}" for k in sorted(keys))
            raise MismatchError(Problem(45, str(saved.path), f"the checkpoint is of another run ({what})", fix))
        where, anew = str(saved.path), OTHER_NETWORK.format(saved.path.parent)
        put_weights(self.network, checkpoint.load(saved, "weights"), where, anew)
        put_weights(self.average.network, checkpoint.load(saved, "average"), where, anew)
        self.optimizers[self.first].load(checkpoint.load(saved, "optimizer"))
        for name, network in self._others():
            put_weights(network, checkpoint.load(saved, name), where, anew)
            self.optimizers[name].load(checkpoint.load(saved, f"{name}_optimizer"))
        self.step = saved.step

    def _others(self) -> list[tuple[str, nn.Module]]:
        return [(name, network) for name, network in self.objective.networks.items() if name != self.first]


def learning_rate(step: int, settings: Settings, peak: float) -> float:
    """Return the learning rate of step `step` (from 1): linear warm-up, then a cosine down to 1 % of the peak."""
    warm = min(1.0, step / max(settings.warmup_steps, 1))
    done = min(step / settings.steps, 1.0)
    return peak * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))


def train(
    run: Run,
    batches: Batches,
    folder: Path,
    validate: Callable[[nn.Module], Mapping[str, float]],
    on_step: Callable[[Progress], None] = lambda progress: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> None:
    """Train `run` to its last step, from wherever it stands.

    Args:
        run: Fresh, or restored from a checkpoint.
        batches: Source of batches.
        folder: The run's folder; gets `checkpoints/`, `log.jsonl` and `tensorboard/`.
        validate: Takes the averaged network, returns numbers to log; `score` among them (lower is better) decides
            which checkpoint is the best.
        on_step: Called after each step.
        should_stop: Asked after each step; when true, a checkpoint is saved and training stops.

    Raises:
        RetryError: CD-060 when `should_stop` said so: the same command with --resume goes on.
        DataError: CD-061 when the loss is not finite.
    """
    settings, checkpoints = run.settings, folder / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    log = Log(folder, run.step)
    recent: list[Losses] = []
    since, waited = time.perf_counter(), 0.0
    with closing(endless(batches, run.step)) as source:
        while run.step < settings.steps:
            asked = time.perf_counter()
            batch = next(source)
            waited += time.perf_counter() - asked
            recent.append(run.advance(batch))
            rate = len(recent) * len(batch.target) / max(time.perf_counter() - since, 1e-9)
            done = run.step == settings.steps
            numbers = None
            if run.step % settings.validate_every == 0 or done:
                run.average.network.eval()
                numbers = dict(validate(run.average.network))
                log.write(run.step, {f"validation_{name}": value for name, value in numbers.items()})
            on_step(Progress(run.step, float(np.mean([losses.mean for losses in recent])), rate, numbers))
            if run.step % settings.log_every == 0 or done:
                share = waited / max(time.perf_counter() - since, 1e-9)
                numbers_now = {"samples_per_second": rate, "waiting_for_data": share}
                log.write(run.step, {**_summary(recent, run.objective.groups), **numbers_now})
                recent, since, waited = [], time.perf_counter(), 0.0
            is_saved = numbers is not None or run.step % settings.checkpoint_every == 0
            if is_saved:
                run.save(checkpoints, None if numbers is None else numbers["score"])
            if should_stop() and not done:
                if not is_saved:
                    run.save(checkpoints, None)
                log.close()
                what = f"stopped at step {run.step} of {settings.steps}; the checkpoint is saved"
                raise RetryError(Problem(60, str(folder), what, checkpoint.AGAIN))
    log.close()


def _summary(recent: Sequence[Losses], groups: Sequence[str]) -> dict[str, float]:
    """Return `loss`, and `loss_<group>` for each group that had samples."""
    of_sample = np.concatenate([losses.of_sample for losses in recent])
    group = np.concatenate([losses.group for losses in recent])
    means = {
        f"loss_{name}": float(of_sample[group == number].mean())
        for number, name in enumerate(groups)
        if (group == number).any()
    }
    return {"loss": float(np.mean([losses.mean for losses in recent])), **means}


def endless(batches: Batches, first_step: int) -> Generator[Any]:
    """Yield the batches of steps first_step + 1, first_step + 2, ... without end."""
    epoch, start = divmod(first_step, batches.batches_per_epoch)
    while True:
        yield from batches.epoch(epoch, start)
        epoch, start = epoch + 1, 0
