"""Proper names for what a person reads. The registry's and the configs' names stay the keys, in CSV files and W&B."""

from experiments.analysis.runs import Setting
from experiments.configuration.composition import options_of
from experiments.configuration.task_spec import TaskSpec, spec_of
from experiments.record.labels import data_label, model_label

_ACTIVATIONS = {
    "relu": "ReLU",
    "prelu": "PReLU",
    "leaky_relu": "Leaky ReLU",
    "elu": "ELU",
    "selu": "SELU",
    "gelu": "GELU",
    "swish": "Swish",
    "mish": "Mish",
    "carelu": "CAReLU",
    "carelu_sign": "CAReLU (sign)",
}


def activation_name(label: str) -> str:
    """`CAReLU (over=channel)` for the label `carelu(over=channel)`; an unknown activation keeps its own name."""
    name, bracket, options = label.partition("(")
    return _ACTIVATIONS.get(name, name) + (f" ({options}" if bracket else "")


def task_name(task: str) -> str:
    """`CIFAR-100` for the task `cifar100`; a task that this checkout does not know keeps its own name."""
    spec = _spec(task)
    return spec.title if spec else task


def data_name(setting: Setting) -> str:
    """`SNLI (38.7k subset)` for the data `snli-38.7k-subset`, with what departs from it in brackets."""
    spec = _spec(setting.task)
    title = spec.data_titles.get(setting.data) if spec else None
    return _with_changes(title or setting.data, data_label("", setting.changes))


def model_name(setting: Setting) -> str:
    """`ResNet-18 w32` for the model `resnet18-w32`, with what departs from it in brackets."""
    spec = _spec(setting.task)
    family, _, size = setting.model.partition("-")
    title = spec.model_titles.get(family) if spec else None
    return _with_changes(f"{title} {size}".rstrip() if title else setting.model, model_label("", setting.changes))


def _with_changes(name: str, changes: str) -> str:
    return f"{name} {changes}" if changes else name


def _spec(task: str) -> TaskSpec | None:
    """None for a task that this checkout does not know."""
    return spec_of(task) if task in options_of("task") else None
