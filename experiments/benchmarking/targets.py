"""What the measurements should come to: each target beside the value that was measured, and whether it is met."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from experiments.analysis.numbers import fixed
from experiments.benchmarking.comparisons import SUITE, Comparison
from experiments.benchmarking.operations import Measurement
from experiments.benchmarking.options import LAYOUTS
from experiments.benchmarking.rows import markdown_table

SUBJECT = "carelu"
FUSED_KERNELS = ("cpp", "triton")
TRAINING_IMAGES, TEST_IMAGES = 50_000, 10_000
"""Of CIFAR-100."""


@dataclass(frozen=True)
class Target:
    """A value and its bound.

    Args:
        what: the value in words, with its unit.
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
    """Their table under its heading, as paragraphs; nothing where there are none."""
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
    return targets


def training_targets(rows: Sequence[Comparison], on_gpu: bool) -> list[Target]:
    """Training with CAReLU over ReLU's, and the suite over the plain ways."""
    targets = []
    for row in rows:
        times_plain = 1 / row.time_ratio if row.time_ratio else None
        match row.benchmark, row.task:
            case "activations", "cifar100" if row.activation == SUBJECT:
                step = f"{row.model}, {row.data}, {row.precision}"
                targets.append(Target(f"training step, CAReLU / ReLU, {step}", row.time_ratio, 1.05))
                targets.append(Target(f"peak memory, CAReLU / ReLU, {step}", row.memory_ratio, 1.35))
                if on_gpu:
                    seconds = TRAINING_IMAGES / row.per_second + TEST_IMAGES / row.evaluation_per_second
                    targets.append(Target(f"200 epochs of CIFAR-100 with CAReLU, minutes, {step}", seconds / 0.3, 10))
            case "plain", "cifar100" if row.way == SUITE:
                what = f"CIFAR-100 images per second, {row.model}, {row.recipe}, {row.precision}: suite / plain"
                targets.append(Target(what, times_plain, 5 if on_gpu else 2.5, at_least=True))
            case "plain", "text" if row.way == SUITE:
                what = f"{row.data} tokens per second, {row.model}, {row.recipe}: suite / padding to the longest"
                targets.append(Target(what, times_plain, 3, at_least=True))
            case "augmentation", _ if row.way == SUITE:
                what = f"augmentation of the recipes {row.recipe}, images per second: suite / PIL, one process"
                targets.append(Target(what, times_plain, 20, at_least=True))
            case "start-up", _:
                bound = 2 if row.way == "help" else 10
                targets.append(
                    Target(
                        f"start-up, {' of '.join(filter(None, [row.way, row.task]))}, seconds",
                        row.step_ms / 1000,
                        bound,
                    )
                )
    return targets
