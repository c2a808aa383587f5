"""What activations learn, as heat maps of layer × epoch: their parameters."""

from experiments.analysis.runs import Run, Setting
from experiments.report.figures.canvas import Figure
from experiments.report.figures.effects import MEASURED
from experiments.report.figures.heat_maps import Values, heat_maps, in_words, means, recorded, seeds_text
from experiments.report.figures.subject import Subject, describe, finished, joined
from experiments.report.names import activation_name, task_name
from experiments.report.tables import file_name

_NAMES = {"alpha": "α", "beta": "β", "weight": "slope for z < 0 (mean of the layer)"}
"""Parameter → its label; others are shown under their own name."""


def learned(subject: Subject, setting: Setting) -> list[Figure]:
    """A figure for each activation of a setting with recorded parameters."""
    figures = (_figure(subject, setting, act, finished(runs)) for act, runs in subject.runs(setting).items())
    return [figure for figure in figures if figure]


def _figure(subject: Subject, setting: Setting, act: str, runs: list[Run]) -> Figure | None:
    found = recorded(subject, runs)
    curves = means(found, _parameters)
    if not curves:
        return None
    return heat_maps(curves).figure(
        f"{subject.stems[setting]}_learned_{file_name(act)}",
        f"{task_name(setting.task)}: what {activation_name(act)} learns in each layer",
        joined(describe(setting), seeds_text(len(found))),
        in_words(curves),
    )


def _parameters(values: Values) -> Values:
    return {_NAMES.get(key, key): value for key, value in values.items() if key not in MEASURED}
