"""The runs of an output root as a person handles them: found in the ledger and on disk, named, measured, removed."""

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import filelock
import yaml

from experiments.errors import BadInput, one_line, unknown
from experiments.record import ledger
from experiments.record.labels import activation_label
from experiments.record.row import Damaged, Row
from experiments.record.run_directory import CONFIG, LOCK, RESULT, RunDirectory, read_json
from experiments.record.sums import note_on_altered

RUNNING, INTERRUPTED = "running", "interrupted"
"""Statuses of runs without a result: a process holds it, or none does and the same command resumes it."""

ENDED = ("finished", "diverged", "failed")
STATUSES = (*ENDED, RUNNING, INTERRUPTED)


@dataclass(frozen=True)
class StoredRun:
    """One run of an output root.

    Args:
        run_id: its id.
        task, recipe, act: its names; `act` with the options that differ.
        seed: its seed.
        status: one of `STATUSES`.
        metric, value: its headline; None where there is none.
        changed: when it ended, or when its folder last changed; seconds since 1970.
        wall_seconds: how long it took; None while it has no result.
        folder: its directory; None where only the ledger has it.
        size: of its directory, in bytes.
        in_ledger: whether the ledger has its row.
        row: its row, from the ledger or its result; None where it has neither.
    """

    run_id: str
    task: str
    recipe: str
    act: str
    seed: int
    status: str
    metric: str | None
    value: float | None
    changed: float
    wall_seconds: float | None
    folder: Path | None
    size: int
    in_ledger: bool
    row: Row | None


def stored_runs(output_root: Path) -> tuple[list[StoredRun], list[str]]:
    """The runs of a ledger and of the folders beside it, and a sentence for each that cannot be read or was altered.

    Raises:
        BadInput: there is no such folder, or its ledger is not a ledger.
    """
    if not output_root.is_dir():
        raise BadInput(f"{output_root} is not a folder; name the output_root of your runs with --output-root")
    rows, problems = ledger.read(output_root / ledger.FILE)
    known = {row.run_id: row for row in rows}
    found: dict[str, StoredRun] = {}
    for folder in run_folders(output_root):
        try:
            run = _from_folder(folder, known)
        except (BadInput, Damaged, OSError, ValueError, TypeError, KeyError, yaml.YAMLError) as error:
            problems.append(f"{folder} is left out: {one_line(error)}")
            continue
        found[run.run_id] = run
        if run.status in ENDED and (note := note_on_altered(folder)):
            problems.append(note)
    found |= {run_id: _from_row(row, None, 0, in_ledger=True) for run_id, row in known.items() if run_id not in found}
    return sorted(found.values(), key=lambda run: run.changed), problems


def run_folders(output_root: Path) -> list[Path]:
    """The directories of runs, finished or not; without what a restart replaced."""
    files = sorted({*output_root.rglob(CONFIG), *output_root.rglob(RESULT)})
    folders = dict.fromkeys(file.parent for file in files)
    return [folder for folder in folders if not {"replaced", "wandb"} & {*folder.relative_to(output_root).parts}]


def _from_folder(folder: Path, known: Mapping[str, Row]) -> StoredRun:
    size = folder_size(folder)
    result = read_json(folder / RESULT)
    if result is not None:
        row = Row.from_result(result)
        return _from_row(row, folder, size, in_ledger=row.run_id in known)
    config = yaml.safe_load((folder / CONFIG).read_text(encoding="utf-8"))
    task, recipe, act, seed = config["task"]["name"], config["recipe"], config["act"]["name"], config["seed"]
    run_id = f"{task}-{recipe}-{act}-{folder.name}"
    options = {f"act.options.{key}": value for key, value in (config["act"].get("options") or {}).items()}
    return StoredRun(
        run_id=run_id,
        task=task,
        recipe=recipe,
        act=activation_label(act, options),
        seed=seed,
        status=RUNNING if is_held(folder) else INTERRUPTED,
        metric=None,
        value=None,
        changed=max(file.stat().st_mtime for file in folder.iterdir()),
        wall_seconds=None,
        folder=folder,
        size=size,
        in_ledger=run_id in known,
        row=None,
    )


