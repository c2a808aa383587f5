"""Times training of every task with every activation, and with reference loops; writes results/benchmarks/.

python scripts/benchmark_training.py                               # everything, on the bundled samples
python scripts/benchmark_training.py --task cifar100 --activations relu carelu gelu --set model.width=64 --out outputs
python scripts/benchmark_training.py --benchmark reference_loop --data-root data --also trainer.precision=bfloat16
python scripts/benchmark_training.py --render results/benchmarks/nvidia-h100_training.csv    # only the page

The files are written after each row, so a stopped run keeps its measurements.
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
from experiments.configuration.task_spec import spec_of
from experiments.errors import BadInput
from experiments.files import check_writable

if TYPE_CHECKING:
    import torch

    from experiments.benchmarking.comparisons import Comparison


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    benchmarks, tasks = tuple(options.BENCHMARKS), options.TASKS
    files = ", ".join(file for task in tasks for file in spec_of(task).benchmark.data)
    parser.add_argument("--benchmark", nargs="+", choices=benchmarks, default=benchmarks, help="default: all")
    parser.add_argument("--task", nargs="+", choices=tasks, default=tasks, help="default: all")
    parser.add_argument(
        "--activations",
        nargs="+",
        metavar="NAME",
        help="of act=, settings may follow in quotes; default: all",
    )
    parser.add_argument("--recipe", help="default: small on a CPU, fast on a GPU")
    parser.add_argument(
        "--set", action="extend", nargs="+", default=[], metavar="KEY=VALUE", help="further settings of every run"
    )
    parser.add_argument(
        "--also",
        action="append",
        default=[],
        metavar="SETTINGS",
        help="also compare the suite with these settings, in one quoted word, with the reference loop; may be repeated",
    )
    parser.add_argument("--data-root", type=Path, help=f"holds {files}; default: the samples")
    parser.add_argument("--steps", type=options.positive, help="of training a round; default: 3 on a CPU, 30 on a GPU")
    processes = min(4, os.cpu_count() or 1)
    parser.add_argument(
        "--processes",
        type=options.positive,
        default=processes,
        help="of the reference loop's DataLoader; default: %(default)s",
    )
    options.add_common(parser)
    return parser.parse_args()


def _data(task: str, root: Path | None) -> list[str]:
    """The settings that choose a task's data: the dataset under `root` if it is there, else the bundled sample."""
    for file, settings in spec_of(task).benchmark.data.items():
        if root and (root / file).exists():
            return [*(setting.format(root=root) for setting in settings), "data.download=false"]
    return ["data=sample"]


def main() -> int:
    """Measures and writes; returns the exit code."""
    arguments = _arguments()
    return options.exit_code_of(lambda: _render(arguments.render) if arguments.render else _measure(arguments))


def _render(table: Path) -> None:
    from experiments.benchmarking.comparisons import Comparison
    from experiments.benchmarking.results import render_page
    from experiments.benchmarking.training_page import page

    print(*render_page(table, Comparison, page), sep="\n")


def _measure(arguments: argparse.Namespace) -> None:
    if not any(task in options.BENCHMARKS[benchmark] for benchmark in arguments.benchmark for task in arguments.task):
        raise BadInput(
            f"--benchmark {' '.join(arguments.benchmark)} has nothing to measure for --task "
            f"{' '.join(arguments.task)}; accepted: "
            + ", ".join(f"{name} of {' and '.join(options.BENCHMARKS[name])}" for name in arguments.benchmark)
        )
    check_writable("--out", arguments.out)
    device = options.find_device(arguments.device)
    recipe = arguments.recipe or ("fast" if device.type == "cuda" else "small")
    common = [f"recipe={recipe}", f"trainer.device={device.type}", *arguments.set]
    overrides = {task: [f"task={task}", *_data(task, arguments.data_root), *common] for task in arguments.task}
    activations = arguments.activations or list(options_of("act"))
    variants = [[], *(each.split() for each in arguments.also)]
    for settings in overrides.values():
        for further in [*(f"act={name}".split() for name in activations), *variants]:
            check_command([*settings, *further, f"output_root={tempfile.gettempdir()}"])

    # torch is imported here, so that the checks above answer at once.
    from experiments.benchmarking import machine
    from experiments.benchmarking.results import write_results
    from experiments.benchmarking.training_page import page

    others, table, rows = machine.OtherProcesses(), arguments.out / f"{machine.file_name(device)}_training.csv", []
    for row in _rows(arguments, device, overrides, activations, variants):
        rows.append(row)
        files = write_results(table, rows, machine.conditions(device, others), page)
    if not rows:
        raise BadInput("nothing could be measured; the lines above say why")
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
                case "reference_loop":
                    yield from comparisons.compare_with_reference_loop(
                        settings, variants, arguments.processes, effort, **measuring
                    )
                case "activations":
                    yield from comparisons.compare_activations(settings, activations, effort, **measuring)


if __name__ == "__main__":
    sys.exit(main())
