"""The task contract: everything the engine needs to know of an experiment.

A task is one class in a file of its own here, and one file configs/task/<name>.yaml that names it.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import torch
from hydra.utils import get_method
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from carelu import ActivationFactory
from experiments.distributed.sharding import WHOLE, Shard

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
    """One experiment: its data, model, loss and metrics."""

    headline: ClassVar[tuple[str, bool]]
    """The metric that a run is judged by, and whether higher is better."""

    @abstractmethod
    def build_data(self, cfg: DictConfig, device: torch.device) -> Splits:
        """Reads the data and puts it on the device.

        Raises:
            BadInput: data that is missing, damaged or not what it should be.
        """

    @abstractmethod
    def build_model(self, cfg: DictConfig, activation: ActivationFactory) -> nn.Module:
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


def model_from_config(cfg: DictConfig, **arguments: object) -> nn.Module:
    """Calls the function that `cfg.model._target_` names with the other keys of `cfg.model` and `arguments`."""
    options = {
        k: v for k, v in OmegaConf.to_container(cfg.model, resolve=True).items() if k not in ("name", "_target_")
    }
    return get_method(cfg.model._target_)(**options, **arguments)
