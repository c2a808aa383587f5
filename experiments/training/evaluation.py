"""Evaluating a model between epochs: metrics, activation statistics, and artifacts at the end."""

import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn

from experiments.distributed.processes import Processes
from experiments.tasks.contract import Batch, Splits, Task
from experiments.training.activation_statistics import ActivationStatistics, Statistics
from experiments.training.model_cost import forward_flops, inputs_of
from experiments.training.state import Interrupted

AUTOCAST = {"bfloat16": torch.bfloat16, "float16": torch.float16}


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The context in which a model computes at `trainer.precision`."""
    dtype = AUTOCAST.get(precision)
    return torch.autocast(device.type, dtype, enabled=dtype is not None)


class Evaluator:
    """Evaluates a model, always in evaluation mode and without gradients; the caller switches back to training.

    Args:
        task: defines the metrics.
        splits: its data.
        model: the model.
        processes: the processes that share the evaluation batches.
        precision: of the forward passes, as in `trainer.precision`.
        compiled: whether the model is compiled, so that no hook sees its forward passes.
    """

    def __init__(
        self, task: Task, splits: Splits, model: nn.Module, processes: Processes, precision: str, compiled: bool = False
    ):
        self.task, self.splits, self.model = task, splits, model
        self.processes, self.precision, self.compiled = processes, precision, compiled

    def measure(self, must_stop: Callable[[], bool]) -> tuple[dict[str, float], Statistics]:
        """(the metrics, the activation statistics).

        The metrics are those of every evaluation set, all but those of "test" under `<set>/<metric>`. The statistics
        are those of the first evaluation set; if the model is compiled, of its first batch.

        Raises:
            Interrupted: `must_stop` returned true before a batch.
        """
        metrics = {}
        statistics = ActivationStatistics(self.model)
        with self._evaluation_mode():
            for place, (name, batches) in enumerate(self.splits.evaluation.items()):
                prefix = "" if name == "test" else f"{name}/"
                measured = place == 0 and not self.compiled
                with statistics.measuring() if measured else contextlib.nullcontext():
                    values = self.task.evaluate(self.model, self._own(batches, must_stop))
                values = self.processes.assert_equal_across_ranks(values)
                metrics.update({prefix + metric: value for metric, value in values.items()})
        activations = self.activations_of_first_batch() if self.compiled else statistics.result(self.processes.shard)
        return metrics, activations

    def _own(self, batches: Iterable[Batch], must_stop: Callable[[], bool]) -> Iterator[Batch]:
        """The batches of this process: every `shard.count`-th, from `shard.index` on."""
        shard = self.processes.shard
        for number, batch in enumerate(batches):
            # Every process calls must_stop equally often, even if the last round has no batch for it.
            if number % shard.count == 0 and must_stop():
                raise Interrupted
            if number % shard.count == shard.index:
                yield batch

    def activations_of_first_batch(self) -> Statistics:
        """Activation statistics on the first evaluation batch, which every process measures as a whole."""
        statistics = ActivationStatistics(self.model)
        batches = next(iter(self.splits.evaluation.values()))
        eager = torch.compiler.set_stance("force_eager")
        with self._evaluation_mode(), eager, statistics.measuring():
            if statistics.modules:
                self.task.evaluate(self.model, itertools.islice(iter(batches), 1))
        return statistics.result(self.processes.shard)

    def forward_flops(self) -> int | None:
        """Those of the first evaluation example; None where they cannot be counted.

        Every process of the run calls it, as the task's evaluation may add up over processes.
        """
        first = itertools.islice(iter(next(iter(self.splits.evaluation.values()))), 1)
        try:
            with self._evaluation_mode(), torch.compiler.set_stance("force_eager"):
                return forward_flops(self.model, inputs_of(self.model, lambda: self.task.evaluate(self.model, first)))
        except Exception:  # a count is never a reason to lose a run, and a model may be anything
            return None

    def predictions(self) -> dict[str, np.ndarray]:
        """The result of each example by `<set>/<name>`, as the task gives them."""
        with self._evaluation_mode():
            return {
                f"{name}/{key}": values
                for name, batches in self.splits.evaluation.items()
                for key, values in self.task.predictions(self.model, batches).items()
            }

    def write_artifacts(self, folder: Path) -> list[Path]:
        """Lets the task write its files about the trained model into `folder`, which is removed if there are none."""
        folder.mkdir(exist_ok=True)
        with self._evaluation_mode():
            files = self.task.write_artifacts(self.model, self.splits, folder)
        if not files:
            folder.rmdir()
        return files

    @contextlib.contextmanager
    def _evaluation_mode(self) -> Iterator[None]:
        self.model.eval()
        with torch.inference_mode(), autocast(next(self.model.parameters()).device, self.precision):
            yield
