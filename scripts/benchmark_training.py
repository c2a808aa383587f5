"""Times training of every task with every activation, and against the plain way; writes results/benchmarks/.

python scripts/benchmark_training.py                               # everything, on the bundled samples
python scripts/benchmark_training.py --task cifar100 --activations relu carelu gelu --set model.width=64
python scripts/benchmark_training.py --benchmark plain --data-root data --also trainer.precision=bfloat16
"""

import argparse
import os
import shlex
import sys
import tempfile
from pathlib import Path

import torch

from experiments.allocator import keep_freed_memory
from experiments.benchmarking import machine
from experiments.benchmarking.activations_page import About
from experiments.benchmarking.comparisons import (
    Comparison,
    Effort,
    compare_activations,
    compare_augmentation,
    compare_plain,
    measure_start_up,
)
from experiments.benchmarking.options import check_writable, find_device, positive
from experiments.benchmarking.pacing import ITEMS
from experiments.benchmarking.rows import to_csv
from experiments.benchmarking.training_page import page
from experiments.command import complain
from experiments.command_line import check_command
from experiments.configuration import words_of
from experiments.environment import device_name, git_state
from experiments.errors import BadInput
from experiments.report.files import write_files

BENCHMARKS = ("activations", "plain", "augmentation", "start-up")
PLAIN_TASKS = ("cifar100", "text")
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
    parser.add_argument("--benchmark", nargs="+", choices=BENCHMARKS, default=BENCHMARKS, help="default: all")
    parser.add_argument("--task", nargs="+", choices=tuple(ITEMS), default=tuple(ITEMS), help="default: all")
    parser.add_argument("--activations", nargs="+", metavar="NAME", help="options of act=; default: all")
    parser.add_argument("--recipe", help="default: small on a CPU, fast on a GPU")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="further settings of every run")
    parser.add_argument(
        *("--also", "-a"),
        action="append",
        default=[],
        metavar="SETTINGS",
        help="also hold the suite with these settings, in one word, against the plain way; may be repeated",
    )
    parser.add_argument("--data-root", type=Path, help="holds cifar-100-python/, bsds300/, snli/; default: the samples")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda; default: %(default)s")
    parser.add_argument("--rounds", type=positive, default=7, help="turns of each; default: %(default)s")
    parser.add_argument("--steps", type=positive, help="a turn; default: 3 on a CPU, 30 on a GPU")
    processes = min(4, os.cpu_count())
    parser.add_argument(
        "--processes", type=positive, default=processes, help="of the plain way's DataLoader; default: %(default)s"
    )
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks"), help="folder; default: %(default)s")
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
    try:
        print("\n".join(str(file) for file in write_files(_measured(arguments))))
    except BadInput as error:
        return complain(error)
    return 0


def _measured(arguments: argparse.Namespace) -> dict[Path, bytes]:
    device = find_device(arguments.device)
    check_writable(arguments.out)
    on_gpu = device.type == "cuda"
    recipe = arguments.recipe or ("fast" if on_gpu else "small")
    common = [f"recipe={recipe}", f"trainer.device={device.type}", *arguments.set]
    overrides = {task: [f"task={task}", *_data(task, arguments.data_root), *common] for task in arguments.task}
    activations = arguments.activations or list(words_of("act"))
    variants = [[], *(each.split() for each in arguments.also)]
    for settings in overrides.values():
        for further in [*([f"act={name}"] for name in activations), *variants]:
            check_command([*settings, *further, f"output_root={tempfile.gettempdir()}"])
    keep_freed_memory()
    bystanders = machine.Bystanders()
    rows = _rows(arguments, device, overrides, activations, variants)
    about = About(shlex.join(["python", *sys.argv]), machine.cache_bytes(device), bystanders.share())
    stem = f"{machine.slug(device)}_training"
    files = {"csv": to_csv(rows), "md": page(rows, about)}
    return {arguments.out / f"{stem}.{suffix}": text.encode() for suffix, text in files.items()}


def _rows(
    arguments: argparse.Namespace,
    device: torch.device,
    overrides: dict[str, list[str]],
    activations: list[str],
    variants: list[list[str]],
) -> list[Comparison]:
    effort = Effort(arguments.rounds, arguments.steps or (30 if device.type == "cuda" else 3), evaluation_batches=1)
    measuring = {
        "device": device,
        "machine": {"device": device_name(device), "torch": torch.__version__, "git_commit": git_state()[0]},
        "note": lambda line: print(line, file=sys.stderr),
    }
    rows = []
    if "start-up" in arguments.benchmark:
        rows += measure_start_up(overrides, min(3, effort.rounds), **measuring)
    if "augmentation" in arguments.benchmark and "cifar100" in overrides:
        rows += compare_augmentation(overrides["cifar100"], effort.rounds, **measuring)
    for task, settings in overrides.items():
        if "plain" in arguments.benchmark and task in PLAIN_TASKS:
            rows += compare_plain(settings, variants, arguments.processes, effort, **measuring)
        if "activations" in arguments.benchmark:
            rows += compare_activations(settings, activations, effort, **measuring)
    if not rows:
        raise BadInput(
            f"--benchmark {' '.join(arguments.benchmark)} has nothing to measure for --task "
            f"{' '.join(arguments.task)}; augmentation is of cifar100, plain of {' and '.join(PLAIN_TASKS)}"
        )
    return rows


if __name__ == "__main__":
    sys.exit(main())
