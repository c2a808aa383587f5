"""The training loop: epochs over batches, evaluation, checkpoints. Independent of the task."""

import math
import sys
from dataclasses import dataclass, field, fields

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from experiments.configuration.schema import Config
from experiments.distributed.processes import Processes
from experiments.randomness import random_states, restore_random_states
from experiments.record.environment import peak_memory_mib
from experiments.record.run_directory import ARTIFACTS, RunDirectory
from experiments.record.tracking import Mirrors
from experiments.tasks.contract import Splits, Task
from experiments.training.activation_statistics import Statistics
from experiments.training.console import Display
from experiments.training.evaluation import Evaluator, autocast
from experiments.training.optimizer import build_scheduler
from experiments.training.pacing import Pace
from experiments.training.signals import StopRequested
from experiments.training.state import Diverged, Interrupted, TrainingState


@dataclass(frozen=True)
class Setup:
    """What is trained: a task, its data, and a model on the device with its optimizer."""

    task: Task
    splits: Splits
    model: nn.Module
    optimizer: Optimizer


@dataclass
class Outputs:
    """Where the progress of a run goes: its directory, the terminal, and a mirror like W&B."""

    run_id: str
    directory: RunDirectory
    display: Display
    mirror: Mirrors = field(default_factory=Mirrors)


