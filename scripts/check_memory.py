"""Makes many runs in one process, as a sweep without a launcher does, and writes how its memory grew.

The page results/memory.md has a row for each task. Exits with 1 if what is in use grew by more than 1 % after the third
run. Needs Linux with glibc 2.33 or later.

    python scripts/check_memory.py               some five minutes on one core
"""

import argparse
import contextlib
import ctypes
import gc
import json
import os
import shlex
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

LIMIT = 0.01
"""By how much the memory may grow after them."""


_COUNTERS = (
    *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
    *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
)


class _Allocations(ctypes.Structure):
    """`struct mallinfo2` of the C library."""

    _fields_ = tuple((name, ctypes.c_size_t) for name in _COUNTERS)


def in_use() -> dict[str, float]:
    """What this process uses after freeing what nothing refers to.

    Returns:
        The memory that is allocated from the C library, tensors included, in MiB; the number of Python's objects; and
        the resident memory that is not shared with files, in MiB.
    """
    gc.collect()
    library = ctypes.CDLL(None)
    library.malloc_trim(0)  # what the C library keeps for the next run is no growth
    library.mallinfo2.restype = _Allocations
    found = library.mallinfo2()
    resident, shared = Path("/proc/self/statm").read_text().split()[1:3]
    return {
        "allocated": (found.uordblks + found.hblkhd) / 2**20,
        "objects": len(gc.get_objects()),
        "resident": (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE") / 2**20,
    }


def measure(task: str, runs: int) -> list[dict[str, float]]:
    """`in_use` after each of `runs` runs of one task in this process, with another seed and activation each."""
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
            after.append(in_use())
    return after


def growth(after: list[dict[str, float]]) -> dict[str, float]:
    """By which part of it each grew from the third run to the last."""
    return {name: after[-1][name] / early - 1 for name, early in after[WARM - 1].items()}


def leaks(after: list[dict[str, float]]) -> bool:
    """Whether memory or objects that are in use grew by more than the limit."""
    grown = growth(after)
    return max(grown["allocated"], grown["objects"]) > LIMIT


def in_process(task: str, runs: int) -> list[dict[str, float]]:
    """`measure` in a process of its own, so that no task is measured on top of another."""
    command = [sys.executable, __file__, "--measure", task, "--runs", str(runs)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def page(measured: dict[str, list[dict[str, float]]], runs: int, command: str) -> Table:
    """The published page."""
    columns = [
        ("task", "Task"),
        ("early", f"In use after run {WARM}, MiB"),
        ("late", f"After run {runs}, MiB"),
        ("growth", "Growth"),
        ("objects", "Growth of the number of Python's objects"),
        ("resident", "Resident, MiB"),
    ]
    rows = [
        [
            task,
            *(f"{after[place]['allocated']:.2f}" for place in (WARM - 1, -1)),
            *(f"{100 * growth(after)[name]:+.2f} %" for name in ("allocated", "objects")),
            " to ".join(f"{find(each['resident'] for each in after[WARM:]):.0f}" for find in (min, max)),
        ]
        for task, after in measured.items()
    ]
    return simple_table(
        "memory",
        "Memory over many runs in one process",
        columns,
        rows,
        caption=f"{runs} runs of each task one after another in one process, with activations in turn.",
        notes=(
            "In use is what is allocated from the C library, tensors included. Resident memory is more, and varies "
            "from run to run with the gaps that the C library keeps.",
        ),
        commands=(command,),
    )


def main() -> int:
    """Measures every task and writes the page; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=50, help="of each task")
    parser.add_argument("--out", type=Path, default=Path("results"), help="the folder of memory.md")
    parser.add_argument("--measure", choices=SETTINGS_OF, help="print what is in use after each run of one task")
    arguments = parser.parse_args()
    if arguments.measure:
        for each in measure(arguments.measure, arguments.runs):
            print(json.dumps(each))
        return 0
    measured = {task: in_process(task, arguments.runs) for task in SETTINGS_OF}
    command = shlex.join(["python", "scripts/check_memory.py", *sys.argv[1:]])
    (file,) = write_files({arguments.out / "memory.md": to_markdown(page(measured, arguments.runs, command)).encode()})
    print(file)
    return 1 if any(map(leaks, measured.values())) else 0


if __name__ == "__main__":
    sys.exit(main())
