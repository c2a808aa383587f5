"""Display labels of a run's parts: a name and its overrides. Labels are never parsed."""

from collections.abc import Mapping

from experiments.configuration.identity import label, under

ACTIVATION, MODEL, DATA = "act.options", "model", "data"
"""The parents of the keys that belong to a part; all others belong to the recipe."""


def activation_label(name: str, overrides: Mapping[str, object]) -> str:
    """`carelu(over=channel)`."""
    return label(name, overrides, ACTIVATION)


def model_label(name: str, overrides: Mapping[str, object]) -> str:
    """`bert(layers=2)`."""
    return label(name, overrides, MODEL)


def data_label(name: str, overrides: Mapping[str, object]) -> str:
    """`cifar100(held_out=5000)`."""
    return label(name, overrides, DATA)


def recipe_label(name: str, overrides: Mapping[str, object]) -> str:
    """`small(optim.optimizer.lr=0.05, trainer.epochs=1)`."""
    own = {key: value for key, value in overrides.items() if not under(key, (ACTIVATION, MODEL, DATA))}
    return label(name, own)