def _from_row(row: Row, folder: Path | None, size: int, in_ledger: bool) -> StoredRun:
    return StoredRun(
        run_id=row.run_id,
        task=row.task,
        recipe=row.recipe,
        act=activation_label(row.act, row.overrides),
        seed=row.seed,
        status=row.status,
        metric=row.headline_metric,
        value=row.headline_value,
        changed=datetime.fromisoformat(row.finished_at).timestamp(),
        wall_seconds=row.wall_seconds,
        folder=folder,
        size=size,
        in_ledger=in_ledger,
        row=row,
    )


def folder_size(folder: Path) -> int:
    """Bytes of all files below a folder."""
    total = 0
    for parent, _, names in os.walk(folder):
        total += sum(os.lstat(os.path.join(parent, name)).st_size for name in names)
    return total


def is_held(folder: Path) -> bool:
    """Whether a process is running the run."""
    lock = folder / LOCK
    if not lock.exists():
        return False
    try:
        with filelock.FileLock(lock, timeout=0):
            return False
    except filelock.Timeout:
        return True


def choose(
    runs: Iterable[StoredRun],
    task: str | None = None,
    act: str | None = None,
    recipe: str | None = None,
    status: str | None = None,
) -> list[StoredRun]:
    """The runs with these names; `act` is a label, or a name for it with any options.

    Raises:
        BadInput: no run has such a name; the message lists those that there are.
    """
    runs = list(runs)
    for what, wanted, of in (
        ("task", task, lambda run: {run.task}),
        ("act", act, lambda run: {run.act, run.act.partition("(")[0]}),
        ("recipe", recipe, lambda run: {run.recipe}),
        ("status", status, lambda run: {run.status}),
    ):
        if wanted is None:
            continue
        known = {name for run in runs for name in of(run)} | (set(STATUSES) if what == "status" else set())
        if wanted not in known:
            raise unknown(f"{what} of these runs:", wanted, known)
        runs = [run for run in runs if wanted in of(run)]
    return runs


def named(runs: Sequence[StoredRun], name: str) -> StoredRun:
    """The run that a person means: its folder, its id, or a part of it that no other has.

    Raises:
        BadInput: there is none, or there are several.
    """
    folder = Path(name).resolve()
    for run in runs:
        if run.folder is not None and run.folder.resolve() == folder:
            return run
    meant = run_id_named(name, [run.run_id for run in runs], "all of them: python scripts/runs.py list")
    return next(run for run in runs if run.run_id == meant)


def run_id_named(name: str, run_ids: Iterable[str], all_shown_by: str) -> str:
    """The run_id that is `name`, or the only one that has it as a part.

    Args:
        name: what a person typed.
        run_ids: those there are.
        all_shown_by: what shows them all, as a sentence.

    Raises:
        BadInput: no run_id has it, or several have.
    """
    run_ids = list(run_ids)
    matches = [name] if name in run_ids else [run_id for run_id in run_ids if name in run_id]
    if not matches:
        raise unknown("run", name, run_ids, all_shown_by)
    if len(matches) > 1:
        listed = ", ".join(matches[:5]) + (", …" if len(matches) > 5 else "")
        raise BadInput(f"{name!r} is part of {len(matches)} runs; name one of them: {listed}")
    return matches[0]


def remove(output_root: Path, runs: Sequence[StoredRun]) -> None:
    """Deletes the folders of runs and their rows in the ledger.

    Raises:
        BadInput: a process is running one of them, or the ledger is damaged; nothing is deleted then.
    """
    with_folder = [run for run in runs if run.folder is not None]
    for run in with_folder:
        if is_held(run.folder):
            raise BadInput(f"{run.folder} is in use by a process, so nothing was removed; stop it first")
    # The rows first: a folder without a row is found again by rebuilding the ledger, but not the other way round.
    ledger.remove(output_root / ledger.FILE, {run.run_id for run in runs if run.in_ledger})
    for run in with_folder:
        with RunDirectory(run.folder).lock():
            (run.folder / RESULT).unlink(missing_ok=True)  # a deletion that is cut short leaves no finished run
        shutil.rmtree(run.folder)
        for parent in run.folder.parents:
            if parent == output_root or any(parent.iterdir()):
                break
            parent.rmdir()
