"""Timed runs that wait between requests; executed by a `Worker`.

`train_on_request` performs the run that a command line describes, with the suite's own engine, a few steps a request.
The engine is not changed: the phases of a step are found by its requests for data, by the task's `loss`, and by
torch's hooks around an optimizer step.
"""

import itertools
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from rich.console import Console
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from experiments.configuration.composition import compose
from experiments.configuration.schema import Config
from experiments.distributed.sharding import WHOLE, Shard
from experiments.record.environment import peak_memory_mib
from experiments.tasks.contract import Batch, Splits, Task, TrainingBatches, build_task

PHASES = ("data", "forward", "backward", "optimiser", "other")
"""What a step consists of: making the batch; model and loss; their gradients, and clipping them; the update; and
what is left, like the sums of metrics and the schedule."""

MANY_STEPS = 10**6
"""Steps of an epoch, and epochs, of a timed run: so many that the run never reaches its end."""


@dataclass(frozen=True)
class TrainSteps:
    """A request for some steps of training.

    Args:
        steps: how many.
        split: synchronise the device after each phase, to time phases separately. On CUDA that costs time, so
            speed is measured without it; a CPU needs no synchronisation.
    """

    steps: int
    split: bool = False


@dataclass(frozen=True)
class EvaluateBatches:
    """A request for an evaluation on that many batches of the test set."""

    batches: int


@dataclass
class Timing:
    """The answer to a request.

    Args:
        seconds: in all.
        items: what its batches hold, in the unit of the task.
        phases: the seconds of each of `PHASES`; zeros if they were not timed.
        memory_mib: peak memory since the run started, see `peak_memory_mib`.
    """

    seconds: float = 0.0
    items: float = 0.0
    phases: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PHASES, 0.0))
    memory_mib: float = 0.0


class StepTimer:
    """The clock of a timed process, and its connection to the parent process.

    Args:
        receive: gives the next request.
        send: sends its answer.
    """

    def __init__(self, receive: Callable[[], TrainSteps | EvaluateBatches], send: Callable[[Timing], None]):
        self._receive, self._send = receive, send
        self.over = False
        self.device = torch.device("cpu")
        self._answer, self._split, self._started_at, self._marked_at = Timing(), False, 0.0, 0.0

    def next_request(self) -> TrainSteps | EvaluateBatches:
        """Waits for a request.

        Raises:
            EOFError: the parent has closed the connection; `over` is then true.
        """
        try:
            return self._receive()
        except EOFError:
            self.over = True
            raise

    def begin(self, split: bool = False) -> None:
        """Starts the clock."""
        self._answer, self._split = Timing(), split or self.device.type == "cpu"
        self._started_at = self._marked_at = self._now()

    def mark(self, phase: str) -> None:
        """Counts the time since the last mark as that of `phase`."""
        if self._split:
            now = self._now()
            self._answer.phases[phase] += now - self._marked_at
            self._marked_at = now

    def end(self, items: float | Tensor) -> None:
        """Stops the clock and answers."""
        self._answer.seconds = self._now() - self._started_at
        self._answer.items = float(items)
        self._answer.memory_mib = peak_memory_mib(self.device)
        self._send(self._answer)

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()


class TimedBatches:
    """Training batches without end; the run waits when it has trained on the requested number.

    Args:
        batches: the task's own.
        timer: where requests come from; any other than `TrainSteps` ends the epoch and is kept in `request`.
        items: counts what is in a batch.
    """

    def __init__(self, batches: TrainingBatches, timer: StepTimer, items: Callable[[Batch], Tensor | int]):
        self.batches, self.timer, self.items = batches, timer, items
        self.request: TrainSteps | EvaluateBatches | None = None
        self._endless: Iterator[Batch] | None = None

    def __len__(self) -> int:
        return MANY_STEPS

    @property
    def smallest(self) -> int:
        return self.batches.smallest

    def epoch(self, seed: int, epoch: int, start: int = 0, shard: Shard = WHOLE) -> Iterator[Batch]:
        if self._endless is None:
            self._endless = itertools.chain.from_iterable(self.batches.epoch(seed, each) for each in itertools.count())
        while isinstance(request := self.timer.next_request(), TrainSteps):
            counts = []
            self.timer.begin(request.split)
            for _ in range(request.steps):
                batch = next(self._endless)
                counts.append(self.items(batch))
                self.timer.mark("data")
                yield batch
                self.timer.mark("other")
            self.timer.end(sum(counts))
        self.request = request


