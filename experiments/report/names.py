"""Proper names for what a person reads. The registry's and the configs' names stay the keys, in CSV files and W&B."""

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
_TASKS = {"cifar100": "CIFAR-100", "superres": "Super-resolution", "text": "Text classification"}
_DATA = {
    "cifar100": "CIFAR-100",
    "cifar100-sample": "CIFAR-100 (sample)",
    "bsds300": "BSDS300",
    "bsds300-sample": "BSDS300 (sample)",
    "div2k": "DIV2K",
    "snli": "SNLI",
    "snli-sample": "SNLI (sample)",
    "snli-38.7k-subset": "SNLI (38.7k subset)",
    "sst2-dev": "SST-2 (dev)",
}


def activation_name(label: str) -> str:
    """`CAReLU (over=channel)` for the label `carelu(over=channel)`; an unknown activation keeps its own name."""
    return _named(label, _ACTIVATIONS)


def task_name(task: str) -> str:
    """`CIFAR-100` for the task `cifar100`."""
    return _named(task, _TASKS)


def data_name(label: str) -> str:
    """`SNLI (38.7k subset)` for the data `snli-38.7k-subset`."""
    return _named(label, _DATA)


def _named(label: str, names: dict[str, str]) -> str:
    """The proper name, with what the label says in brackets after it."""
    name, bracket, rest = label.partition("(")
    return names[name] + (f" ({rest}" if bracket else "") if name in names else label
