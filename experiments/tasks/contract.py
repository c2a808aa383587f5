"""The task contract: everything the engine needs to know about a task.

A task is one folder: spec.py (its description, without torch), task.py (its class, as `TASK`), and what they
need. The file configs/task/<name>.yaml names the folder as a Python package; it may be anywhere on PYTHONPATH.
"""

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from carelu import ActivationFactory
from experiments.configuration.schema import Config
from experiments.configuration.task_spec import TaskSpec
from experiments.distributed.sharding import WHOLE, Shard
from experiments.errors import BadInput

Batch = Any
"""One batch, opaque to the engine: what the task's batches yield and its `loss` takes."""


class TrainingBatches(Protocol):
    """Training data: batches as a function of (seed, epoch, step), so that any step can be drawn again."""

    def __len__(self) -> int:
        """Optimiser steps in an epoch."""

    @property
    def smallest(self) -> int:
        """Examples in the smallest batch of an epoch."""

    def epoch(self, seed: int, epoch: int, start: int = 0, shard: Shard = WHOLE) -> Iterator[Batch]:
        """The batches of an epoch, from batch `start` on; only the examples of `shard` from each.

        Random numbers are drawn for the global batch, so that an example does not depend on the number of shards.
        """


@dataclass(frozen=True)
class Splits:
    """What a task trains on and is evaluated on, on the device.

    Args:
        train: the training batches.
        evaluation: evaluation batches by set. The metrics of "test" are recorded under their plain names, those of
            other sets as `<set>/<metric>`; only "validation" is used to select an epoch.
        notes: remarks on the data, like rows that were dropped; shown and kept in the result.
    """

    train: TrainingBatches
    evaluation: dict[str, Iterable[Batch]]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """What a trained model says about one example of the user.

    Args:
        example: the file, or the file and the number of its row.
        answer: the name of a class, or the file that was written.
        probability: of the class, in [0, 1]; None where there are no classes.
    """

    example: str
    answer: str
    probability: float | None = None


class Task(ABC):
    """One experiment: its data, model, loss and metrics.

    Args:
        config: the configuration of the run.
    """

    spec: ClassVar[TaskSpec]
    """Its description, from its spec.py."""

    def __init__(self, config: Config):
        self.config = config

    @property
    def headline(self) -> tuple[str, bool]:
        """The metric that a run is judged by, and whether higher is better."""
        return self.spec.headline, self.spec.metrics[self.spec.headline].higher_is_better

    def chance(self) -> float | None:
        """The headline of guessing, to be shown beside it; by default that of spec.py. None where it has no meaning."""
        return self.spec.metrics[self.spec.headline].chance

    @abstractmethod
    def build_data(self, config: Config, device: torch.device) -> Splits:
        """Reads the data and puts it on the device.

        Raises:
            BadInput: the data is missing, damaged or unexpected.
        """

    def data_fingerprint(self, config: Config) -> str:
        """What tells the content of the data from any other, as `experiments.tasks.fingerprint` makes it.

        It is part of the run's identity. It must follow from the content alone, never from a folder's place, and be
        cheap, as a finished run that is asked for again computes it too. Empty, as by default: all data is in the
        settings and the code.

        Raises:
            BadInput: the data is missing or damaged.
        """
        return ""

    @abstractmethod
    def build_model(self, config: Config, activation: ActivationFactory) -> nn.Module:
        """The model, on the CPU, its weights drawn from torch's global generator."""

    @abstractmethod
    def loss(self, model: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, Tensor], int]:
        """(the loss to minimise, metrics to show while training as means over the batch, examples in it)."""

    @abstractmethod
    def evaluate(self, model: nn.Module, batches: Iterable[Batch]) -> dict[str, float]:
        """Metrics over all of `batches`; called in evaluation mode, without gradients.

        In a distributed run each process gets some of the batches: sum over processes with
        `experiments.distributed.processes.all_reduce_sum` before computing a metric.
        """

    def write_artifacts(self, model: nn.Module, splits: Splits, folder: Path) -> list[Path]:
        """Writes files about the trained model that are worth looking at into `folder`; returns them, pictures first.

        Called once after the last epoch, in evaluation mode, without gradients, and in the main process
        only, so it must not call `all_reduce_sum`. By default there are none.
        """
        return []

    def predictions(self, model: nn.Module, batches: Iterable[Batch]) -> dict[str, np.ndarray]:
        """The result of each example of one evaluation set, in the order of the data; by default none are kept.

        Called once for each set after the last epoch, as `write_artifacts` is. Each array holds one value an example,
        like the predicted class and whether it is right.
        """
        return {}

    def state_dict(self) -> dict[str, object]:
        """What was learned from the training data besides weights, like a vocabulary; kept with the run as JSON."""
        return {}

    def load_state_dict(self, state: Mapping[str, object]) -> None:  # noqa: B027 (most tasks learn weights alone)
        """Takes over what `state_dict` returned, so that the training data is not needed to use the model."""

    def build_evaluation(self, config: Config, device: torch.device) -> dict[str, Iterable[Batch]]:
        """The evaluation batches by set, to measure a trained model.

        Args:
            config: that of the run; its part `data` may describe other data, without training data.
            device: of the batches.

        Raises:
            BadInput: the data is missing, damaged or does not fit the model.
        """
        return self.build_data(config, device).evaluation

    def predict(self, model: nn.Module, files: Sequence[Path], out: Path) -> list[Answer]:
        """The answers of a trained model to files of the user.

        Called in evaluation mode, without gradients. A task whose answers are files writes them into the folder `out`.

        Raises:
            BadInput: a file cannot be used, or the task makes no predictions.
        """
        raise BadInput(f"task={self.spec.name} makes no predictions; give its class a method `predict`")


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
    """Builds the model that `model.architecture` names in `models`, with the other model options and `arguments`."""
    options = config.model.model_dump(exclude={"name", "architecture"})
    return models[config.model.architecture](**options, **arguments)