class Engine:
    """Trains one model on one task, from the start or from a checkpoint.

    Args:
        config: the configuration, with device and precision resolved.
        setup: what is trained.
        processes: the processes that train it, or the single one.
        outputs: where checkpoints and metrics go.
    """

    def __init__(self, config: Config, setup: Setup, processes: Processes, outputs: Outputs):
        self.config, self.processes, self.outputs = config, processes, outputs
        self.task, self.splits, self.model, self.optimizer = setup.task, setup.splits, setup.model, setup.optimizer
        self.device = next(self.model.parameters()).device
        trainer = config.trainer
        self.steps_per_epoch = len(self.splits.train)
        self.total_steps = min(trainer.epochs * self.steps_per_epoch, trainer.max_steps or sys.maxsize)
        self.scheduler = build_scheduler(self.optimizer, config.optim, self.steps_per_epoch, trainer.epochs)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=trainer.precision == "float16")
        self.evaluator = Evaluator(self.task, self.splits, self.model, processes, trainer.precision, trainer.compile)
        self.state = TrainingState()
        self.forward_flops: int | None = None
        self.first_bad_step = torch.full((), torch.inf, dtype=torch.float64, device=self.device)
        self.model_in_training = processes.parallel(self.model)
        if trainer.compile:
            self.model.compile()

    def train(self, stop_requested: StopRequested) -> None:
        """Trains to the end; `state.history` then holds the records of metrics.jsonl, the first for step 0.

        Every process of the run calls it; if one is asked to stop, all stop.

        Raises:
            Diverged: the loss, a metric or a weight is not finite; the last good checkpoint is kept.
            Interrupted: a stop was requested; a checkpoint is written.
            BadInput: the run's directory cannot be written.
        """
        state, outputs = self.state, self.outputs
        self.pace = Pace(state, self.processes, self.config.trainer.checkpoint_minutes, stop_requested)
        if not state.history:
            self._log({"epoch": 0, "step": 0, **_as_field(self.evaluator.activations_of_first_batch())})
        outputs.directory.write_metrics(state.history)
        outputs.display.start(self.total_steps, state.steps)
        try:
            while state.epoch * self.steps_per_epoch < self.total_steps:
                self._train_epoch()
                self._finish_epoch()
        except Interrupted:
            self.pace.count_other()
            self.save()
            raise
        finally:
            outputs.display.stop()
        self.forward_flops = self.evaluator.forward_flops()
        if self.processes.is_main:
            outputs.directory.write_predictions(self.evaluator.predictions())
            outputs.directory.write_task_state(self.task.state_dict())
            outputs.mirror.show(self.evaluator.write_artifacts(outputs.directory.path / ARTIFACTS))
        self.pace.count_other()

    def _train_epoch(self) -> None:
        config, state, pace = self.config, self.state, self.pace
        done = state.steps - state.epoch * self.steps_per_epoch
        pace.count_other()
        self.model.train()
        for batch in self.splits.train.epoch(config.seed, state.epoch, done, self.processes.shard):
            if state.steps == self.total_steps:
                break

            self.processes.seed_step(config.seed, state.steps)
            self.optimizer.zero_grad(set_to_none=True)
            with autocast(self.device, config.trainer.precision):
                loss, metrics, own_examples = self.task.loss(self.model_in_training, batch)
            examples = self.processes.all_reduce_count(own_examples)
            self.scaler.scale(self.processes.scale_loss(loss, own_examples, examples)).backward()
            if config.optim.gradient_clip_norm is not None:
                self.scaler.unscale_(self.optimizer)
                nn.utils.clip_grad_norm_(self.model.parameters(), config.optim.gradient_clip_norm)
            self.scaler.step(self.optimizer)
            self.scaler.update()
            state.learning_rate = float(self.optimizer.param_groups[0]["lr"])
            self.scheduler.step()
            values = self.processes.average({"loss": loss.detach(), **metrics}, own_examples, examples)

            self._count_step(values, examples)
            self._log_step(values)
            decision = pace.after_step(self._show_step(values))
            if decision.diverged:
                break
            if decision.stop:
                pace.count_training()
                raise Interrupted
            if decision.checkpoint:
                pace.count_training()
                self.save()
                pace.count_other()
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)  # so that the measured time includes all steps
        pace.count_training()
        self._check_finite()

    def _count_step(self, values: dict[str, Tensor], examples: int) -> None:
        state = self.state
        state.steps += 1
        state.examples += examples
        for name, value in values.items():
            state.sums[name] = state.sums.get(name, 0.0) + value.double() * examples
        # Kept on the device: reading the loss of every step would make the host wait for the accelerator.
        bad_step = torch.where(torch.isfinite(values["loss"]), torch.inf, float(state.steps))
        self.first_bad_step = torch.minimum(self.first_bad_step, bad_step)

    def _log_step(self, values: dict[str, Tensor]) -> None:
        """Logs every so many steps; not the last of an epoch, whose record comes at once."""
        state, every = self.state, self.outputs.mirror.every_steps
        ends_epoch = state.steps % self.steps_per_epoch == 0 or state.steps == self.total_steps
        if every is None or state.steps % every or ends_epoch:
            return
        measured = {f"train_step/{name}": float(value) for name, value in values.items()}
        place = {"epoch": round(state.steps / self.steps_per_epoch, 4), "step": state.steps}
        self.outputs.mirror.log_step({**place, "train_step/learning_rate": state.learning_rate, **measured})

    def _show_step(self, values: dict[str, Tensor]) -> bool:
        """Updates the display at intervals; returns whether the loss was then found to be not finite."""
        display = self.outputs.display
        if self.device.type != "cpu" and not display.wants_step():
            return False
        shown = {name: float(value) for name, value in values.items()}
        display.step(self.state.steps, self.state.epoch + 1, self.config.trainer.epochs, shown)
        return bool(torch.isfinite(self.first_bad_step))

    def _finish_epoch(self) -> None:
        state, trainer = self.state, self.config.trainer
        record: dict[str, object] = {"epoch": state.epoch + 1, "step": state.steps}
        record["learning_rate"] = state.learning_rate  # of the epoch's last step
        record.update({f"train/{name}": float(total) / state.examples for name, total in state.sums.items()})
        last = state.steps == self.total_steps
        if last or (state.epoch + 1) % trainer.evaluate_every == 0:
            record.update(self._evaluate())
        record["seconds"] = self.pace.finish_epoch()
        state.epoch, state.examples, state.sums = state.epoch + 1, 0, {}
        self._log(record)
        self.outputs.directory.write_metrics(state.history)
        self.save()
        seconds_left = self.pace.seconds_left(self.total_steps)
        headline, _ = self.task.headline
        self.outputs.display.epoch(record, trainer.epochs, headline, seconds_left, trainer.selection)

    def _evaluate(self) -> dict[str, object]:
        """The metrics, and the field of the activation statistics."""
        metrics, activations = self.evaluator.measure(self.pace.must_stop)
        for metric, value in metrics.items():
            if not math.isfinite(value):
                raise Diverged(f"{metric} is not a finite number after step {self.state.steps}")
        return {**metrics, **_as_field(activations)}

    def _log(self, record: dict[str, object]) -> None:
        self.state.history.append(record)
        self.outputs.mirror.log(record)

    def save(self) -> None:
        """Writes checkpoint.pt.

        Raises:
            Diverged: the state is not finite; the last good checkpoint is kept.
            BadInput: it cannot be written.
        """
        self._check_finite()
        self.state.peak_memory_mib = max(self.state.peak_memory_mib, peak_memory_mib(self.device))
        self.outputs.directory.save(
            {
                "run_id": self.outputs.run_id,
                "model": self.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "scheduler": self.scheduler.state_dict(),
                "scaler": self.scaler.state_dict(),
                "random_states": random_states(self.device),
                "counters": {f.name: getattr(self.state, f.name) for f in fields(TrainingState)},
                "wandb_id": self.outputs.mirror.wandb_id,
            }
        )
        self.processes.barrier()

    def restore(self, content: dict[str, object]) -> None:
        """Restores what `save` wrote.

        Raises:
            ValueError: a weight is not a finite number, so `save` did not write it; other errors for other parts
                that are not of this run.
        """
        self.model.load_state_dict(content["model"])
        self.optimizer.load_state_dict(content["optimizer"])
        self.scheduler.load_state_dict(content["scheduler"])
        self.scaler.load_state_dict(content["scaler"])
        restore_random_states(content["random_states"], self.device)
        counters = content["counters"]
        if counters.keys() != {each.name for each in fields(TrainingState)}:
            raise ValueError(f"its counters are {', '.join(counters)}")
        self.state = TrainingState(**counters)
        self.state.sums = {name: value.to(self.device) for name, value in self.state.sums.items()}
        if not self._weights_are_finite():
            raise ValueError("a weight is not a finite number")

    def _check_finite(self) -> None:
        if torch.isfinite(self.first_bad_step):
            raise Diverged(f"the loss is not a finite number at step {int(self.first_bad_step)}")
        if not self._weights_are_finite():
            raise Diverged(f"a weight is not a finite number after step {self.state.steps}")

    def _weights_are_finite(self) -> bool:
        largest = torch.stack([parameter.detach().abs().max() for parameter in self.model.parameters()]).max()
        return bool(torch.isfinite(largest))


def _as_field(statistics: Statistics) -> dict[str, Statistics]:
    """The field of a record for activation statistics; none where nothing is measured."""
    return {"activations": statistics} if statistics else {}
