"""Optimizer, parameter groups and learning-rate schedule from their configuration."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from carelu import param_groups
from experiments.configuration.schema import OptimOptions, ScheduleOptions
from experiments.errors import BadInput, unknown


def optimizers() -> dict[str, type[Optimizer]]:
    """The optimizers of torch.optim by the name of their class."""
    return {
        name: each
        for name, each in vars(torch.optim).items()
        if isinstance(each, type) and issubclass(each, Optimizer) and each is not Optimizer
    }


def build_optimizer(model: nn.Module, options: OptimOptions) -> Optimizer:
    """The optimizer of `options.optimizer` over two groups: the model's parameters and those of its activations.

    Activation parameters (α, β, slopes) have no weight decay and a learning rate of
    `options.activation_lr_multiplier` times that of the others.

    Raises:
        BadInput: the optimizer does not exist or does not accept its options.
    """
    known_optimizers = optimizers()
    name = options.optimizer.name
    if name not in known_optimizers:
        raise unknown("optim.optimizer.name", name, known_optimizers)
    arguments = options.optimizer.model_dump(exclude={"name"}, exclude_unset=True)
    groups = param_groups(model, lr=options.optimizer.lr, lr_scale=options.activation_lr_multiplier)
    try:
        return known_optimizers[name](groups, **arguments)
    except (TypeError, ValueError) as error:
        raise BadInput(f"optim.optimizer={arguments} is not accepted by torch.optim.{name}: {error}") from error


def restore_optimizer(optimizer: Optimizer, state: dict[str, Any]) -> None:
    """Restores the `state` of a checkpoint.

    In those of version 0.1 the parameters of CAReLU had no dimension. What an optimizer keeps for each element then has
    none either and gets one, unlike what it keeps for a parameter as a whole, such as Adam's number of steps.
    """
    entries = {key: dict(entry) for key, entry in state["state"].items()}
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    by_number = {number: parameters[number] for number in entries}
    by_element = {
        name
        for number, entry in entries.items()
        for name, value in entry.items()
        if isinstance(value, Tensor) and value.ndim and value.shape == by_number[number].shape
    }
    for number, entry in entries.items():
        for name, value in entry.items():
            if name in by_element and isinstance(value, Tensor) and value.ndim == 0:
                entry[name] = value.reshape(by_number[number].shape)
    optimizer.load_state_dict({**state, "state": entries})


def learning_rate_factor(step: int, steps_per_epoch: int, epochs: int, schedule: ScheduleOptions) -> float:
    """The learning rate at optimizer step `step` (from 0), relative to its peak.

    A linear rise over `schedule.warmup_epochs` that reaches 1 with its last step, then the shape of
    `schedule.name` until the end of `epochs`.
    """
    total, warmup = epochs * steps_per_epoch, round(schedule.warmup_epochs * steps_per_epoch)
    if step < warmup:
        return (step + 1) / warmup
    if schedule.name == "step":
        passed = sum(step >= round(milestone * steps_per_epoch) for milestone in schedule.milestones)
        return schedule.decay**passed
    done = min(1.0, (step - warmup) / max(1, total - warmup))
    if schedule.name == "linear":
        return 1 - done
    if schedule.name == "cosine":
        return (1 + math.cos(math.pi * done)) / 2
    return 1.0


def build_scheduler(optimizer: Optimizer, options: OptimOptions, steps_per_epoch: int, epochs: int) -> LambdaLR:
    """`learning_rate_factor` as a torch scheduler, stepped once per optimizer step."""
    return LambdaLR(optimizer, lambda step: learning_rate_factor(step, steps_per_epoch, epochs, options.schedule))
