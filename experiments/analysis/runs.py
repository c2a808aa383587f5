"""The runs of a ledger, typed, and the setting in which each was made."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property

from experiments.analysis.metrics import find_metric
from experiments.analysis.numbers import plural
from experiments.configuration.identity import under
from experiments.record.labels import ACTIVATION, activation_label, data_label, model_label, recipe_label
from experiments.record.row import BFLOAT16_FLAGS, Damaged, Row, shown, to_text


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
        found = Conditions(**{field.name: getattr(self, field.name) for field in fields(Conditions)})
        if self.setting.precision != "float32":
            return found
        of_float32 = (word for word in self.processor.split() if word not in BFLOAT16_FLAGS)
        return replace(found, processor=" ".join(of_float32))

    @property
    def full_device(self) -> str:
        """The device with its threads."""
        return device_label(self.device, self.setting.threads)

    def of_metric(self, metric: str | None) -> float | None:
        """The value of `metric` (None: the headline); None if the run has none or did not finish."""
        if self.status != "finished" or metric in (None, self.metric):
            return self.value
        return self.metrics.get(metric)


def activations_of(runs: Iterable[Run], baseline: str = "relu") -> list[str]:
    """The labels of the activations of `runs`: the baseline, then by name as the registry does, then by options."""
    places = {run.act: (run.act != baseline, run.act_name, _options(run)) for run in runs}
    return sorted(places, key=places.__getitem__)


def _options(run: Run) -> tuple[tuple[str, str], ...]:
    return tuple((key, to_text(value)) for key, value in sorted(run.overrides.items()) if under(key, (ACTIVATION,)))


_SAME_IN_ROW = (
    *("run_id", "status", "overrides", "seed", "parameters", "steps", "step_milliseconds", "wall_seconds"),
    *("peak_memory_mib", "config_hash", "code_hash", "activation_hash", "git_commit", "git_dirty", "torch", "kernel"),
    *("device", "processor", "command", "finished_at", "metrics"),
)
"""The fields of `Run` that are copied from its row."""


def run_of(row: Row) -> Run:
    """A row of a ledger as a run.

    Raises:
        Damaged: a value is better than the best possible.
    """
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


def _check_possible(task: str, column: str, name: str, value: float) -> None:
    """Raises `Damaged` for a value that is better than the best possible."""
    kind = find_metric(task, name)
    if kind and kind.best_possible is not None:
        beyond = value > kind.best_possible if kind.higher_is_better else value < kind.best_possible
        if beyond:
            raise Damaged(
                f"column {column!r} is {shown(to_text(value))}, and the best possible is {kind.best_possible:g}"
            )
