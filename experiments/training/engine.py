"""The training loop: epochs over batches, evaluation, checkpoints. It knows nothing about images or text."""

import itertools
import math
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path

import torch
from omegaconf import DictConfig
from torch import Tensor, nn
from torch.optim import Optimizer

from experiments.distributed.processes import Processes
from experiments.randomness import random_states, restore_random_states
from experiments.record.environment import peak_memory_mib
from experiments.record.run_directory import ARTIFACTS, RunDirectory
from experiments.record.tracking import Mirror, NoMirror
from experiments.tasks.contract import Batch, Splits, Task
from experiments.training.activation_statistics import activation_statistics
from experiments.training.console import Display
from experiments.training.optimizer import build_scheduler, learning_rate_factor
from experiments.training.signals import StopRequested

AUTOCAST = {"bfloat16": torch.bfloat16, "float16": torch.float16}


class Diverged(Exception):
    """The loss or a weight is no longer a finite number."""


class Interrupted(Exception):
    """A signal asked the run to stop; its checkpoint is written."""


@dataclass
class TrainingState:
    """How far a run has come; with the states of model and optimiser, all that going on needs."""

    epoch: int = 0
    """Finished epochs, that is the index of the one under way."""
    steps: int = 0
    """Optimiser steps done in all."""
    examples: int = 0
    """Training examples seen in the epoch under way."""
    sums: dict[str, Tensor] = field(default_factory=dict)
    """Training metrics of the epoch under way, all_reduce_sum over examples, float64 on the device."""
    train_seconds: float = 0.0
    """Time spent on training steps in all."""
    other_seconds: float = 0.0
    """Time spent on evaluation and on writing in all."""
    peak_memory_mib: float = 0.0
    """The most memory in use so far, over all processes that worked on the run."""
    history: list[dict[str, object]] = field(default_factory=list)
    """The records of metrics.jsonl."""

    @property
    def wall_seconds(self) -> float:
        return self.train_seconds + self.other_seconds


