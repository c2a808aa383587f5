"""Faults for the tests here and for `scripts/soak.py`: damage, signals, full disks, many processes on one ledger.

Nothing here knows what should happen then: that is asserted by who uses it.
"""

import os
import random
import resource
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from experiments.configuration.composition import compose
from experiments.configuration.standard_streams import make_output_lenient
from experiments.errors import BadInput
from experiments.record import checkpoint, ledger
from experiments.record.publication import read_config
from experiments.record.run_directory import RunDirectory, read_json, read_metrics, read_predictions
from experiments.record.sums import altered
from experiments.tasks.cifar100 import dataset as cifar100
from experiments.training.job import answered, run_job
from tests import forked

SETTINGS = (
    "task=cifar100",
    "data=sample",
    "recipe=small",
    "model.width=2",
    "trainer.channels_last=false",
    "trainer.epochs=3",
    "trainer.batch_size=100",
)
"""A run of three epochs of three steps, once `use_few_images` was called; a fraction of a second."""

READERS: dict[str, Callable[[Path], object]] = {
    "checkpoint.pt": checkpoint.load,
    "predictions.npz": read_predictions,
    "result.json": lambda file: RunDirectory(file.parent).result(),
    "metrics.jsonl": read_metrics,
    "environment.json": read_json,
    "config.yaml": read_config,
    "ledger.csv": ledger.read,
}
"""Each file that a run owns, and what reads it."""

TIMES = ("wall_seconds", "step_milliseconds", "peak_memory_mib", "finished_at", "command")
"""Columns of the ledger in which two equal runs differ."""

SEALED = ("checkpoint.pt", "predictions.npz")
"""Those with a checksum, in which any damage is refused; the others are text that people read and edit."""

SUMMED = ("config.yaml", "environment.json", "metrics.jsonl", "result.json")
"""Those that are used with a note if they are not what the run wrote."""


def use_few_images() -> None:
    """Makes data=sample the first 3 training and 2 test images of each class, for this process and its children."""
    few = [
        part[torch.arange(len(part)) % (len(part) // 100) < count]
        for part, count in zip(cifar100.load_sample(), (3, 2), strict=True)
    ]
    cifar100.load_sample = lambda *_: few


def damaged(content: bytes, chance: random.Random) -> bytes:
    """`content` with one fault of storage: a flipped bit, a zeroed or foreign block, a lost end or middle."""
    place = chance.randrange(len(content))
    end = min(len(content), place + chance.choice([16, 512, 4096]))
    kind = chance.choice(["bit", "zeros", "foreign", "cut", "hole"])
    if kind == "bit":
        return content[:place] + bytes([content[place] ^ (1 << chance.randrange(8))]) + content[place + 1 :]
    if kind == "zeros":
        return content[:place] + bytes(end - place) + content[end:]
    if kind == "foreign":
        return content[:place] + chance.randbytes(end - place) + content[end:]
    return content[:place] + (b"" if kind == "cut" else content[end:])


def same(one: object, other: object) -> bool:
    """Whether two things that were read from files are equal, tensors and arrays bit for bit."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if hasattr(one, "tobytes"):
        return (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())
    return one == other


def recorded(root: Path) -> list[dict[str, object]]:
    """The ledger below `root` without what differs between two equal runs: its rows by their ids, then its problems."""
    rows, problems = ledger.read(root / ledger.FILE)
    kept = [{key: value for key, value in row.as_result().items() if key not in TIMES} for row in rows]
    kept.sort(key=lambda row: str(row["run_id"]))
    return [*kept, *({"problem": problem} for problem in problems)]


def read_damaged(file: Path, expected: object, content: bytes) -> str:
    """What a reader makes of `content` in the place of a file: "refused", "noted", "unchanged" or "changed".

    Raises:
        Exception: what a person would see as a traceback.
    """
    whole = file.read_bytes()
    file.write_bytes(content)
    try:
        found = READERS[file.name](file)
        noted = file.name in altered(file.parent)
    except BadInput as error:
        if "\n" in str(error) or len(str(error)) > 1000:
            raise AssertionError(f"not one line: {error}") from error
        return "refused"
    finally:
        file.write_bytes(whole)
    if file.name == "ledger.csv" and found[1]:
        return "refused"  # of a damaged line, by name; the other lines are used
    if same(found, expected):
        return "unchanged"
    return "noted" if noted else "changed"


def in_child(action: Callable[[], int], log: Path) -> int:
    """Starts a process that ends with the exit code of `action`; its output goes to a file. Returns its number."""

    def lenient() -> int:
        make_output_lenient()
        return action()

    with log.open("ab") as output:
        return forked.in_child(lenient, output.fileno(), output.fileno())


def ended(child: int, seconds: float) -> int | None:
    """The exit code of a process, negative for a signal; None if it still runs after `seconds`."""
    until = time.monotonic() + seconds
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > until:
            return None
        time.sleep(0.002)


def run_of(settings: Sequence[str], largest_file: int | None = None) -> Callable[[], int]:
    """A run as the command line makes it, for `in_child`; `largest_file` in bytes stands for a full disk."""

    def action() -> int:
        if largest_file is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, resource.RLIM_INFINITY))
        return answered(lambda: run_job(*compose(list(settings))).code)

    return action


def record_rows(file: Path, results: Sequence[dict[str, object]]) -> Callable[[], int]:
    """Writes rows into a ledger one by one, for `in_child`."""

    def action() -> int:
        for result in results:
            ledger.record(file, result)
        return 0

    return action
