"""Runs of an activation by the value of one of its options: the headline, and how much the scale varies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from experiments.analysis.activity import activity_of
from experiments.analysis.comparison import values_by_seed
from experiments.analysis.evidence import Evidence
from experiments.analysis.runs import Run, canonical
from experiments.configuration.identity import under
from experiments.record.labels import ACTIVATION, activation_label

FEWEST = 3
"""Values of an option that make a curve."""


@dataclass(frozen=True)
class OptionCurve:
    """The runs of an activation by value of one option, all else being equal."""

    label: str
    """Of the activation, without the option."""
    runs: Mapping[float, Sequence[Run]]
    """By value, ascending."""

    def means(self, metric: str) -> dict[float, float]:
        """The mean of a metric over seeds, by value; without values that have no such metric."""
        measured = {value: list(values_by_seed(runs, metric).values()) for value, runs in self.runs.items()}
        return {value: fmean(each) for value, each in measured.items() if each}

    def spreads(self) -> dict[float, float]:
        """The spread of the scale over inputs relative to its mean, by value; empty where it was not recorded."""
        found = {value: activity_of(runs).scale_spread for value, runs in self.runs.items()}
        return {value: spread for value, spread in found.items() if spread is not None}


def curves_over(evidence: Evidence, act: str, runs: Sequence[Run], key: str) -> list[OptionCurve]:
    """The curves of an activation over a numeric option, one for each combination of the other options.

    Args:
        evidence: what the runs are of.
        act: the name of the activation, without options.
        runs: its runs.
        key: the option's dotted key, like `act.options.alpha`.

    Returns:
        Those with three values or more.
    """
    groups: dict[str, tuple[str, dict[float, list[Run]]]] = {}
    for run in runs:
        value = run.overrides[key] if key in run.overrides else _from_config(evidence, run, key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        others = {name: each for name, each in run.overrides.items() if under(name, (ACTIVATION,)) and name != key}
        group = groups.setdefault(canonical(others), (activation_label(act, others), {}))
        group[1].setdefault(float(value), []).append(run)
    return [
        OptionCurve(label, dict(sorted(by_value.items())))
        for label, by_value in groups.values()
        if len(by_value) >= FEWEST
    ]


def _from_config(evidence: Evidence, run: Run, key: str) -> object:
    """The value of a dotted key in the configuration of a run; None where there is none."""
    value: object = evidence.config_of(run) or {}
    for word in key.split("."):
        value = value.get(word) if isinstance(value, Mapping) else None
    return value
