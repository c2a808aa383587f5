"""A ledger read as evidence: typed runs, grouped by setting.

A damaged row is reported and left out; it does not affect the others.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np

from experiments.analysis.metrics import describe_metric
from experiments.analysis.runs import Run, Setting, activations_of, run_of
from experiments.analysis.told_apart import by_commit, by_function, pooled_over_processors
from experiments.configuration.task_spec import Metric
from experiments.errors import BadInput
from experiments.record import ledger
from experiments.record.publication import PUBLISHED, published, read_config
from experiments.record.row import Damaged
from experiments.record.run_directory import ARTIFACTS, CONFIG, PICTURE, PREDICTIONS, read_metrics, read_predictions
from experiments.record.run_directory import METRICS as METRICS_FILE


@dataclass(frozen=True)
class Evidence:
    """The usable rows of a ledger, and the problems of the others."""

    file: Path
    runs: tuple[Run, ...]
    problems: tuple[str, ...]
    """One sentence each: rows left out (line, column, value), duplicate runs, and names with several functions."""
    recipe: str | None = None
    """The recipe of which all runs are, if they were chosen by it."""
    selected: tuple[str, ...] = ()
    """The settings by which they were chosen, `KEY=VALUE` each."""
    left_out: tuple[tuple[str, str], ...] = ()
    """(task, sentence) of each group of runs that the choice of runs left out unasked."""

    def warnings(self, task: str = "") -> tuple[str, ...]:
        """What is missing: `problems` and the sentences of `left_out`, of one task or of all."""
        return (*self.problems, *(sentence for of_task, sentence in self.left_out if task in ("", of_task)))

    def settings(self) -> list[Setting]:
        """All settings, sorted."""
        return sorted({run.setting for run in self.runs})

    def of(self, setting: Setting, baseline: str = "relu") -> dict[str, list[Run]]:
        """The runs of a setting by activation, each by seed; the baseline first, the others as registered."""
        runs = sorted((run for run in self.runs if run.setting == setting), key=lambda run: run.seed)
        return {act: [run for run in runs if run.act == act] for act in activations_of(runs, baseline)}

    def metric(self, setting: Setting, name: str) -> Metric:
        """The metric of a column as `describe_metric`, with the value of guessing on this setting's data, if known.

        Raises:
            BadInput: the metric is unknown, or the configuration of a run is damaged.
        """
        metric = describe_metric(setting.task, name)
        if metric.chance_of is None:
            return metric
        configs = (self.config_of(run) for run in self.runs if run.setting == setting)
        config = next((each for each in configs if each is not None), None)
        return metric if config is None else replace(metric, chance=metric.chance_of(config))

    def metrics_of(self, run: Run) -> list[dict[str, object]] | None:
        """The records of a run's metrics.jsonl, or None.

        Raises:
            BadInput: a line of the file is damaged.
        """
        file = self._file_of(run, METRICS_FILE)
        return None if file is None else read_metrics(file)

    def without_metrics(self) -> list[str]:
        """A sentence for each finished run without curves."""
        lacking = [run for run in self.runs if run.status == "finished" and not self.metrics_of(run)]
        return [f"{run.run_id} has no metrics.jsonl beside {self.file.name}: no curves of it" for run in lacking]

    def picture_of(self, run: Run) -> Path | None:
        """The comparison picture of a run, or None."""
        return self._file_of(run, f"{ARTIFACTS}/{PICTURE}")

    def config_of(self, run: Run) -> dict[str, object] | None:
        """The configuration of a run as nested dicts, or None.

        Raises:
            BadInput: the file is damaged.
        """
        file = self._file_of(run, CONFIG)
        return None if file is None else read_config(file)

    def predictions_of(self, run: Run) -> dict[str, np.ndarray] | None:
        """The results of a run's single examples by `<set>/<name>`, or None.

        Raises:
            BadInput: the file is damaged.
        """
        file = self._file_of(run, PREDICTIONS)
        return None if file is None else read_predictions(file)

    def _file_of(self, run: Run, name: str) -> Path | None:
        """A file of a run: published next to the ledger, else in the run directories next to it."""
        assert name in PUBLISHED
        beside = published(self.file, name, run.run_id)
        if beside.exists():
            return beside
        own = self.file.parent.glob(f"{run.setting.task}/*/*/s{run.seed}-{run.config_hash}/{name}")
        return next(own, None)


def read_evidence(file: Path) -> Evidence:
    """Reads a ledger.

    Of several rows with the same setting, activation and seed the newest is used. `problems` lists the
    others and the rows that cannot be read.

    Raises:
        BadInput: there is no such file, it is not a ledger, or it has no usable row.
    """
    if not file.exists():
        raise BadInput(
            f"there is no ledger {file}; name one with --ledger, or make one: {ledger.REBUILD} for the runs of this "
            "checkout, python scripts/publish_results.py for the published ones"
        )
    rows, unread = ledger.read(file)
    runs, problems = [], list(unread)
    for row in rows:
        try:
            runs.append(run_of(row))
        except Damaged as damage:
            problems.append(ledger.left_out(file, row.line, damage))
    if not runs:
        found = " ".join(problems) or "it has no rows."
        raise BadInput(f"{file} has no usable row: {found} Rebuild it with {ledger.REBUILD}")
    pooled = pooled_over_processors((run.setting, run.device) for run in runs)
    runs = [replace(run, setting=pooled[run.setting]) for run in runs]
    runs, several = by_function(by_commit(runs, Evidence(file, tuple(runs), ()).config_of))
    used, repeated = _newest(runs)
    return Evidence(file, tuple(used), (*problems, *several, *repeated))


def _newest(runs: list[Run]) -> tuple[list[Run], list[str]]:
    """The newest run of each setting, activation and seed, and a sentence for each older one."""
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
