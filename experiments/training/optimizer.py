"""Optimizer, parameter groups and learning-rate schedule from their configuration."""

import math

import torch
from torch import nn
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
    except Exception as error:  # whatever a class of torch makes of options that it does not know
        raise BadInput(f"optim.optimizer={arguments} is not accepted by torch.optim.{name}: {error}") from error


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
