"""What activations do to the data, as heat maps of layer × epoch: a competition's scale, and the distance from ReLU."""

from matplotlib.colors import LogNorm, Normalize

from experiments.analysis.runs import Setting
from experiments.report.figures.canvas import Figure
from experiments.report.figures.heat_maps import Curves, Values, heat_maps, in_words, means, recorded, seeds_text
from experiments.report.figures.subject import Subject, describe, finished, joined
from experiments.report.names import activation_name, task_name
from experiments.report.tables import file_name

MEASURED = frozenset(
    ("share", "share_std", "scale", "scale_std", "scale_min", "scale_max", "flipped", "response_distance")
)
"""Recorded values that are measured on the data, and are no parameters."""
_SPREAD = "spread of the scale over inputs, % of its mean"
_NAMES = {
    "scale": "mean scale",
    "flipped": "part of the inputs with a negative scale",
    "share": "share p of the positive side",
}
_NORMS = {
    _SPREAD: LogNorm(0.01, 100, clip=True),
    _NAMES["flipped"]: Normalize(0, 1),
    _NAMES["share"]: Normalize(0, 1),
}
"""Fixed scales of colours, so that figures compare."""
_DISTANCE, _DISTANCES = "response_distance", LogNorm(0.01, 10, clip=True)
_BEYOND = "Values beyond an end of a logarithmic scale have its last colour."


def effects(subject: Subject, setting: Setting) -> list[Figure]:
    """A figure for each competing activation, and one of all distances from ReLU; none of what no run recorded."""
    found = {act: recorded(subject, finished(runs)) for act, runs in subject.runs(setting).items()}
    figures = []
    for act, runs in found.items():
        curves = means(runs, _competition)
        if curves:
            figures.append(_of_competition(subject, setting, act, len(runs), curves))
    distances = {act: means(runs, _distance) for act, runs in found.items()}
    by_act = {activation_name(act): curves[_DISTANCE] for act, curves in distances.items() if curves}
    if by_act:
        count = {len(found[act]) for act, curves in distances.items() if curves}
        figures.append(_of_distances(subject, setting, max(count), by_act))
    return figures


def _competition(values: Values) -> Values:
    """The values of a competition by the label of their panel: the scale first."""
    if "scale" not in values:
        return {}
    known = {label: values[key] for key, label in _NAMES.items() if key in values}
    if "scale_std" in values and values["scale"]:
        known = {_SPREAD: 100 * values["scale_std"] / abs(values["scale"]), **known}
    return known


def _distance(values: Values) -> Values:
    return {key: value for key, value in values.items() if key == _DISTANCE}


def _of_competition(subject: Subject, setting: Setting, act: str, seeds: int, curves: Curves) -> Figure:
    reading = (
        "The scale multiplies all values of an input. Where it has no spread over inputs, the activation is ReLU times "
        "a constant."
    )
    return heat_maps(curves, _NORMS).figure(
        f"{subject.stems[setting]}_effect_{file_name(act)}",
        f"{task_name(setting.task)}: what {activation_name(act)} does in each layer",
        joined(describe(setting), seeds_text(seeds), reading, _BEYOND if _SPREAD in curves else ""),
        in_words(curves),
    )


def _of_distances(subject: Subject, setting: Setting, seeds: int, curves: Curves) -> Figure:
    reading = (
        "‖f(z) − relu(z)‖ / ‖relu(z)‖ over the pre-activations z of the evaluation set: 0 where the activation does "
        f"what ReLU does. {_BEYOND}"
    )
    return heat_maps(curves, dict.fromkeys(curves, _DISTANCES)).figure(
        f"{subject.stems[setting]}_distance_from_relu",
        f"{task_name(setting.task)}: distance of each activation from ReLU in each layer",
        joined(describe(setting), seeds_text(seeds), reading),
        in_words(curves),
    )