class TimedTask(Task):
    """A task that is timed and waits for requests, in place of the task itself."""

    timer: ClassVar[StepTimer]
    """The timer of this process."""
    replace_batches: ClassVar[list[Callable[[TrainingBatches], TrainingBatches]]] = []
    """Replaces the task's training batches."""

    def __init__(self, config: Config):
        super().__init__(config)
        self.task: Task = build_task(config)
        self.spec = self.task.spec
        self.items = self.spec.benchmark.count

    def data_fingerprint(self, config: Config) -> str:
        return self.task.data_fingerprint(config)

    def build_data(self, config: Config, device: torch.device) -> Splits:
        self.timer.device = device
        splits = self.task.build_data(config, device)
        train = splits.train
        for replace in self.replace_batches:
            train = replace(train)
        self.batches = TimedBatches(train, self.timer, self.items)
        return Splits(self.batches, splits.evaluation)

    def build_model(self, *arguments: object) -> nn.Module:
        return self.task.build_model(*arguments)

    def loss(self, model: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, Tensor], int]:
        self.timer.mark("other")
        result = self.task.loss(model, batch)
        self.timer.mark("forward")
        return result

    def evaluate(self, model: nn.Module, batches: Iterable[Batch]) -> dict[str, float]:
        request, self.batches.request = self.batches.request, None
        if not isinstance(request, EvaluateBatches):  # requested by the run, like the first activation statistics
            return self.task.evaluate(model, batches)
        chosen = list(itertools.islice(batches, request.batches))
        self.timer.begin()
        metrics = self.task.evaluate(model, chosen)
        self.timer.end(sum(self.items(batch) for batch in chosen))
        return metrics


def train_on_request(
    receive: Callable[[], TrainSteps | EvaluateBatches],
    send: Callable[[Timing], None],
    overrides: list[str],
    replace_batches: Callable[[TrainingBatches], TrainingBatches] | None = None,
) -> None:
    """Trains the run of `python run.py` with `overrides`, request by request, until `receive` raises EOFError.

    Args:
        receive: gives the next request.
        send: sends its answer.
        overrides: as on the command line; nothing of the run is kept.
        replace_batches: replaces the task's training batches.

    Raises:
        BadInput: as from `run.py`.
        RuntimeError: the run failed; the message holds why.
    """
    from experiments.training.allocator import keep_freed_memory
    from experiments.training.console import Display
    from experiments.training.run import Run  # imported here, so that start-up equals that of a run

    keep_freed_memory()  # as run.py does
    timer = TimedTask.timer = StepTimer(receive, send)
    TimedTask.replace_batches = [replace_batches] if replace_batches else []
    hooks = [
        register_optimizer_step_pre_hook(lambda *_: timer.mark("backward")),
        register_optimizer_step_post_hook(lambda *_: timer.mark("optimiser")),
    ]
    endless = [f"trainer.epochs={MANY_STEPS}"]
    endless += ["trainer.max_steps=null", "trainer.evaluate_every=1", "trainer.checkpoint_minutes=1000", "logger=none"]
    try:
        with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as silence:
            configuration = compose([*overrides, *endless, f"output_root={folder}"])
            outcome = Run(*configuration, Display(Console(file=silence)), TimedTask).complete()
    finally:
        for hook in hooks:
            hook.remove()
    if not timer.over:  # the run ended without being asked to
        raise RuntimeError(outcome.result["reason"])
