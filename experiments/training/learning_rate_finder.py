"""`+find=lr`: the range test of learning rates (Smith 2017, arXiv 1506.01186), plotted, with a suggested value.

It trains with a rate that grows from step to step, and looks where the loss falls fastest. It records no run.
"""

import csv
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import nn

from experiments.configuration.composition import compose
from experiments.configuration.schema import Config, check_choices, validate
from experiments.files import write_files
from experiments.randomness import seed_everything
from experiments.tasks.contract import Batch, TrainingBatches, build_task
from experiments.training.console import Display
from experiments.training.evaluation import autocast
from experiments.training.optimizer import build_optimizer
from experiments.training.resolution import activation_factory, resolve_auto
from experiments.training.run import build_model

LOWEST, HIGHEST = 1e-6, 10.0
"""The range of the test."""

STEPS = 100
"""Steps from the lowest rate to the highest."""

SMOOTHING = 0.9
"""Weight of the past in the moving average of the loss."""

WINDOW = 8
"""Steps on each side of a step that its slope is taken from."""

EXPLODED = 4.0
"""The test ends where the averaged loss is this many times its smallest value."""


@dataclass(frozen=True)
class RangeTest:
    """What a range test found.

    Args:
        rates: the learning rate of each step.
        losses: the averaged training loss after each.
    """

    rates: list[float]
    losses: list[float]

    @property
    def suggestion(self) -> float | None:
        """The rate at which the loss falls fastest over the logarithm of the rate; None if it never falls."""
        return steepest(self.rates, self.losses)


def steepest(rates: Sequence[float], losses: Sequence[float]) -> float | None:
    """The rate up to the smallest loss at which the loss falls fastest over log(rate).

    The slope at a step is that of a line through the steps around it, up to `WINDOW` on each side, so that the noise of
    single batches does not decide.
    """
    window = min(WINDOW, max(1, len(losses) // WINDOW))
    end = min(range(len(losses)), key=losses.__getitem__)
    slopes = {
        place: _slope(rates[place - window : place + window + 1], losses[place - window : place + window + 1])
        for place in range(window, min(end + 1, len(losses) - window))
    }
    place = min(slopes, key=slopes.__getitem__, default=None)
    return rates[place] if place is not None and slopes[place] < 0 else None


def _slope(rates: Sequence[float], losses: Sequence[float]) -> float:
    return float(np.polyfit(np.log(rates), losses, 1)[0])


def range_test(config: Config) -> RangeTest:
    """Trains with a growing learning rate, on the batches of the run that `config` describes.

    Raises:
        BadInput: the configuration does not fit the machine, or the data is missing.
    """
    config = resolve_auto(config)
    if config.trainer.threads is not None:
        torch.set_num_threads(config.trainer.threads)
    device = torch.device(config.trainer.device)
    seed_everything(config.seed)
    task = build_task(config)
    model = build_model(task, config, activation_factory(config), device)
    optimizer = build_optimizer(model, config.optim)
    relative = [group["lr"] / config.optim.optimizer.lr for group in optimizer.param_groups]
    batches = _endless(task.build_data(config, device).train, config.seed)
    rates, losses, average = [], [], 0.0
    model.train()
    for step in range(STEPS):
        rate = LOWEST * (HIGHEST / LOWEST) ** (step / (STEPS - 1))
        for group, factor in zip(optimizer.param_groups, relative, strict=True):
            group["lr"] = rate * factor
        optimizer.zero_grad(set_to_none=True)
        with autocast(device, config.trainer.precision):
            loss, _, _ = task.loss(model, next(batches))
        loss.backward()
        if config.optim.gradient_clip_norm is not None:
            nn.utils.clip_grad_norm_(model.parameters(), config.optim.gradient_clip_norm)
        optimizer.step()
        average = SMOOTHING * average + (1 - SMOOTHING) * float(loss.detach())
        corrected = average / (1 - SMOOTHING ** (step + 1))
        if not math.isfinite(corrected) or (losses and corrected > EXPLODED * min(losses)):
            break
        rates.append(rate)
        losses.append(corrected)
    return RangeTest(rates, losses)


def _endless(train: TrainingBatches, seed: int) -> Iterator[Batch]:
    """The training batches of one epoch after the other."""
    epoch = 0
    while True:
        yield from train.epoch(seed, epoch)
        epoch += 1


def picture(found: RangeTest, title: str) -> Figure:
    """The loss over the learning rate, with the suggestion marked."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(found.rates, found.losses, color="C0")
    if found.suggestion is not None:
        axes.axvline(found.suggestion, color="C3", linestyle="--", label=f"steepest: {found.suggestion:.2g}")
        axes.legend()
    axes.set(xscale="log", xlabel="learning rate", ylabel="training loss, averaged", title=title)
    return figure


def perform(args: Sequence[str]) -> int:
    """Performs `python run.py … +find=lr`, given its other words; prints the suggestion; returns the exit code.

    Raises:
        BadInput: as for `range_test`.
    """
    composed, choices = compose([word for word in args if not word.startswith("-")])
    check_choices(choices)
    config = validate(composed)
    found = range_test(config)
    name = f"{config.task.name}-{config.recipe}-{config.act.name}-{config.optim.optimizer.name}-s{config.seed}"
    files = _write(found, Path(config.output_root, "learning_rates"), name, config.act.name)
    say = Display().note
    own = f"the configuration has {config.optim.optimizer.lr:.2g}"
    if found.suggestion is None:
        say(f"the loss never falls between {LOWEST:g} and {HIGHEST:g}; {own}")
    else:
        say(f"the loss falls fastest at optim.optimizer.lr={found.suggestion:.2g} ({own})")
    say(f"written: {', '.join(map(str, files))}")
    return 0


def _write(found: RangeTest, folder: Path, name: str, title: str) -> list[Path]:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["learning_rate", "loss"])
    writer.writerows(zip(found.rates, found.losses, strict=True))
    image = io.BytesIO()
    picture(found, title).savefig(image, format="png", dpi=150)
    return write_files({folder / f"{name}.png": image.getvalue(), folder / f"{name}.csv": table.getvalue().encode()})
