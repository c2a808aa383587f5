"""A ledger read as evidence: typed runs, grouped by what must be equal for two of them to be compared.

A damaged row is named and left out; it never changes what the others say.
"""

import contextlib
import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from experiments.analysis.cells import (
    Damaged,
    count,
    is_number,
    number,
    one_of,
    read,
    read_metric,
    some_text,
    split_row,
    time,
)
from experiments.errors import BadInput
from experiments.record.ledger import COLUMNS, REBUILD
from experiments.record.run_directory import ARTIFACTS, PICTURE, read_metrics
from experiments.record.run_directory import METRICS as METRICS_FILE

STATUSES = ("finished", "diverged", "failed")

NOT_A_METRIC = ("headline_epoch",)
"""Columns beyond those of every ledger that measure nothing."""


@dataclass(frozen=True, order=True)
class Setting:
    """What must be equal for two values to be compared; the activation and the seed are not part of it."""

    task: str
    recipe: str
    model: str
    data: str
    device: str
    """Without the number of threads."""
    precision: str


@dataclass(frozen=True)
class Run:
    """One row of a ledger."""

    setting: Setting
    run_id: str
    status: str
    """One of `STATUSES`."""
    act: str
    seed: int
    metric: str
    """The headline metric."""
    value: float | None
    """Of the headline metric; None for a run that did not finish."""
    parameters: int
    steps: int
    step_milliseconds: float
    wall_seconds: float
    peak_memory_mib: float
    full_device: str
    """With the number of threads."""
    git_commit: str
    git_dirty: bool
    torch: str
    command: str
    finished_at: str
    metrics: dict[str, float]
    """The metric columns that have a value in this row."""

    def of_metric(self, metric: str | None) -> float | None:
        """The value of `metric` (None: the headline); None where the run has none or did not finish."""
        if self.status != "finished" or metric in (None, self.metric):
            return self.value
        return self.metrics.get(metric)


@dataclass(frozen=True)
class Evidence:
    """The usable rows of a ledger and what is wrong with the others."""

    file: Path
    runs: tuple[Run, ...]
    problems: tuple[str, ...]
    """One sentence each: rows left out (line, column, value) and runs that are there twice."""

    def settings(self) -> list[Setting]:
        """All settings, sorted."""
        return sorted({run.setting for run in self.runs})

    def of(self, setting: Setting, baseline: str = "relu") -> dict[str, list[Run]]:
        """The runs of a setting by activation, each by seed; the baseline first, the others as registered."""
        runs = sorted((run for run in self.runs if run.setting == setting), key=lambda run: run.seed)
        acts = sorted({run.act for run in runs}, key=lambda act: activation_order(act, baseline))
        return {act: [run for run in runs if run.act == act] for act in acts}

    def metrics_of(self, run: Run) -> list[dict[str, object]] | None:
        """The records of a run's metrics.jsonl, or None where there is none.

        Raises:
            BadInput: a line of the file is damaged.
        """
        file = self._file_of(run, f"metrics/{run.run_id}.jsonl", METRICS_FILE)
        return None if file is None else read_metrics(file)

    def without_metrics(self) -> list[str]:
        """A sentence for each finished run of which no curve can be drawn."""
        lacking = [run for run in self.runs if run.status == "finished" and not self.metrics_of(run)]
        return [f"{run.run_id} has no metrics.jsonl beside {self.file.name}: no curves of it" for run in lacking]

    def picture_of(self, run: Run) -> Path | None:
        """The comparison picture of a run, or None where there is none."""
        return self._file_of(run, f"pictures/{run.run_id}.png", f"{ARTIFACTS}/{PICTURE}")

    def _file_of(self, run: Run, published: str, own: str) -> Path | None:
        """What a run left: beside the ledger (published runs), else in the run directories beside it (own runs)."""
        folder = self.file.parent
        config_hash = run.run_id.rpartition("-")[2]
        found = folder.glob(f"{run.setting.task}/*/*/s{run.seed}-{config_hash}/{own}")
        return folder / published if (folder / published).exists() else next(found, None)


def activation_order(act: str, baseline: str = "relu") -> tuple[bool, str, str]:
    """Sorts labels of activations: the baseline first, then by name as the registry does, then by options."""
    name, _, options = act.partition("(")
    return act != baseline, name, options


