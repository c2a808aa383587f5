"""How a run's parts are called where a person reads: a name and what departs from it. Nothing parses a label."""

from collections.abc import Mapping

from experiments.configuration.composition import literal

ACTIVATION, MODEL, DATA = "act.options.", "model.", "data."
"""The beginnings of the keys that belong to a part; all others belong to the recipe."""


def activation_label(name: str, overrides: Mapping[str, object]) -> str:
    """`carelu(over=channel)`."""
    return _label(name, _below(ACTIVATION, overrides))


def model_label(name: str, overrides: Mapping[str, object]) -> str:
    """`bert(layers=2)`."""
    return _label(name, _below(MODEL, overrides))


def data_label(name: str, overrides: Mapping[str, object]) -> str:
    """`cifar100(held_out=5000)`."""
    return _label(name, _below(DATA, overrides))


def recipe_label(name: str, overrides: Mapping[str, object]) -> str:
    """`small(optim.optimizer.lr=0.05, trainer.epochs=1)`."""
    others = (ACTIVATION, MODEL, DATA)
    return _label(name, {key: value for key, value in overrides.items() if not key.startswith(others)})


def _below(prefix: str, overrides: Mapping[str, object]) -> dict[str, object]:
    return {key.removeprefix(prefix): value for key, value in overrides.items() if key.startswith(prefix)}


def _label(name: str, changes: Mapping[str, object]) -> str:
    listed = ", ".join(f"{key}={literal(value)}" for key, value in sorted(changes.items()))
    return f"{name}({listed})" if listed else name
