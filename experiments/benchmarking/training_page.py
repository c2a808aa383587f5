"""The page of `scripts/benchmark_training.py`."""

from collections.abc import Callable, Sequence

from experiments.analysis.numbers import ABSENT, fixed
from experiments.benchmarking.comparisons import REFERENCE_LOOP, SUITE, Comparison
from experiments.benchmarking.machine import Conditions
from experiments.benchmarking.results import markdown_table
from experiments.benchmarking.targets import targets_section, training_targets
from experiments.benchmarking.timed_run import PHASES


def page(rows: Sequence[Comparison], conditions: Conditions) -> str:
    """The page in Markdown."""
    first = rows[0]
    parts = [
        f"# Training: {first.device}",
        f"PyTorch {first.torch}, commit {first.git_commit[:10]}. Each row has a process of its own, which is timed "
        "a few steps at a time, interleaved with that of its baseline; the other processes are suspended meanwhile. A "
        "ratio compares two times of one round. Shown are medians over the rounds, with quartiles in brackets. "
        + conditions.sentences(),
        f"Made by\n\n```bash\n{conditions.command}\n```",
        *targets_section(training_targets(rows, conditions.on_gpu)),
        *_activations([row for row in rows if row.benchmark == "activations"]),
        *_reference_loop([row for row in rows if row.benchmark == "reference_loop"]),
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
            "Phases in milliseconds a step: making the batch; model and loss; gradients; update; the rest, like sums "
            "of metrics. Peak memory is that of the whole process on a CPU, and of the tensors on a GPU."
        )
    return parts


def _reference_loop(rows: Sequence[Comparison]) -> list[str]:
    parts = ["## The suite and the reference loop"] if rows else []
    for (task, model, data), group in _groups(rows).items():
        unit = group[0].unit
        head = ["implementation", "recipe", "precision", f"{unit}/s", "speed / reference loop's", "step, ms", *PHASES]
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
            "For images the reference loop is a plain PyTorch script: torchvision's transforms of PIL images in "
            "DataLoader workers, float32, contiguous, `loss.item()` after every step; model, batch size, augmentation "
            "and optimiser are the suite's. For text it is the suite with other batches: texts in random order, all "
            "padded to the longest of the dataset. Padding is not counted as tokens."
        )
    return parts


def _augmentation(rows: Sequence[Comparison]) -> list[str]:
    if not rows:
        return []
    head = ["recipes", "implementation", "images/s", "speed / torchvision's", "batch, ms"]
    lines = [[row.recipe, row.way, _speed(row), _speed_up(row), fixed(row.step_ms, 2)] for row in rows]
    return [
        "## Augmentation",
        markdown_table(head, lines, names=2),
        f"Normalised training batches, made in one process: `{SUITE}` by batched tensor code with all threads, "
        f"`{REFERENCE_LOOP}` by torchvision's transforms of PIL images, one by one.",
    ]


def _start_up(rows: Sequence[Comparison]) -> list[str]:
    if not rows:
        return []
    lines = [[row.way, row.task, row.data, fixed(row.step_ms / 1000, 2)] for row in rows]
    return [
        "## Start-up",
        markdown_table(["until", "task", "data", "seconds"], lines, names=3),
        "`help` is `python run.py --help`; `first step` is from the start of a new process to the end of its first "
        "training step, which includes loading the data and the first statistics of the activations.",
    ]


def _speed(row: Comparison, of: Callable[[Comparison], float | None] = lambda row: row.per_second) -> str:
    value = of(row)
    return ABSENT if value is None else f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def _ratio(row: Comparison) -> str:
    return f"{fixed(row.time_ratio, 2)} [{fixed(row.time_ratio_q1, 2)}, {fixed(row.time_ratio_q3, 2)}]"


def _speed_up(row: Comparison) -> str:
    slowest, fastest = 1 / row.time_ratio_q3, 1 / row.time_ratio_q1
    return f"{fixed(1 / row.time_ratio, 2)} [{fixed(slowest, 2)}, {fixed(fastest, 2)}]"
