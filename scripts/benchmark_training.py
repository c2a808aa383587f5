"""Times training of every task with every activation, and against the plain way; writes results/benchmarks/.

python scripts/benchmark_training.py                               # everything, on the bundled samples
python scripts/benchmark_training.py --task cifar100 --activations relu carelu gelu --set model.width=64 --out outputs
python scripts/benchmark_training.py --benchmark plain --data-root data --also trainer.precision=bfloat16

Tables are written after each row, so that one that is stopped leaves what it has measured.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.benchmarking import options
from experiments.configuration.command_line import check_command
from experiments.configuration.composition import options_of
from experiments.errors import BadInput

if TYPE_CHECKING:
    import torch

    from experiments.benchmarking.comparisons import Comparison

DATA = {
    "cifar100": {"cifar-100-python": ["data=full", "data.root={root}"]},
    "superres": {"bsds300/images": ["data=bsds300", "data.root={root}/bsds300"]},
    "text": {
        "snli/train.parquet": ["data=snli", "data.root={root}/snli"],
        "snli/train-subset.parquet": ["data=snli_subset", "data.root={root}/snli"],
    },
}
"""By task: what shows that `--data-root` holds a set, and the settings that choose it."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    benchmarks, tasks = tuple(options.BENCHMARKS), options.TASKS
    parser.add_argument("--benchmark", nargs="+", choices=benchmarks, default=benchmarks, help="default: all")
    parser.add_argument("--task", nargs="+", choices=tasks, default=tasks, help="default: all")
    parser.add_argument("--activations", nargs="+", metavar="NAME", help="options of act=; default: all")
    parser.add_argument("--recipe", help="default: small on a CPU, fast on a GPU")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="further settings of every run")
    parser.add_argument(
        "--also",
        action="append",
        default=[],
        metavar="SETTINGS",
        help="also hold the suite with these settings, in one word, against the plain way; may be repeated",
    )
    parser.add_argument("--data-root", type=Path, help="holds cifar-100-python/, bsds300/, snli/; default: the samples")
    parser.add_argument("--steps", type=options.positive, help="a turn; default: 3 on a CPU, 30 on a GPU")
    processes = min(4, os.cpu_count() or 1)
    parser.add_argument(
        "--processes",
        type=options.positive,
        default=processes,
        help="of the plain way's DataLoader; default: %(default)s",
    )
    options.add_common(parser)
    return parser.parse_args()


def _data(task: str, root: Path | None) -> list[str]:
    """The settings that choose a task's data: what `root` holds of it, else the bundled sample."""
    for sign, settings in DATA[task].items():
        if root and (root / sign).exists():
            return [*(setting.format(root=root) for setting in settings), "data.download=false"]
    return ["data=sample"]


def main() -> int:
    """Measures and writes; returns the exit code."""
    arguments = _arguments()
    return options.exit_code_of(lambda: _measure(arguments))


def _measure(arguments: argparse.Namespace) -> None:
    if not any(task in options.BENCHMARKS[benchmark] for benchmark in arguments.benchmark for task in arguments.task):
        raise BadInput(
            f"--benchmark {' '.join(arguments.benchmark)} has nothing to measure for --task "
            f"{' '.join(arguments.task)}; augmentation is of cifar100, plain of cifar100 and text"
        )
    options.check_writable(arguments.out)
    device = options.find_device(arguments.device)
    recipe = arguments.recipe or ("fast" if device.type == "cuda" else "small")
    common = [f"recipe={recipe}", f"trainer.device={device.type}", *arguments.set]
    overrides = {task: [f"task={task}", *_data(task, arguments.data_root), *common] for task in arguments.task}
    activations = arguments.activations or list(options_of("act"))
    variants = [[], *(each.split() for each in arguments.also)]
    for settings in overrides.values():
        for further in [*([f"act={name}"] for name in activations), *variants]:
            check_command([*settings, *further, f"output_root={tempfile.gettempdir()}"])

    # torch is imported only now, so that what is checked above is answered at once.
    from experiments.benchmarking import machine
    from experiments.benchmarking.rows import to_csv
    from experiments.benchmarking.training_page import page
    from experiments.files import write_files

    others, table, rows = machine.OtherProcesses(), arguments.out / f"{machine.slug(device)}_training.csv", []
    for row in _rows(arguments, device, overrides, activations, variants):
        rows.append(row)
        text = page(rows, machine.about(device, others))
        files = write_files({table: to_csv(rows).encode(), table.with_suffix(".md"): text.encode()})
    if not rows:
        raise BadInput("nothing could be measured; what was left out, and why, stands above")
    print(*files, sep="\n")


def _rows(
    arguments: argparse.Namespace,
    device: "torch.device",
    overrides: dict[str, list[str]],
    activations: list[str],
    variants: list[list[str]],
) -> Iterator["Comparison"]:
    from experiments.benchmarking import comparisons, machine

    rounds = arguments.rounds or options.default_rounds(device)
    steps = arguments.steps or (30 if device.type == "cuda" else 3)
    effort = comparisons.Effort(rounds, steps, evaluation_batches=1)
    measuring = {
        "device": device,
        "machine": machine.labels(device),
        "note": lambda line: print(line, file=sys.stderr),
    }
    if "start-up" in arguments.benchmark:
        yield from comparisons.measure_start_up(overrides, min(3, rounds), **measuring)
    for task, settings in overrides.items():
        for benchmark in arguments.benchmark:
            match benchmark if task in options.BENCHMARKS[benchmark] else None:
                case "augmentation":
                    yield from comparisons.compare_augmentation(settings, rounds, **measuring)
                case "plain":
                    yield from comparisons.compare_plain(settings, variants, arguments.processes, effort, **measuring)
                case "activations":
                    yield from comparisons.compare_activations(settings, activations, effort, **measuring)


if __name__ == "__main__":
    sys.exit(main())
