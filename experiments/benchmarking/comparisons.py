"""Compares training steps, interleaved: activation with activation, and the suite with the reference loop."""

import itertools
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch.utils.data import default_collate

from experiments.benchmarking.operations import BASELINE
from experiments.benchmarking.reference_loop import PaddedBatches, PilImages, train_reference_loop, training_images
from experiments.benchmarking.timed_run import PHASES, EvaluateBatches, Timing, TrainSteps, train_on_request
from experiments.benchmarking.timing import interleaved, ratios, spread
from experiments.benchmarking.workers import Worker
from experiments.configuration.composition import compose
from experiments.configuration.identity import identify, label, under
from experiments.configuration.schema import validate
from experiments.configuration.task_spec import TORCHVISION, spec_of
from experiments.errors import BadInput
from experiments.record.environment import ROOT
from experiments.tasks.cifar100 import dataset as cifar100
from experiments.tasks.cifar100.batches import Augmentation, ImageBatches
from experiments.training.resolution import resolve_auto

SUITE, REFERENCE_LOOP = "suite", "reference_loop"

Labels = dict[str, str]
Note = Callable[[str], None]


@dataclass(frozen=True)
class Comparison:
    """One row of the table.

    Args:
        device, torch, git_commit: machine and code of the measurement.
        benchmark: "activations", "reference_loop", "augmentation" or "start-up".
        task, model, data, recipe, precision, activation: of the run, as in the ledger.
        way: "suite" or "reference_loop": what computes it; at start-up "help" or "first step".
        baseline: the activation, or "reference_loop", that ratios divide by; measured in the same rounds.
        unit: what `per_second` counts: images, patches, tokens or starts.
        rounds: number of measurements, interleaved with the baseline.
        per_second, per_second_q1, per_second_q3, per_second_most: median, quartiles and most.
        step_ms: milliseconds of a step, a batch or a start, median.
        time_ratio, time_ratio_q1, time_ratio_q3: time for one of the unit over the baseline's in the same round.
        data_ms, forward_ms, backward_ms, optimiser_ms, other_ms: the phases of a step, medians.
        evaluation_per_second: the speed of evaluation, median.
        memory_mib: the most memory in use, as in the ledger.
        memory_ratio: that over the baseline's.
    """

    device: str
    torch: str
    git_commit: str
    benchmark: str
    task: str
    model: str
    data: str
    recipe: str
    precision: str
    activation: str
    way: str
    baseline: str
    unit: str
    rounds: int
    per_second: float
    per_second_q1: float
    per_second_q3: float
    per_second_most: float
    step_ms: float
    time_ratio: float | None = None
    time_ratio_q1: float | None = None
    time_ratio_q3: float | None = None
    data_ms: float | None = None
    forward_ms: float | None = None
    backward_ms: float | None = None
    optimiser_ms: float | None = None
    other_ms: float | None = None
    evaluation_per_second: float | None = None
    memory_mib: float | None = None
    memory_ratio: float | None = None


@dataclass(frozen=True)
class Effort:
    """The size of a measurement.

    Args:
        rounds: how often each process is measured.
        steps: optimiser steps a round.
        evaluation_batches: batches of an evaluation.
    """

    rounds: int
    steps: int
    evaluation_batches: int


@dataclass
class Series:
    """The timings of one process; each round: steps, steps split into phases if that costs time, and an evaluation."""

    steps: list[Timing] = field(default_factory=list)
    split_steps: list[Timing] = field(default_factory=list)
    evaluations: list[Timing] = field(default_factory=list)

    def measure(self, worker: Worker, effort: Effort, device: torch.device, evaluate: bool) -> None:
        """Adds a round."""
        self.steps.append(worker.ask(TrainSteps(effort.steps)))
        if device.type == "cuda":
            self.split_steps.append(worker.ask(TrainSteps(effort.steps, split=True)))
        if evaluate:
            self.evaluations.append(worker.ask(EvaluateBatches(effort.evaluation_batches)))

    def seconds_per_item(self) -> list[float]:
        return [answer.seconds / answer.items for answer in self.steps]


