"""The metrics of a ledger, as described in their task's spec.py."""

from dataclasses import replace

from experiments.configuration.composition import options_of
from experiments.configuration.task_spec import Metric, spec_of, task_package
from experiments.errors import unknown


def find_metric(task: str, name: str) -> Metric | None:
    """The metric of a column, or None if it is unknown in this checkout."""
    known = spec_of(task).metrics if task in options_of("task") else {}
    return known.get(name.rpartition("/")[2])


def describe_metric(task: str, name: str) -> Metric:
    """The metric of a column; `set5/psnr_y` is `psnr_y` with the set in its title.

    Raises:
        BadInput: the task or the metric is unknown.
    """
    metrics = spec_of(task).metrics
    measured_on, _, base = name.rpartition("/")
    if base not in metrics:
        known = f"known ({task_package(task)}.spec): {', '.join(metrics)}"
        raise unknown(f"metric of task={task}", name, metrics, known)
    metric = metrics[base]
    return replace(metric, title=f"{metric.title} on {measured_on}") if measured_on else metric


def difference_unit(metric: Metric) -> str:
    """The unit of a difference of two values: percentages differ by points."""
    return "points" if metric.unit == "%" else metric.unit


def margin_of(task: str, name: str) -> float | None:
    """The margin of practical equivalence: that of the headline on every set; None for another metric.

    Raises:
        BadInput: the task is unknown.
    """
    spec = spec_of(task)
    return spec.margin if name.rpartition("/")[2] == spec.headline else None
