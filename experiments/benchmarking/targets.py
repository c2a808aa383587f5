"""Targets of speed and memory: measured value, bound, and whether it is met."""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from experiments.analysis.numbers import fixed
from experiments.benchmarking.comparisons import SUITE, Comparison
from experiments.benchmarking.operations import Measurement
from experiments.benchmarking.options import LAYOUTS
from experiments.benchmarking.results import markdown_table
from experiments.configuration.task_spec import spec_of

SUBJECT = "carelu"
FUSED_KERNELS = ("cpp", "triton")


@dataclass(frozen=True)
class Target:
    """A measured value and its bound.

    Args:
        what: describes the value, with its unit.
        value: as measured.
        bound: what it must not exceed, or must reach.
        at_least: whether it must reach the bound.
    """

    what: str
    value: float
    bound: float
    at_least: bool = False

    @property
    def met(self) -> bool:
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    def line(self) -> list[str]:
        bound = f"{'≥' if self.at_least else '≤'} {self.bound:g}"
        return [self.what, fixed(self.value, 3), bound, "yes" if self.met else "no"]


def geometric_mean(values: Sequence[float]) -> float:
    """Of one value or more."""
    return math.exp(sum(map(math.log, values)) / len(values))


def targets_section(targets: Iterable[Target]) -> list[str]:
    """Their table under a heading, as paragraphs; empty if there are none."""
    lines = [target.line() for target in targets]
    return ["## Targets", markdown_table(["what", "measured", "target", "met"], lines)] if lines else []


def activation_targets(rows: Sequence[Measurement], on_gpu: bool) -> list[Target]:
    """CAReLU's forward and backward over ReLU's on the shapes of ResNet-18."""
    dtype = "bfloat16" if on_gpu else "float32"
    targets = []
    for layout in LAYOUTS:
        chosen = [
            row
            for row in rows
            if (row.activation, row.forced_kernel, row.network) == (SUBJECT, "", "resnet18")
            and (row.dtype, row.layout, row.direction) == (dtype, layout, "both")
        ]
        if not chosen:
            continue
        largest = max(chosen, key=lambda row: row.least_mib)
        without_compiler = largest.kernel not in FUSED_KERNELS and not on_gpu
        where = f"{dtype}, {layout}, kernel {largest.kernel}"
        shapes = f"geometric mean of {len(chosen)} ResNet-18 shapes"
        ratios = [row.relu_ratio for row in chosen]
        targets.append(
            Target(f"CAReLU / ReLU, {shapes}, {where}", geometric_mean(ratios), 3.0 if without_compiler else 1.25)
        )
        if on_gpu:
            what = f"CAReLU, {largest.shape}, share of the copy's bandwidth, {where}"
            targets.append(Target(what, largest.copy_fraction, 0.70, at_least=True))
        else:
            what = f"CAReLU / ReLU, largest shape {largest.shape}, {where}"
            targets.append(Target(what, largest.relu_ratio, 3.0 if without_compiler else 1.05))
    return targets if on_gpu else [*targets, *_targets_of_layouts(rows)]


def _targets_of_layouts(rows: Sequence[Measurement]) -> Iterator[Target]:
    """CAReLU over channels, over features and measured before normalisation, in each layout, on a CPU."""
    for activation, bound in (("carelu_over_channel", 1.8), ("carelu_over_feature", 1.8), ("carelu_pre_norm", 2.0)):
        for dtype, layout in itertools.product(("float32", "bfloat16"), LAYOUTS):
            chosen = [
                row.relu_ratio
                for row in rows
                if (row.activation, row.forced_kernel, row.network) == (activation, "", "resnet18")
                and (row.dtype, row.layout, row.direction, row.kernel) == (dtype, layout, "both", "cpp")
            ]
            if chosen:
                what = f"{activation} / ReLU, geometric mean of {len(chosen)} ResNet-18 shapes, {dtype}, {layout}"
                yield Target(what, geometric_mean(chosen), bound if dtype == "float32" else 2.0)


def training_targets(rows: Sequence[Comparison], on_gpu: bool) -> list[Target]:
    """Training with CAReLU over ReLU's, the suite over the reference loops, augmentation and start-up.

    The bounds of a training step and of a reference loop are the task's own, `Benchmark.targets` in its spec.py.
    """
    return [target for row in rows for target in _OF_BENCHMARK[row.benchmark](row, on_gpu)]


def _of_a_step(row: Comparison, on_gpu: bool) -> Iterator[Target]:
    if row.activation != SUBJECT:
        return
    benchmark, run = spec_of(row.task).benchmark, f"{row.model}, {row.data}, {row.precision}"
    bounds = benchmark.targets
    if "time_ratio" in bounds:
        yield Target(f"training step, CAReLU / ReLU, {run}", row.time_ratio, bounds["time_ratio"])
    if "memory_ratio" in bounds:
        yield Target(f"peak memory, CAReLU / ReLU, {run}", row.memory_ratio, bounds["memory_ratio"])
    if "minutes_for_200_epochs_on_gpu" in bounds and on_gpu:
        train, test = benchmark.full_size
        minutes = 200 / 60 * (train / row.per_second + test / row.evaluation_per_second)
        what = f"200 epochs of {spec_of(row.task).title} with CAReLU, minutes, {run}"
        yield Target(what, minutes, bounds["minutes_for_200_epochs_on_gpu"])


def _of_the_reference_loop(row: Comparison, on_gpu: bool) -> Iterator[Target]:
    bound = spec_of(row.task).benchmark.targets.get("speedup_on_gpu" if on_gpu else "speedup")
    if row.way == SUITE and bound is not None:
        run = f"{row.model}, {row.data}, {row.recipe}, {row.precision}"
        what = f"{row.unit} per second, suite / reference loop, {run}"
        yield Target(what, 1 / row.time_ratio, bound, at_least=True)


def _of_augmentation(row: Comparison, on_gpu: bool) -> Iterator[Target]:
    if row.way == SUITE:
        what = f"augmented {row.unit} per second in one process, suite / torchvision, recipes {row.recipe}"
        yield Target(what, 1 / row.time_ratio, 20, at_least=True)


def _of_start_up(row: Comparison, on_gpu: bool) -> Iterator[Target]:
    what = f"start-up, {' of '.join(filter(None, [row.way, row.task]))}, seconds"
    yield Target(what, row.step_ms / 1000, 2 if row.way == "help" else 10)


_OF_BENCHMARK = {
    "activations": _of_a_step,
    "reference_loop": _of_the_reference_loop,
    "augmentation": _of_augmentation,
    "start-up": _of_start_up,
}
