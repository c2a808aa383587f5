"""A ledger read as evidence: typed runs, grouped by setting.

A damaged row is reported and left out; it does not affect the others.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path

import numpy as np

from experiments.analysis.metrics import find_metric
from experiments.analysis.numbers import plural
from experiments.configuration.composition import flatten
from experiments.configuration.identity import as_recorded, under
from experiments.errors import BadInput
from experiments.record import ledger
from experiments.record.labels import ACTIVATION, activation_label, data_label, model_label, recipe_label
from experiments.record.publication import PUBLISHED, published, read_config
from experiments.record.row import Damaged, Row, shown, to_text
from experiments.record.run_directory import ARTIFACTS, CONFIG, PICTURE, PREDICTIONS, read_metrics, read_predictions
from experiments.record.run_directory import METRICS as METRICS_FILE


@dataclass(frozen=True)
class Setting:
    """Everything that must be equal for two runs to be comparable; not the activation and the seed.

    Settings are ordered field by field.
    """

    task: str
    recipe: str
    model: str
    data: str
    device: str
    """A GPU's name. On CPUs the names of all those whose runs are pooled; only pairs need the same one."""
    precision: str
    threads: int | None = None
    """None on a GPU."""
    overrides: str = "{}"
    """Overrides of recipe, model and data: a JSON object with sorted keys, so that equal ones compare equal."""
    data_fingerprint: str = ""
    """Of the content of the data; empty where it was not recorded."""

    def __lt__(self, other: "Setting") -> bool:
        return self._place < other._place

    @property
    def _place(self) -> tuple[object, ...]:
        named = (self.task, self.recipe, self.model, self.data, self.device, self.precision)
        return (*named, self.threads or 0, self.overrides, self.data_fingerprint)

    @cached_property
    def changes(self) -> dict[str, object]:
        """`overrides` as dotted key → value."""
        return json.loads(self.overrides)

    @property
    def recipe_label(self) -> str:
        """The recipe's label: `small(optim.optimizer.lr=0.05, trainer.epochs=1)`."""
        return recipe_label(self.recipe, self.changes)

    @property
    def model_label(self) -> str:
        """The model's label."""
        return model_label(self.model, self.changes)

    @property
    def data_label(self) -> str:
        """The data's label: `cifar100(held_out=5000)`."""
        return data_label(self.data, self.changes)

    @property
    def device_label(self) -> str:
        """The device, on a CPU with its threads: `AMD EPYC (2 threads)`."""
        return device_label(self.device, self.threads)

    @property
    def content_label(self) -> str:
        """`data 4f2a91c07b3e`: which content the data had; empty where it was not recorded."""
        return self.data_fingerprint and f"data {self.data_fingerprint}"


SETTING_LABELS = ("task", "recipe_label", "model_label", "data_label", "device_label", "precision", "content_label")
"""The attributes, all text, that together identify a setting."""


def device_label(device: str, threads: int | None) -> str:
    """`AMD EPYC (2 threads)`."""
    return device if threads is None else f"{device} ({plural(threads, 'thread')})"


def canonical(overrides: Mapping[str, object]) -> str:
    """Overrides as `Setting` holds them."""
    return to_text(dict(overrides))


@dataclass(frozen=True)
class Conditions:
    """What else two runs must have in common to be a pair; empty where it was not recorded."""

    torch: str = ""
    kernel: str = ""
    code_hash: str = ""
    processor: str = ""
    device: str = ""


