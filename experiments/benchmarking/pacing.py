"""Runs that are measured from inside and pause between turns; the work of a `Worker`.

`train_in_turns` performs the run that a command line describes, with the suite's own engine, and lets it go on for so
many steps at a time. The phases of a step are told apart from outside of the engine: by its questions for data, by the
task's `loss`, and by torch's hooks around an optimiser step.
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
"""Steps of an epoch, and epochs, of a run that is measured: never reached, so that its end plays no part."""


@dataclass(frozen=True)
class Turn:
    """A request for some steps of training.

    Args:
        steps: how many.
        split: wait for the device after each phase, so that phases can be told apart. On CUDA that costs time, so
            that speed is measured without it; a CPU needs no waiting.
    """

    steps: int
    split: bool = False


@dataclass(frozen=True)
class Evaluate:
    """A request for an evaluation on so many batches of the test set."""

    batches: int


@dataclass
class Answer:
    """What a turn took.

    Args:
        seconds: in all.
        items: images, patches or tokens in its batches.
        phases: the seconds of each of `PHASES`; zeros where they were not told apart.
        memory_mib: the most memory in use since the run began, see `peak_memory_mib`.
    """

    seconds: float = 0.0
    items: float = 0.0
    phases: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PHASES, 0.0))
    memory_mib: float = 0.0


class Pace:
    """The clock of a process that is measured, and its line to the one who measures.

    Args:
        receive: gives the next request.
        send: takes its answer.
    """

    def __init__(self, receive: Callable[[], Turn | Evaluate], send: Callable[[Answer], None]):
        self._receive, self._send = receive, send
        self.over = False
        self.device = torch.device("cpu")
        self._answer, self._split, self._begun_at, self._marked_at = Answer(), False, 0.0, 0.0

    def next_request(self) -> Turn | Evaluate:
        """Waits for a request.

        Raises:
            EOFError: nobody asks any more; `over` says so from then on.
        """
        try:
            return self._receive()
        except EOFError:
            self.over = True
            raise

    def begin(self, split: bool = False) -> None:
        """Starts the clock."""
        self._answer, self._split = Answer(), split or self.device.type == "cpu"
        self._begun_at = self._marked_at = self._now()

    def mark(self, phase: str) -> None:
        """Counts the time since the last mark as that of `phase`."""
        if self._split:
            now = self._now()
            self._answer.phases[phase] += now - self._marked_at
            self._marked_at = now

    def end(self, items: float | Tensor) -> None:
        """Stops the clock and answers."""
        self._answer.seconds = self._now() - self._begun_at
        self._answer.items = float(items)
        self._answer.memory_mib = peak_memory_mib(self.device)
        self._send(self._answer)

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()


class PacedBatches:
    """Training batches without end, of which a run gets as many as are asked for and then waits.

    Args:
        batches: the task's own.
        pace: where requests come from; one that is no `Turn` ends the epoch and is kept in `request`.
        items: counts what is in a batch.
    """

    def __init__(self, batches: TrainingBatches, pace: Pace, items: Callable[[Batch], Tensor | int]):
        self.batches, self.pace, self.items = batches, pace, items
        self.request: Turn | Evaluate | None = None
        self._endless: Iterator[Batch] | None = None

    def __len__(self) -> int:
        return MANY_STEPS

    @property
    def smallest(self) -> int:
        return self.batches.smallest

    def epoch(self, seed: int, epoch: int, start: int = 0, shard: Shard = WHOLE) -> Iterator[Batch]:
        if self._endless is None:
            self._endless = itertools.chain.from_iterable(self.batches.epoch(seed, each) for each in itertools.count())
        while isinstance(request := self.pace.next_request(), Turn):
            counts = []
            self.pace.begin(request.split)
            for _ in range(request.steps):
                batch = next(self._endless)
                counts.append(self.items(batch))
                self.pace.mark("data")
                yield batch
                self.pace.mark("other")
            self.pace.end(sum(counts))
        self.request = request


class PacedTask(Task):
    """A task that is paused and timed, in place of the task itself."""

    pace: ClassVar[Pace]
    """Of this process."""
    replace_batches: ClassVar[list[Callable[[TrainingBatches], TrainingBatches]]] = []
    """What is done to the task's training batches."""

    def __init__(self, config: Config):
        super().__init__(config)
        self.task: Task = build_task(config)
        self.spec = self.task.spec
        self.items = self.spec.benchmark.count

    def build_data(self, config: Config, device: torch.device) -> Splits:
        self.pace.device = device
        splits = self.task.build_data(config, device)
        train = splits.train
        for replace in self.replace_batches:
            train = replace(train)
        self.batches = PacedBatches(train, self.pace, self.items)
        return Splits(self.batches, splits.evaluation)

    def build_model(self, *arguments: object) -> nn.Module:
        return self.task.build_model(*arguments)

    def loss(self, model: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, Tensor], int]:
        self.pace.mark("other")
        result = self.task.loss(model, batch)
        self.pace.mark("forward")
        return result

    def evaluate(self, model: nn.Module, batches: Iterable[Batch]) -> dict[str, float]:
        request, self.batches.request = self.batches.request, None
        if not isinstance(request, Evaluate):  # the run's own, like that of the activations at the start
            return self.task.evaluate(model, batches)
        chosen = list(itertools.islice(batches, request.batches))
        self.pace.begin()
        metrics = self.task.evaluate(model, chosen)
        self.pace.end(sum(self.items(batch) for batch in chosen))
        return metrics


def train_in_turns(
    receive: Callable[[], Turn | Evaluate],
    send: Callable[[Answer], None],
    overrides: list[str],
    replace_batches: Callable[[TrainingBatches], TrainingBatches] | None = None,
) -> None:
    """Performs the run of `python run.py` with `overrides`, a turn for each request, until `receive` raises EOFError.

    Args:
        receive: gives the next request.
        send: takes its answer.
        overrides: as on the command line; nothing of the run is kept.
        replace_batches: puts other training batches in the place of the task's own.

    Raises:
        BadInput: as `run.py` would answer it.
        RuntimeError: the run failed; the message holds why.
    """
    from experiments.training.allocator import keep_freed_memory
    from experiments.training.console import Display
    from experiments.training.run import perform  # here, so that a process's start-up is that of a run

    keep_freed_memory()  # as run.py does
    pace = PacedTask.pace = Pace(receive, send)
    PacedTask.replace_batches = [replace_batches] if replace_batches else []
    hooks = [
        register_optimizer_step_pre_hook(lambda *_: pace.mark("backward")),
        register_optimizer_step_post_hook(lambda *_: pace.mark("optimiser")),
    ]
    paced = [f"trainer.epochs={MANY_STEPS}"]
    paced += ["trainer.max_steps=null", "trainer.evaluate_every=1", "trainer.checkpoint_minutes=1000", "logger=none"]
    try:
        with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as silence:
            configuration = compose([*overrides, *paced, f"output_root={folder}"])
            outcome = perform(*configuration, Display(Console(file=silence)), PacedTask)
    finally:
        for hook in hooks:
            hook.remove()
    if not pace.over:  # the run ended by itself, and none is that short
        raise RuntimeError(outcome.result["reason"])