def labels_of(overrides: list[str], **further: str) -> Labels:
    """The names of the run that `overrides` describe, and `further` columns."""
    cfg, choices = compose(overrides)
    cfg = resolve_auto(validate(cfg))
    identity = identify(cfg, choices)
    departures = {k: value for k, value in identity.overrides.items() if not under(k, ("act", "data", "model"))}
    names = {
        "task": identity.task,
        "model": identity.model,
        "data": label(identity.data, identity.overrides, "data"),
        "recipe": label(identity.recipe, departures),
        "activation": label(identity.act, identity.overrides, "act.options"),
    }
    return {**names, "precision": cfg.trainer.precision, **further}


def interleave(workers: Sequence[Worker], effort: Effort, device: torch.device, evaluate: bool) -> list[Series]:
    """Measures each of the workers once a round, after a warm-up round."""
    series = [Series() for _ in workers]
    for number in range(effort.rounds + 1):
        for worker, measured in zip(workers, series, strict=True):
            (measured if number else Series()).measure(worker, effort, device, evaluate)
    return series


def compare_activations(
    overrides: list[str], activations: Sequence[str], effort: Effort, device: torch.device, machine: Labels, note: Note
) -> Iterator[Comparison]:
    """Training of one task with each of the activations that its model takes, each interleaved with ReLU.

    An activation is an option of `act=`; its settings may follow, as in "carelu act.options.over=channel".
    """
    columns = {"benchmark": "activations", "way": SUITE, "baseline": BASELINE, **machine}
    with Worker(train_on_request, overrides=[*overrides, f"act={BASELINE}"]) as baseline:
        for name in activations:
            labels = labels_of([*overrides, *f"act={name}".split()], **columns)
            note(f"{labels['task']}: {name}")
            if name == BASELINE:
                [own] = interleave([baseline], effort, device, evaluate=True)
                yield _of_training(labels, own, own, effort.steps)
                continue
            try:
                with Worker(train_on_request, overrides=[*overrides, *f"act={name}".split()]) as worker:
                    base, own = interleave([baseline, worker], effort, device, evaluate=True)
            except BadInput as error:
                note(f"left out: {error}")
                continue
            yield _of_training(labels, own, base, effort.steps)


def compare_with_reference_loop(
    overrides: list[str],
    variants: Sequence[list[str]],
    processes: int,
    effort: Effort,
    device: torch.device,
    machine: Labels,
    note: Note,
) -> Iterator[Comparison]:
    """Training of one task by the suite, by default and with each variant, interleaved with the reference loop."""
    overrides = [*overrides, f"act={BASELINE}"]
    columns = {"benchmark": REFERENCE_LOOP, "baseline": REFERENCE_LOOP, **machine}
    task = labels_of(overrides)["task"]
    if spec_of(task).benchmark.reference_loop == TORCHVISION:
        own_overrides = [*overrides, "trainer.precision=float32", "trainer.channels_last=false"]
        reference = Worker(train_reference_loop, overrides=own_overrides, processes=processes)
    else:
        own_overrides = overrides
        reference = Worker(train_on_request, overrides=overrides, replace_batches=PaddedBatches)
    with reference:
        for number, settings in enumerate(variants):
            note(f"{task}: the suite {' '.join(settings)} and the reference loop")
            labels = labels_of([*overrides, *settings], way=SUITE, **columns)
            with Worker(train_on_request, overrides=[*overrides, *settings]) as worker:
                base, own = interleave([reference, worker], effort, device, evaluate=False)
            if number == 0:
                yield _of_training(labels_of(own_overrides, way=REFERENCE_LOOP, **columns), base, base, effort.steps)
            yield _of_training(labels, own, base, effort.steps)


