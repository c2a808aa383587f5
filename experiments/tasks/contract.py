"""The task contract: everything the engine needs to know of an experiment.

A task is one folder: spec.py (what it tells of itself without torch), task.py (its class, as `TASK`), and what they
need. The file configs/task/<name>.yaml names the folder as a Python package; it may lie anywhere on PYTHONPATH.
"""

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn

from carelu import ActivationFactory
from experiments.configuration.schema import Config
from experiments.configuration.task_spec import TaskSpec
from experiments.distributed.sharding import WHOLE, Shard
from experiments.errors import BadInput

Batch = Any
"""What a task's own batches yield and its own `loss` takes; only the task looks inside."""


class TrainingBatches(Protocol):
    """Training data: batches as a function of (seed, epoch, step), so that any step can be drawn again."""

    def __len__(self) -> int:
        """Optimiser steps in an epoch."""

    @property
    def smallest(self) -> int:
        """Examples in the smallest batch of an epoch."""

    def epoch(self, seed: int, epoch: int, start: int = 0, shard: Shard = WHOLE) -> Iterator[Batch]:
        """The batches of an epoch, from batch `start` on; of each only the examples `shard.of` so many.

        What is drawn is drawn for whole batches, so that an example is the same in whichever share it lies.
        """


@dataclass(frozen=True)
class Splits:
    """What a task trains on and is evaluated on, on the device.

    Args:
        train: the training batches.
        evaluation: batches by name. The metrics of "test" are recorded under their own names, those
            of any other set as `<set>/<metric>`; "validation" is the part that a selection may use.
        notes: what a person should know of the data, like rows that were dropped; shown and kept in the result.
    """

    train: TrainingBatches
    evaluation: dict[str, Iterable[Batch]]
    notes: tuple[str, ...] = ()


class Task(ABC):
    """One experiment: its data, model, loss and metrics.

    Args:
        config: of the run.
    """

    spec: ClassVar[TaskSpec]
    """What it tells of itself, from its spec.py."""

    def __init__(self, config: Config):
        self.config = config

    @property
    def headline(self) -> tuple[str, bool]:
        """The metric that a run is judged by, and whether higher is better."""
        return self.spec.headline, self.spec.metrics[self.spec.headline].higher_is_better

    @abstractmethod
    def build_data(self, config: Config, device: torch.device) -> Splits:
        """Reads the data and puts it on the device.

        Raises:
            BadInput: data that is missing, damaged or not what it should be.
        """

    @abstractmethod
    def build_model(self, config: Config, activation: ActivationFactory) -> nn.Module:
        """The model, on the CPU, its weights drawn from torch's global generator."""

    @abstractmethod
    def loss(self, model: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, Tensor], int]:
        """(the loss to minimise, metrics to show while training as means over the batch, examples in it)."""

    @abstractmethod
    def evaluate(self, model: nn.Module, batches: Iterable[Batch]) -> dict[str, float]:
        """Metrics over all of `batches`; called in evaluation mode, without gradients.

        Where several processes share a run, each gets some of the batches: what is all_reduce_sum over them has
        to go through `experiments.distributed.processes.all_reduce_sum` before a metric is made of it.
        """

    def write_artifacts(self, model: nn.Module, splits: Splits, folder: Path) -> list[Path]:
        """Writes files about the trained model that are worth looking at into `folder`; returns them, pictures first.

        Called once after the last epoch, in evaluation mode, without gradients, and by the first process
        alone (so nothing here may go through `all_reduce_sum`). By default there are none.
        """
        return []


def build_task(config: Config) -> Task:
    """The task that `config` names: `TASK` in task.py of its package.

    Raises:
        BadInput: it cannot be imported.
    """
    name = f"{config.task.package}.task"
    try:
        task = importlib.import_module(name).TASK
    except (ImportError, AttributeError) as error:
        raise BadInput(f"task={config.task.name}: {name} cannot be imported ({error})") from error
    return task(config)


def model_from_config(models: Mapping[str, Callable[..., nn.Module]], config: Config, **arguments: object) -> nn.Module:
    """Calls what `model.architecture` names in `models`, with the other keys of `config.model` and `arguments`."""
    options = config.model.model_dump(exclude={"name", "architecture"})
    return models[config.model.architecture](**options, **arguments)