class Engine:
    """Trains one model on one task, from a fresh start or from a checkpoint.

    Args:
        cfg: the configuration, device and precision settled.
        run_id: written into checkpoints.
        task, splits, model, optimizer: what is trained and how; the model is on the device.
        processes: those that train it together, or this one alone.
        directory: where checkpoints and metrics go.
        display: the terminal.
    """

    def __init__(
        self,
        cfg: DictConfig,
        run_id: str,
        task: Task,
        splits: Splits,
        model: nn.Module,
        optimizer: Optimizer,
        processes: Processes,
        directory: RunDirectory,
        display: Display,
    ):
        self.cfg, self.run_id, self.task, self.splits, self.model = cfg, run_id, task, splits, model
        self.optimizer, self.processes = optimizer, processes
        self.directory, self.display = directory, display
        self.device = next(model.parameters()).device
        trainer = cfg.trainer
        self.steps_per_epoch = len(splits.train)
        self.total_steps = min(trainer.epochs * self.steps_per_epoch, trainer.max_steps or sys.maxsize)
        self.scheduler = build_scheduler(self.optimizer, cfg.optim, self.steps_per_epoch, trainer.epochs)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=trainer.precision == "float16")
        self.counters = TrainingState()
        self.mirror: Mirror = NoMirror()
        self.first_bad_step = torch.full((), torch.inf, dtype=torch.float64, device=self.device)
        self.model_in_training = processes.parallel(model)
        if trainer.compile:
            model.compile()

    def save(self) -> None:
        """Writes checkpoint.pt.

        Raises:
            Diverged: there is nothing worth keeping; the last good checkpoint stays.
            BadInput: it cannot be written.
        """
        self._check_finite()
        self.counters.peak_memory_mib = max(self.counters.peak_memory_mib, peak_memory_mib(self.device))
        self.directory.save(
            {
                "run_id": self.run_id,
                "model": self.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "scheduler": self.scheduler.state_dict(),
                "scaler": self.scaler.state_dict(),
                "random_states": random_states(self.device),
                "counters": {f.name: getattr(self.counters, f.name) for f in fields(TrainingState)},
                "wandb_id": self.mirror.wandb_id,
            }
        )
        self.processes.barrier()

    def restore(self, content: dict[str, object]) -> None:
        """Goes on from what `save` wrote."""
        self.model.load_state_dict(content["model"])
        self.optimizer.load_state_dict(content["optimizer"])
        self.scheduler.load_state_dict(content["scheduler"])
        self.scaler.load_state_dict(content["scaler"])
        restore_random_states(content["random_states"], self.device)
        self.counters = TrainingState(**content["counters"])
        self.counters.sums = {name: value.to(self.device) for name, value in self.counters.sums.items()}

    def _check_finite(self) -> None:
        if torch.isfinite(self.first_bad_step):
            raise Diverged(f"the loss is not a finite number at step {int(self.first_bad_step)}")
        largest = torch.stack([parameter.detach().abs().max() for parameter in self.model.parameters()]).max()
        if not torch.isfinite(largest):
            raise Diverged(f"a weight is not a finite number after step {self.counters.steps}")

    def train(self, stop_requested: StopRequested) -> list[dict[str, object]]:
        """Trains to the end; returns the records of metrics.jsonl, the first of them of the start.

        Every process of the run does the same; a stop that is requested of one is one of all.

        Raises:
            Diverged: the loss or a weight is no longer finite; the last good checkpoint is kept.
            Interrupted: a stop was requested; a checkpoint is written.
            BadInput: the run's folder can no longer be written.
        """
        counters = self.counters
        self._clock = time.perf_counter()
        if not counters.history:
            self._record({"epoch": 0, "step": 0, **self._activations()})
        self.directory.write_metrics(counters.history)
        self.display.start(self.total_steps, counters.steps)
        try:
            while counters.epoch * self.steps_per_epoch < self.total_steps:
                self._train_epoch(stop_requested)
                self._finish_epoch(stop_requested)
        finally:
            self.display.stop()
        if self.processes.is_main:
            self.mirror.show(self._artifacts())
        self._count_time("other_seconds")
        return counters.history

    def _train_epoch(self, stop_requested: StopRequested) -> None:
        counters = self.counters
        done = counters.steps - counters.epoch * self.steps_per_epoch
        self._count_time("other_seconds")
        saved_at = time.perf_counter()
        self.model.train()
        for batch in self.splits.train.epoch(self.cfg.seed, counters.epoch, done, self.processes.shard):
            if counters.steps == self.total_steps:
                break
            values = self._step(batch)
            diverged = False
            if self.device.type == "cpu" or self.display.wants_step():
                diverged = bool(torch.isfinite(self.first_bad_step))
                shown = {name: float(value) for name, value in values.items()}
                self.display.step(counters.steps, counters.epoch + 1, self.cfg.trainer.epochs, shown)
            checkpoint_due = time.perf_counter() - saved_at > 60 * self.cfg.trainer.checkpoint_minutes
            diverged, stop, checkpoint_due = self.processes.any_rank(diverged, stop_requested(), checkpoint_due)
            if diverged:
                break
            if stop:
                self._stop("train_seconds")
            if checkpoint_due:
                self._count_time("train_seconds")
                self.save()
                self._count_time("other_seconds")
                saved_at = time.perf_counter()
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)  # so that the time is that of the steps
        self._count_time("train_seconds")
        self._check_finite()

    def _step(self, batch: Batch) -> dict[str, Tensor]:
        counters = self.counters
        self.processes.seed_step(self.cfg.seed, counters.steps)
        self.optimizer.zero_grad(set_to_none=True)
        with self._autocast():
            loss, metrics, own = self.task.loss(self.model_in_training, batch)
        examples = self.processes.all_reduce_count(own)
        self.scaler.scale(self.processes.scale_loss(loss, own, examples)).backward()
        if self.cfg.optim.gradient_clip_norm is not None:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.cfg.optim.gradient_clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.scheduler.step()
        counters.steps += 1
        counters.examples += examples
        values = self.processes.average({"loss": loss.detach(), **metrics}, own, examples)
        for name, value in values.items():
            counters.sums[name] = counters.sums.get(name, 0.0) + value.double() * examples
        this_step = torch.where(torch.isfinite(values["loss"]), torch.inf, float(counters.steps))
        self.first_bad_step = torch.minimum(self.first_bad_step, this_step)
        return values

    def _finish_epoch(self, stop_requested: StopRequested) -> None:
        counters, trainer = self.counters, self.cfg.trainer
        record: dict[str, object] = {"epoch": counters.epoch + 1, "step": counters.steps}
        factor = learning_rate_factor(counters.steps - 1, self.steps_per_epoch, trainer.epochs, self.cfg.optim.schedule)
        record["learning_rate"] = factor * self.scheduler.base_lrs[0]  # of the epoch's last step
        record.update({f"train/{name}": float(total) / counters.examples for name, total in counters.sums.items()})
        last = counters.steps == self.total_steps
        if last or (counters.epoch + 1) % trainer.evaluate_every == 0:
            record.update(self._evaluate(stop_requested))
            record.update(self._activations())
        before = sum(earlier.get("seconds", 0.0) for earlier in counters.history)
        self._count_time("other_seconds")
        record["seconds"] = counters.wall_seconds - before
        counters.epoch, counters.examples, counters.sums = counters.epoch + 1, 0, {}
        self._record(record)
        self.directory.write_metrics(counters.history)
        self.save()
        left = (self.total_steps - counters.steps) * counters.wall_seconds / counters.steps
        self.display.epoch(record, trainer.epochs, self.task.headline[0], left)

    def _evaluate(self, stop_requested: StopRequested) -> dict[str, float]:
        def own_until_stopped(batches: Iterable[Batch]) -> Iterator[Batch]:
            shard = self.processes.shard
            for number, batch in enumerate(batches):
                # Asked once a round of batches, which is as often in a process that has none in the last one.
                if number % shard.count == 0 and any(self.processes.any_rank(stop_requested())):
                    self._stop("other_seconds")
                if number % shard.count == shard.index:
                    yield batch

        self.model.eval()
        metrics = {}
        with torch.inference_mode(), self._autocast():
            for name, batches in self.splits.evaluation.items():
                prefix = "" if name == "test" else f"{name}/"
                values = self.processes.assert_equal_across_ranks(
                    self.task.evaluate(self.model, own_until_stopped(batches))
                )
                metrics.update({prefix + metric: value for metric, value in values.items()})
        for metric, value in metrics.items():
            if not math.isfinite(value):
                raise Diverged(f"{metric} is not a finite number after step {self.counters.steps}")
        return metrics

    def _activations(self) -> dict[str, object]:
        """What the activations have learned, measured on the first evaluation batch."""
        batches = next(iter(self.splits.evaluation.values()))
        self.model.eval()
        with torch.inference_mode(), self._autocast(), torch.compiler.set_stance("force_eager"):
            first = itertools.islice(iter(batches), 1)
            statistics = activation_statistics(self.model, lambda: self.task.evaluate(self.model, first))
        return {"activations": statistics} if statistics else {}

    def _artifacts(self) -> list[Path]:
        folder = self.directory.path / ARTIFACTS
        folder.mkdir(exist_ok=True)
        self.model.eval()
        with torch.inference_mode(), self._autocast():
            files = self.task.write_artifacts(self.model, self.splits, folder)
        if not files:
            folder.rmdir()
        return files

    def _autocast(self) -> torch.autocast:
        dtype = AUTOCAST.get(self.cfg.trainer.precision)
        return torch.autocast(self.device.type, dtype, enabled=dtype is not None)

    def _record(self, record: dict[str, object]) -> None:
        self.counters.history.append(record)
        self.mirror.log(record)

    def _count_time(self, kind: str) -> None:
        """Adds the time since the last call to `kind`, a field of `TrainingState`."""
        now = time.perf_counter()
        setattr(self.counters, kind, getattr(self.counters, kind) + now - self._clock)
        self._clock = now

    def _stop(self, kind: str) -> None:
        self._count_time(kind)
        self.save()
        raise Interrupted