def compare_augmentation(
    overrides: list[str], rounds: int, device: torch.device, machine: Labels, note: Note
) -> Iterator[Comparison]:
    """Training batches of CIFAR-100, made in this process by the suite and by torchvision from PIL images."""
    cfg = validate(compose(overrides)[0])
    images, size = training_images(cfg.data), cfg.trainer.batch_size
    options = {"crop_padding": 4, "flip": True}
    for degrees, recipes in ((0.0, "small and fast"), (15.0, "standard")):
        note(f"augmentation of the recipes {recipes}")
        augmentation = {**options, "rotation_degrees": degrees}
        normalisation = (cifar100.MEAN, cifar100.STD, True)
        batches = ImageBatches(images.to(device), size, *normalisation, Augmentation(**augmentation))
        endless = itertools.chain.from_iterable(batches.epoch(0, epoch) for epoch in itertools.count())
        pil, order = PilImages(images, augmentation), itertools.cycle(torch.randperm(len(images)).tolist())
        calls = {
            REFERENCE_LOOP: lambda pil=pil, order=order: default_collate([pil[next(order)] for _ in range(size)]),
            SUITE: lambda endless=endless: next(endless),
        }
        times = interleaved(calls, rounds, least_seconds=0.02, device=device)
        labels = labels_of(overrides, benchmark="augmentation", unit="images", baseline=REFERENCE_LOOP, **machine)
        labels.update(recipe=recipes, activation="", model="", precision="")
        for way, seconds in times.items():
            per_item = [each / size for each in seconds]
            base = [each / size for each in times[REFERENCE_LOOP]]
            yield _comparison({**labels, "way": way}, per_item, base, size)


def measure_start_up(
    tasks: dict[str, list[str]], rounds: int, device: torch.device, machine: Labels, note: Note
) -> Iterator[Comparison]:
    """`python run.py --help`, and for each task the time from a new process to the end of its first step."""
    labels = {**machine, "benchmark": "start-up", "baseline": "", "unit": "starts"}
    nothing = dict.fromkeys(("task", "model", "data", "recipe", "precision", "activation"), "")
    note("start-up")

    def show_help() -> None:
        subprocess.run([sys.executable, str(ROOT / "run.py"), "--help"], check=True, capture_output=True)

    def first_step(overrides: list[str]) -> None:
        with Worker(train_on_request, overrides=overrides) as worker:
            worker.ask(TrainSteps(1))

    yield _comparison({**labels, **nothing, "way": "help"}, _seconds(show_help, rounds), None, 1)
    for overrides in tasks.values():
        own = labels_of([*overrides, "act=carelu"], way="first step", **labels)
        seconds = _seconds(lambda overrides=overrides: first_step([*overrides, "act=carelu"]), rounds)
        yield _comparison(own, seconds, None, 1)


def _seconds(call: Callable[[], None], rounds: int) -> list[float]:
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return times


def _of_training(labels: Labels, own: Series, baseline: Series, steps: int) -> Comparison:
    split = own.split_steps or own.steps
    memory, base_memory = own.steps[-1].memory_mib, baseline.steps[-1].memory_mib
    evaluations = [answer.items / answer.seconds for answer in own.evaluations]
    return _comparison(
        {"unit": spec_of(labels["task"]).benchmark.unit, **labels},
        own.seconds_per_item(),
        baseline.seconds_per_item(),
        spread([answer.items for answer in own.steps]).median / steps,
        **{f"{phase}_ms": spread([1000 * answer.phases[phase] / steps for answer in split]).median for phase in PHASES},
        evaluation_per_second=spread(evaluations).median if evaluations else None,
        memory_mib=memory,
        memory_ratio=memory / base_memory,
    )


def _comparison(
    labels: Labels, seconds: list[float], baseline: list[float] | None, items: float, **further: float | None
) -> Comparison:
    """The row of a series of `seconds` per item, with so many items a step."""
    speed = spread([1 / each for each in seconds])
    ratio = spread(ratios(seconds, baseline)) if baseline else None
    return Comparison(
        **labels,
        rounds=len(seconds),
        per_second=speed.median,
        per_second_q1=speed.low,
        per_second_q3=speed.high,
        per_second_most=1 / min(seconds),
        step_ms=1000 * items * spread(seconds).median,
        time_ratio=ratio and ratio.median,
        time_ratio_q1=ratio and ratio.low,
        time_ratio_q3=ratio and ratio.high,
        **further,
    )