@dataclass(frozen=True)
class Run:
    """One row of a ledger."""

    setting: Setting
    run_id: str
    status: str
    """finished, diverged or failed."""
    act: str
    """The label of the activation: `carelu(over=channel)`; `mine#a1b2c3` where two functions have the name `mine`."""
    act_name: str
    """Its name in the registry: `carelu`."""
    overrides: dict[str, object]
    """Dotted key → value: all overrides of recipe, model, data and activation."""
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
    config_hash: str
    code_hash: str
    activation_hash: str
    git_commit: str
    git_dirty: bool
    torch: str
    kernel: str
    device: str
    processor: str
    command: str
    finished_at: str
    metrics: dict[str, float]
    """The metric columns that have a value in this row."""

    @property
    def conditions(self) -> Conditions:
        """What it must have in common with another run to be a pair."""
        return Conditions(**{field.name: getattr(self, field.name) for field in fields(Conditions)})

    @property
    def full_device(self) -> str:
        """The device with its threads."""
        return device_label(self.device, self.setting.threads)

    def of_metric(self, metric: str | None) -> float | None:
        """The value of `metric` (None: the headline); None if the run has none or did not finish."""
        if self.status != "finished" or metric in (None, self.metric):
            return self.value
        return self.metrics.get(metric)


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

    def settings(self) -> list[Setting]:
        """All settings, sorted."""
        return sorted({run.setting for run in self.runs})

    def of(self, setting: Setting, baseline: str = "relu") -> dict[str, list[Run]]:
        """The runs of a setting by activation, each by seed; the baseline first, the others as registered."""
        runs = sorted((run for run in self.runs if run.setting == setting), key=lambda run: run.seed)
        return {act: [run for run in runs if run.act == act] for act in activations_of(runs, baseline)}

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


def activations_of(runs: Iterable[Run], baseline: str = "relu") -> list[str]:
    """The labels of the activations of `runs`: the baseline, then by name as the registry does, then by options."""
    places = {run.act: (run.act != baseline, run.act_name, _options(run)) for run in runs}
    return sorted(places, key=places.__getitem__)


def _options(run: Run) -> tuple[tuple[str, str], ...]:
    return tuple((key, to_text(value)) for key, value in sorted(run.overrides.items()) if under(key, (ACTIVATION,)))


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
            runs.append(_run(row))
        except Damaged as damage:
            problems.append(ledger.left_out(file, row.line, damage))
    if not runs:
        found = " ".join(problems) or "it has no rows."
        raise BadInput(f"{file} has no usable row: {found} Rebuild it with {ledger.REBUILD}")
    pooled = pooled_over_processors((run.setting, run.device) for run in runs)
    runs = _with_unlike_defaults(file, [replace(run, setting=pooled[run.setting]) for run in runs])
    runs = _with_older_settings(file, runs)
    runs, told_apart = _told_apart(runs)
    used, repeated = _newest(runs)
    return Evidence(file, tuple(used), (*problems, *told_apart, *repeated))


_SAME_IN_ROW = (
    *("run_id", "status", "overrides", "seed", "parameters", "steps", "step_milliseconds", "wall_seconds"),
    *("peak_memory_mib", "config_hash", "code_hash", "activation_hash", "git_commit", "git_dirty", "torch", "kernel"),
    *("device", "processor", "command", "finished_at", "metrics"),
)
"""The fields of `Run` that are copied from its row."""


def _run(row: Row) -> Run:
    values = {**row.metrics, **({} if row.headline_value is None else {row.headline_metric: row.headline_value})}
    for name, value in values.items():
        _check_possible(row.task, "headline_value" if name == row.headline_metric else name, name, value)
    of_setting = {key: value for key, value in row.overrides.items() if not under(key, (ACTIVATION,))}
    return Run(
        setting=Setting(
            task=row.task,
            recipe=row.recipe,
            model=row.model,
            data=row.data,
            device=row.device,
            precision=row.precision,
            threads=row.threads,
            overrides=canonical(of_setting),
            data_fingerprint=row.data_fingerprint,
        ),
        act=activation_label(row.act, row.overrides),
        act_name=row.act,
        metric=row.headline_metric,
        value=row.headline_value if row.status == "finished" else None,
        **{name: getattr(row, name) for name in _SAME_IN_ROW},
    )


def pooled_over_processors(found: Iterable[tuple[Setting, str]]) -> dict[Setting, Setting]:
    """One setting for those on CPUs that differ in the processor alone, which names all: pairs are of one processor.

    Args:
        found: the setting and the device of each run.
    """
    runs = list(found)
    names: dict[Setting, set[str]] = {}
    for setting, device in runs:
        names.setdefault(_without_processor(setting), set()).add(device)
    return {
        setting: replace(setting, device=" and ".join(sorted(names[_without_processor(setting)])))
        for setting, _ in runs
    }


def _without_processor(setting: Setting) -> Setting:
    return setting if setting.threads is None else replace(setting, device="")


