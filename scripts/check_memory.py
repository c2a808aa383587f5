"""Makes many runs in one process, as a sweep without a launcher does, and writes how its memory grew.

The page results/memory.md has a row for each task. Exits with 1 if memory grew by more than 1 % after the third run.
Medians of five runs are compared, as one reading varies by some 2 MiB with the memory that the C library keeps.

    python scripts/check_memory.py               some five minutes on one core
"""

import argparse
import contextlib
import ctypes
import gc
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from experiments.configuration.composition import compose
from experiments.files import write_files
from experiments.report.rendering import to_markdown
from experiments.report.table import Table, simple_table
from experiments.training.job import run_job
from tests.faults.injections import SETTINGS, use_few_images

ROOT = Path(__file__).parent.parent

SETTINGS_OF = {
    "cifar100": SETTINGS,
    "superres": (
        *("task=superres", "data=sample", "recipe=small", "model=edsr", "model.blocks=1", "model.features=4"),
        *("task.patch=8", "task.steps_per_epoch=3", "trainer.batch_size=4"),
    ),
    "text": (
        *("task=text", "data=sample", "recipe=small", "model.layers=1", "model.width=8", "model.head_size=4"),
        *("data.vocabulary_size=500", "data.tokens_per_batch=2048", "trainer.batch_size=20"),
    ),
}
"""A run of each task with as little work as possible; it trains, evaluates and writes all its files."""

WARM = 3
"""Runs after which caches are full."""

READINGS = 5
"""Of how many runs after them, and at the end, the median is taken."""

LIMIT = 0.01
"""By how much the memory may grow after them."""


def resident_mib() -> float:
    """The memory of this process that is not shared with files, in MiB, after freeing what nothing refers to."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what the C library keeps for the next run is no growth
    resident, shared = Path("/proc/self/statm").read_text().split()[1:3]
    return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE") / 2**20


def measure(task: str, runs: int) -> list[float]:
    """The memory after each of `runs` runs of one task in this process, with another seed and activation each."""
    use_few_images()
    after = []
    with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as nowhere:
        for number in range(runs):
            settings = [*SETTINGS_OF[task], "trainer.max_steps=3", f"output_root={folder}", f"seed={number}"]
            settings += [f"act={('relu', 'carelu', 'prelu')[number % WARM]}"]
            settings += [f"data.cache={folder}/tokens"] if task == "text" else []
            with contextlib.redirect_stdout(nowhere):
                ending = run_job(*compose(settings))
            if ending.code != 0:
                sys.exit(f"a run ended with {ending}")
            after.append(resident_mib())
    return after


def growth(after: list[float]) -> float:
    """By which part of it the memory grew from the first runs after those that fill the caches to the last."""
    first, last = ends(after)
    return last / first - 1


def ends(after: list[float]) -> tuple[float, float]:
    """The memory soon after the caches are full, and at the end, in MiB."""
    return statistics.median(after[WARM : WARM + READINGS]), statistics.median(after[-READINGS:])


def in_process(task: str, runs: int) -> list[float]:
    """`measure` in a process of its own, so that no task is measured on top of another."""
    command = [sys.executable, __file__, "--measure", task, "--runs", str(runs)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return [float(word) for word in done.stdout.split()]


def page(measured: dict[str, list[float]], runs: int, command: str) -> Table:
    """The published page."""
    early, late = f"{WARM + 1} to {WARM + READINGS}", f"{runs - READINGS + 1} to {runs}"
    columns = [("task", "Task"), ("first", f"Runs {early}, MiB"), ("last", f"Runs {late}, MiB")]
    columns += [("growth", "Growth")]
    rows = [
        [task, *(f"{each:.1f}" for each in ends(after)), f"{100 * growth(after):+.2f} %"]
        for task, after in measured.items()
    ]
    return simple_table(
        "memory",
        "Memory over many runs in one process",
        columns,
        rows,
        caption=f"{runs} runs of each task one after another in one process, with activations in turn.",
        notes=(
            "Measured is the memory of the process that is not shared with files, after each run; "
            f"shown are medians of {READINGS} runs. The first {WARM} fill caches.",
        ),
        commands=(command,),
    )


def main() -> int:
    """Measures every task and writes the page; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=50, help="of each task")
    parser.add_argument("--out", type=Path, default=Path("results"), help="the folder of memory.md")
    parser.add_argument("--measure", choices=SETTINGS_OF, help="print the memory after each run of one task, in MiB")
    arguments = parser.parse_args()
    if arguments.measure:
        print(*measure(arguments.measure, arguments.runs))
        return 0
    measured = {task: in_process(task, arguments.runs) for task in SETTINGS_OF}
    command = shlex.join(["python", "scripts/check_memory.py", *sys.argv[1:]])
    (file,) = write_files({arguments.out / "memory.md": to_markdown(page(measured, arguments.runs, command)).encode()})
    print(file)
    return 1 if any(growth(after) > LIMIT for after in measured.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
