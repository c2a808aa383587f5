"""What a task tells of itself without torch: its metrics, its margin, and the options of its data and models.

Each task's folder holds it as `SPEC` in spec.py; it is found by the name that configs/task/<name>.yaml gives.
"""

import functools
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from experiments.configuration.composition import option_file
from experiments.configuration.options import DataOptions, ModelOptions, TaskOptions
from experiments.errors import BadInput, one_line


@dataclass(frozen=True)
class Metric:
    """How a metric is written and compared.

    Args:
        title: its name in a heading.
        unit: "%", "dB" or "" for a number without unit.
        decimals: those worth printing.
        higher_is_better: which direction is better.
        best_possible: the value that nothing exceeds; None where there is none, as for PSNR.
        chance: the value of guessing; None where it depends on the data, or where guessing has no meaning.
        chance_of: the same from a run's configuration as nested dicts, where it depends on the data; None if unknown.
    """

    title: str
    unit: str
    decimals: int
    higher_is_better: bool
    best_possible: float | None = None
    chance: float | None = None
    chance_of: Callable[[Mapping[str, Any]], float | None] | None = None

    @property
    def heading(self) -> str:
        """The title with its unit, for the head of a column or an axis."""
        return f"{self.title}, {self.unit}" if self.unit else self.title


TORCHVISION, PADDED = "torchvision", "padded"
"""The reference loops: a plain PyTorch script with torchvision's transforms; the suite, every text padded to the
longest of the dataset."""


@dataclass(frozen=True)
class Benchmark:
    """How the speed of a task is measured.

    Args:
        unit: what is counted, like "images".
        count: how many of them a training batch holds; padding does not count.
        data: the settings that choose a dataset, by the file under `--data-root` that shows that it is there; `{root}`
            stands for that folder. Without any of them the bundled sample is used.
        reference_loop: what training by the suite is compared with, `TORCHVISION` or `PADDED`; None: nothing.
        targets: bounds by the names that `experiments.benchmarking.targets` knows.
        full_size: examples for training and for testing of the whole dataset, for the time that an epoch takes.
    """

    unit: str
    count: Callable[[Any], Any]
    data: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    reference_loop: str | None = None
    targets: Mapping[str, float] = field(default_factory=dict)
    full_size: tuple[int, int] | None = None


@dataclass(frozen=True)
class TaskSpec:
    """A task as the suite around it sees it.

    Args:
        name: as in configs/task/<name>.yaml.
        title: its name in a heading.
        headline: the metric that a run is judged by, a key of `metrics`.
        metrics: by the name of the column, without the set that it is measured on.
        margin: the difference in the headline's unit below which two activations count as equivalent in practice.
        task: the options `task.*`.
        data: the options `data.*`, by `data.source`.
        models: the options `model.*`, by `model.architecture`.
        benchmark: how its speed is measured; None: it is not.
        data_titles: proper names of data, by `data.name`.
        model_titles: proper names of models, by what `model.name` has before its first dash; its size comes after it.
        libraries: further packages that its results depend on, by their name on PyPI; a run records their versions.
    """

    name: str
    title: str
    headline: str
    metrics: Mapping[str, Metric]
    margin: float
    task: type[TaskOptions]
    data: Mapping[str, type[DataOptions]]
    models: Mapping[str, type[ModelOptions]]
    benchmark: Benchmark | None = field(default=None, compare=False)
    data_titles: Mapping[str, str] = field(default_factory=dict, compare=False)
    model_titles: Mapping[str, str] = field(default_factory=dict, compare=False)
    libraries: tuple[str, ...] = field(default=(), compare=False)


def task_package(task: str) -> str:
    """The Python package of a task, as its file in configs/task says.

    Raises:
        BadInput: there is no such task, or its file names no package.
    """
    file = option_file("task", task)
    return _package_named_in(file, file.stat().st_mtime_ns)


@functools.cache
def _package_named_in(file: Path, _changed: int) -> str:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInput(f"{file} is not YAML: {one_line(error)}") from error
    package = (content.get("task") or {}).get("package")
    if not package:
        raise BadInput(
            f"{file} names no task.package; it is the Python package that holds the task's spec.py and task.py"
        )
    return package


def spec_of(task: str) -> TaskSpec:
    """What the task called `task` tells of itself.

    Raises:
        BadInput: there is no such task, or its package cannot be imported.
    """
    package = task_package(task)
    try:
        return importlib.import_module(f"{package}.spec").SPEC
    except (ImportError, AttributeError) as error:
        raise BadInput(
            f"task={task}: {package}.spec cannot be imported ({error}); "
            "put the folder that holds the package on PYTHONPATH, and SPEC in its spec.py"
        ) from error
