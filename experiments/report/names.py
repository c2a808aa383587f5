"""Proper names for what a person reads. The registry's and the configs' names stay the keys, in CSV files and W&B."""

from experiments.analysis.runs import Setting
from experiments.configuration.composition import options_of
from experiments.configuration.task_spec import spec_of
from experiments.record.labels import data_label

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
    return spec_of(task).title if task in options_of("task") else task


def data_name(setting: Setting) -> str:
    """`SNLI (38.7k subset)` for the data `snli-38.7k-subset`, with what departs from it in brackets."""
    titles = spec_of(setting.task).data_titles if setting.task in options_of("task") else {}
    label = data_label("", setting.changes)
    return " ".join(filter(None, [titles.get(setting.data, setting.data), label]))