def read_evidence(ledger: Path) -> Evidence:
    """Reads a ledger.

    Of several rows with the same setting, activation and seed the newest is used; the others are
    named in `problems`, as are the rows that cannot be read.

    Raises:
        BadInput: there is no such file, it is not a ledger, or no row of it can be used.
    """
    if not ledger.is_file():
        raise BadInput(
            f"there is no ledger {ledger}; name one with --ledger, or make one: {REBUILD} for the runs of this "
            "checkout, python scripts/publish_results.py for the published ones"
        )
    # Line by line, since no field of a ledger holds a line break: a quote that is never closed then
    # damages its own row only.
    try:
        lines = ledger.read_text(encoding="utf-8-sig", errors="replace").split("\n")
    except OSError as error:
        raise BadInput(f"{ledger} cannot be read: {error.strerror}; name another with --ledger") from error
    header = _header(ledger, lines)
    metrics = _metric_columns(header, lines)
    runs, problems = [], []
    for place, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        try:
            runs.append(_run(split_row(header, line), metrics))
        except Damaged as damage:
            problems.append(f"line {place} of {ledger.name} is left out: {damage}.")
    if not runs:
        found = "; ".join(problems) or "it has no rows"
        raise BadInput(f"{ledger} has no row that can be used: {found}; rebuild it with {REBUILD}")
    used, repeated = _newest(runs)
    return Evidence(ledger, tuple(used), (*problems, *repeated))


def _header(ledger: Path, lines: list[str]) -> list[str]:
    try:
        header = next(csv.reader(lines[:1]), [])
    except csv.Error as error:
        raise BadInput(f"{ledger} is not a ledger ({error}); rebuild it with {REBUILD}") from error
    missing = [column for column in COLUMNS if column not in header]
    if missing:
        raise BadInput(f"{ledger} is not a ledger: column {missing[0]!r} is missing; rebuild it with {REBUILD}")
    repeated = [column for column in header if header.count(column) > 1]
    if repeated:
        raise BadInput(f"{ledger} is not a ledger: column {repeated[0]!r} is there twice; rebuild it with {REBUILD}")
    return header


def _metric_columns(header: list[str], lines: list[str]) -> list[str]:
    """The columns beyond those of every ledger that hold a number somewhere; others are remarks."""
    further = [column for column in header if column not in COLUMNS and column not in NOT_A_METRIC]
    found = set()
    for line in lines[1:]:
        with contextlib.suppress(Damaged):
            row = split_row(header, line)
            found |= {column for column in further if is_number(row[column])}
    return [column for column in further if column in found]


def _run(row: dict[str, str], metrics: list[str]) -> Run:
    status = read(row, "status", one_of(*STATUSES), " or ".join(STATUSES))
    text = {column: read(row, column, some_text, "some text") for column in ("run_id", "act", "headline_metric")}
    fields = {column: read(row, column, some_text, "some text") for column in Setting.__dataclass_fields__}
    setting = Setting(**{**fields, "device": re.sub(r" \(\d+ threads?\)$", "", fields["device"])})
    measured = {column: read(row, column, number, "a number") for column in _MEASURES}
    counted = {column: read(row, column, count, "an integer ≥ 0") for column in ("seed", "parameters", "steps")}
    finished = status == "finished"
    return Run(
        setting=setting,
        run_id=text["run_id"],
        status=status,
        act=text["act"],
        metric=text["headline_metric"],
        value=read_metric(row, "headline_value", text["headline_metric"]) if finished else None,
        **counted,
        **measured,
        full_device=fields["device"],
        git_commit=row["git_commit"],
        git_dirty=read(row, "git_dirty", one_of("True", "False"), "True or False") == "True",
        torch=row["torch"],
        command=row["command"],
        finished_at=read(row, "finished_at", time, "a time like 2026-01-31T12:00:00Z"),
        metrics={column: read_metric(row, column, column) for column in metrics if row[column]},
    )


_MEASURES = ("step_milliseconds", "wall_seconds", "peak_memory_mib")


def _newest(runs: list[Run]) -> tuple[list[Run], list[str]]:
    """The newest run of each setting, activation and seed, and a sentence for each that is not used."""
    same: dict[tuple[Setting, str, int], list[Run]] = {}
    for run in runs:
        same.setdefault((run.setting, run.act, run.seed), []).append(run)
    used, repeated = [], []
    for group in same.values():
        *older, newest = sorted(group, key=lambda run: datetime.fromisoformat(run.finished_at))
        used.append(newest)
        repeated += _sentences(older, newest)
    return used, repeated


def _sentences(older: list[Run], newest: Run) -> Iterator[str]:
    for run in older:
        yield (
            f"{run.run_id} of {run.finished_at} is not used: {newest.run_id} of {newest.finished_at} is newer and has "
            f"the same setting, activation ({run.act}) and seed ({run.seed})."
        )
