"""The page of `scripts/benchmark_training.py`."""

from collections.abc import Callable, Sequence

from experiments.analysis.numbers import ABSENT, fixed
from experiments.benchmarking.comparisons import PLAIN, SUITE, Comparison
from experiments.benchmarking.machine import About
from experiments.benchmarking.pacing import PHASES
from experiments.benchmarking.rows import markdown_table
from experiments.benchmarking.targets import targets_section, training_targets


def page(rows: Sequence[Comparison], about: About) -> str:
    """The page in Markdown."""
    first = rows[0]
    parts = [
        f"# Training: {first.device}",
        f"PyTorch {first.torch}, commit {first.git_commit[:10]}. Each row has a process of its own, which is measured "
        "in turn with that of its baseline, a few steps at a time, while the others stand still. A ratio is that of "
        "two times of one round; shown are medians over the rounds, with quartiles in brackets. " + about.sentences(),
        f"Made by\n\n```bash\n{about.command}\n```",
        *targets_section(training_targets(rows, about.on_gpu)),
        *_activations([row for row in rows if row.benchmark == "activations"]),
        *_plain([row for row in rows if row.benchmark == "plain"]),
        *_augmentation([row for row in rows if row.benchmark == "augmentation"]),
        *_start_up([row for row in rows if row.benchmark == "start-up"]),
    ]
    return "\n\n".join(parts) + "\n"


def _groups(rows: Sequence[Comparison]) -> dict[tuple[str, ...], list[Comparison]]:
    """The rows that are compared with one another."""
    groups: dict[tuple[str, ...], list[Comparison]] = {}
    for row in rows:
        groups.setdefault((row.task, row.model, row.data), []).append(row)
    return groups


def _activations(rows: Sequence[Comparison]) -> list[str]:
    parts = ["## A training step with each activation"] if rows else []
    for (task, model, data), group in _groups(rows).items():
        unit, first = group[0].unit, group[0]
        head = ["activation", f"{unit}/s", "time / ReLU's", "step, ms", *PHASES]
        head += [f"evaluation, {unit}/s", "peak memory, MiB", "/ ReLU's"]
        lines = [
            [
                *(row.activation, _speed(row), _ratio(row), fixed(row.step_ms, 1)),
                *(fixed(getattr(row, f"{phase}_ms"), 1) for phase in PHASES),
                *(_speed(row, lambda row: row.evaluation_per_second), fixed(row.memory_mib, 0)),
                fixed(row.memory_ratio, 2),
            ]
            for row in group
        ]
        parts += [f"{task}: {model}, {data}, recipe {first.recipe}, {first.precision}", markdown_table(head, lines)]
    if parts:
        parts.append(
            "The phases are milliseconds of a step: making the batch; model and loss; gradients; update; the rest, "
            "like sums of metrics. Peak memory is that of the whole process on a CPU, what tensors take on a GPU."
        )
    return parts


def _plain(rows: Sequence[Comparison]) -> list[str]:
    parts = ["## The suite and the plain way"] if rows else []
    for (task, model, data), group in _groups(rows).items():
        unit = group[0].unit
        head = ["way", "recipe", "precision", f"{unit}/s", "times the plain way's speed", "step, ms", *PHASES]
        lines = [
            [
                *(row.way, row.recipe, row.precision, _speed(row), _speed_up(row), fixed(row.step_ms, 1)),
                *(fixed(getattr(row, f"{phase}_ms"), 1) for phase in PHASES),
            ]
            for row in group
        ]
        parts += [f"{task}: {model}, {data}, {group[0].activation}", markdown_table(head, lines, names=3)]
    if parts:
        parts.append(
            "The plain way of CIFAR-100 is the usual script: torchvision's transforms of PIL images in DataLoader "
            "workers, float32, contiguous, the loss read off after every step; model, batch size, augmentation and "
            "optimiser are the suite's. The plain way of text is the suite's but for its batches: texts in a random "
            "order, all padded to the longest of the set; padding is not counted in tokens."
        )
    return parts


def _augmentation(rows: Sequence[Comparison]) -> list[str]:
    if not rows:
        return []
    head = ["recipes", "way", "images/s", "times the plain way's speed", "batch, ms"]
    lines = [[row.recipe, row.way, _speed(row), _speed_up(row), fixed(row.step_ms, 2)] for row in rows]
    return [
        "## Augmentation",
        markdown_table(head, lines, names=2),
        f"Normalised training batches, made in one process: `{SUITE}` by batched tensor code with all its threads, "
        f"`{PLAIN}` by torchvision's transforms of PIL images, one by one.",
    ]


def _start_up(rows: Sequence[Comparison]) -> list[str]:
    if not rows:
        return []
    lines = [[row.way, row.task, row.data, fixed(row.step_ms / 1000, 2)] for row in rows]
    return [
        "## Start-up",
        markdown_table(["what", "task", "data", "seconds"], lines, names=3),
        "`help` is `python run.py --help`; `first step` is from the start of a new process to the end of its first "
        "training step, data and first measurement of the activations included.",
    ]


def _speed(row: Comparison, of: Callable[[Comparison], float | None] = lambda row: row.per_second) -> str:
    value = of(row)
    return ABSENT if value is None else f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def _ratio(row: Comparison) -> str:
    return f"{fixed(row.time_ratio, 2)} [{fixed(row.time_ratio_q1, 2)}, {fixed(row.time_ratio_q3, 2)}]"


def _speed_up(row: Comparison) -> str:
    slowest, fastest = 1 / row.time_ratio_q3, 1 / row.time_ratio_q1
    return f"{fixed(1 / row.time_ratio, 2)} [{fixed(slowest, 2)}, {fixed(fastest, 2)}]"