def _with_unlike_defaults(file: Path, runs: list[Run]) -> list[Run]:
    """`runs`, with the options of an activation whose default is not the same in all of them among their overrides.

    A default may change from one commit to another. By their published configurations such runs are told apart, so
    that none is pooled with one of another default under one label.
    """
    of_all = Evidence(file, tuple(runs), ())
    commits: dict[str, set[str]] = {}
    for run in runs:
        commits.setdefault(run.act_name, set()).add(run.git_commit)
    defaults = [_defaults(of_all, run) if len(commits[run.act_name]) > 1 else {} for run in runs]
    values: dict[tuple[str, str], set[str]] = {}
    for run, of_run in zip(runs, defaults, strict=True):
        for key, value in of_run.items():
            values.setdefault((run.act_name, key), set()).add(to_text(value))
    return [
        _with(run, {key: value for key, value in of_run.items() if len(values[run.act_name, key]) > 1})
        for run, of_run in zip(runs, defaults, strict=True)
    ]


def _defaults(evidence: Evidence, run: Run) -> dict[str, object]:
    """The options of a run's activation that it did not override; empty where no configuration is published."""
    act = (evidence.config_of(run) or {}).get("act")
    options = act.get("options") if isinstance(act, dict) else None
    of_act = as_recorded({f"{ACTIVATION}.{key}": value for key, value in (options or {}).items()})
    return {key: value for key, value in of_act.items() if key not in run.overrides}


def _with(run: Run, options: dict[str, object]) -> Run:
    overrides = run.overrides | options
    return replace(run, overrides=overrides, act=activation_label(run.act_name, overrides)) if options else run


def _with_older_settings(file: Path, runs: list[Run]) -> list[Run]:
    """`runs`, with what a recipe, model or data set gave an activation at an older commit among their overrides.

    A recipe may change, or a learning rate be tuned anew. By their published configurations the runs of one activation
    that do not have what its newest run has are of another setting, so that no table pools the two.
    """
    of_all = Evidence(file, tuple(runs), ())
    groups: dict[tuple[Setting, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.setting, run.act), []).append(run)
    older: dict[int, Run] = {}
    for group in groups.values():
        if len({run.git_commit for run in group}) == 1:
            continue
        given = {id(run): _given(of_all, run) for run in group}
        newest = given[id(max(group, key=lambda run: datetime.fromisoformat(run.finished_at)))]
        for run in group:
            own = given[id(run)]
            unlike = {key: own[key] for key in own.keys() & newest.keys() if to_text(own[key]) != to_text(newest[key])}
            if unlike:
                setting = replace(run.setting, overrides=canonical(run.setting.changes | unlike))
                older[id(run)] = replace(run, setting=setting, overrides=run.overrides | unlike)
    return [older.get(id(run), run) for run in runs]


def _given(evidence: Evidence, run: Run) -> dict[str, object]:
    """What a run did not override, but for activation and seed; empty where no configuration is published."""
    leaves = as_recorded(flatten(evidence.config_of(run) or {}))
    return {key: value for key, value in leaves.items() if not under(key, ("act", "seed", *run.overrides))}


def _told_apart(runs: list[Run]) -> tuple[list[Run], list[str]]:
    """`runs`, labelled like `mine#a1b2c3` where a name has several functions, and a sentence for each such name."""
    functions: dict[str, set[str]] = {}
    for run in runs:
        functions.setdefault(run.act_name, set()).add(run.activation_hash)
    several = {name: sorted(hashes) for name, hashes in functions.items() if len(hashes) > 1}
    labelled = [
        replace(run, act=_function_label(run.act_name, run.activation_hash) + run.act.removeprefix(run.act_name))
        if run.act_name in several
        else run
        for run in runs
    ]
    return labelled, [
        f"{name} is the name of {len(hashes)} functions here (columns act and activation_hash), and they are never "
        f"pooled: {', '.join(_function_label(name, each) for each in hashes)}."
        for name, hashes in sorted(several.items())
    ]


def _function_label(name: str, activation_hash: str) -> str:
    return f"{name}#{activation_hash[:6] or 'unknown'}"


def _check_possible(task: str, column: str, name: str, value: float) -> None:
    """Raises `Damaged` for a value that is better than the best possible."""
    kind = find_metric(task, name)
    if kind and kind.best_possible is not None:
        beyond = value > kind.best_possible if kind.higher_is_better else value < kind.best_possible
        if beyond:
            raise Damaged(
                f"column {column!r} is {shown(to_text(value))}, and the best possible is {kind.best_possible:g}"
            )


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
