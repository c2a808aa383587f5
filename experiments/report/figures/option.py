"""The curve over one numeric option of an activation: the headline, and how much the scale varies with the input."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator

from experiments.analysis.activity import activity_of
from experiments.analysis.comparison import values_by_seed
from experiments.analysis.evidence import Evidence, Run, Setting, canonical
from experiments.analysis.metrics import describe_metric
from experiments.analysis.numbers import fixed, percent
from experiments.configuration.identity import under
from experiments.configuration.task_spec import Metric
from experiments.record.labels import ACTIVATION, activation_label
from experiments.report.figures.canvas import Figure, canvas
from experiments.report.figures.ends import label_ends, space_for_labels
from experiments.report.figures.style import Look, looks
from experiments.report.figures.subject import Subject, describe, finished, joined
from experiments.report.names import activation_name, task_name

FEWEST = 3
"""Values of an option that make a curve."""


@dataclass(frozen=True)
class _Curve:
    """The runs of an activation by value of one option, all else being equal."""

    label: str
    """Of the activation, without the option."""
    runs: Mapping[float, Sequence[Run]]
    """By value, ascending."""


def options(subject: Subject, setting: Setting) -> list[Figure]:
    """A figure for each numeric option of an activation of which a setting has three values or more."""
    by_act: dict[str, list[Run]] = {}
    for runs in subject.runs(setting).values():
        for run in finished(runs):
            by_act.setdefault(run.act_name, []).append(run)
    figures = []
    for act, runs in by_act.items():
        keys = sorted({key for run in runs for key in run.overrides if under(key, (ACTIVATION,))})
        found = {key: _curves(subject.evidence, act, runs, key) for key in keys}
        figures += [_draw(subject, setting, act, key, curves) for key, curves in found.items() if curves]
    return figures


def _curves(evidence: Evidence, act: str, runs: Sequence[Run], key: str) -> list[_Curve]:
    """The curves over `key`, one for each combination of the other options."""
    groups: dict[str, tuple[str, dict[float, list[Run]]]] = {}
    for run in runs:
        value = run.overrides[key] if key in run.overrides else _from_config(evidence, run, key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        others = {name: each for name, each in run.overrides.items() if under(name, (ACTIVATION,)) and name != key}
        group = groups.setdefault(canonical(others), (activation_label(act, others), {}))
        group[1].setdefault(float(value), []).append(run)
    return [
        _Curve(label, dict(sorted(by_value.items()))) for label, by_value in groups.values() if len(by_value) >= FEWEST
    ]


def _from_config(evidence: Evidence, run: Run, key: str) -> object:
    """The value of a dotted key in the configuration of a run; None where there is none."""
    value: object = evidence.config_of(run) or {}
    for word in key.split("."):
        value = value.get(word) if isinstance(value, Mapping) else None
    return value


def _draw(subject: Subject, setting: Setting, act: str, key: str, curves: list[_Curve]) -> Figure:
    name, metric = _judged(subject, setting)
    spreads = {
        curve.label: {
            value: spread
            for value, runs in curve.runs.items()
            if (spread := activity_of(runs).scale_spread) is not None
        }
        for curve in curves
    }
    recorded = any(spreads.values())
    places = {value: place for place, value in enumerate(sorted({value for curve in curves for value in curve.runs}))}
    styles = looks([*(curve.label for curve in curves), subject.baseline])
    drawn = canvas(heights=[2.2, 1.6] if recorded else [2.2], right=space_for_labels(styles), gap=0.3)
    means = {curve.label: _draw_values(drawn.panels[0], curve, name, places, styles[curve.label]) for curve in curves}
    base = list(values_by_seed(subject.evidence.of(setting).get(subject.baseline, ()), name).values())
    ends = {label: list(of_curve.values())[-1] for label, of_curve in means.items()}
    if base:
        ends[subject.baseline] = fmean(base)
        drawn.panels[0].axhline(fmean(base), color=styles[subject.baseline].colour, linewidth=0.9, linestyle=":")
    drawn.panels[0].set_ylabel(metric.heading)
    label_ends(drawn.panels[0], ends, styles)
    if recorded:
        _draw_spreads(drawn.panels[1], spreads, places, styles)
    option = key.removeprefix(f"{ACTIVATION}.")
    for panel in drawn.panels:
        panel.xaxis.set_major_locator(FixedLocator(list(places.values())))
        panel.set_xticklabels([f"{value:g}" for value in places])
        panel.set_xlim(-0.3, len(places) - 0.7)
    drawn.panels[-1].set_xlabel(option)
    stem = f"{subject.stems[setting]}_{act}_over_{option}"
    reading = f"Above: {metric.heading} by seed, and its mean"
    reading += f"; dotted: the mean of {activation_name(subject.baseline)}." if base else "."
    below = "Below: the spread of the scale over inputs, relative to its mean; median over layers and seeds."
    return drawn.figure(
        stem,
        f"{task_name(setting.task)}: {activation_name(act)} over {option}",
        joined(describe(setting), reading, below if recorded else ""),
        f"Line plot of {metric.heading} over {option}: "
        + "; ".join(_said(curve, means[curve.label], spreads[curve.label], metric.decimals) for curve in curves)
        + ".",
    )


def _judged(subject: Subject, setting: Setting) -> tuple[str, Metric]:
    """The column that a setting is judged by: the headline, on the validation set where that selects."""
    name, metric = subject.headline(setting)
    if setting.changes.get("trainer.selection") != "validation":
        return name, metric
    return f"validation/{name}", describe_metric(setting.task, f"validation/{name}")


def _draw_values(axes: Axes, curve: _Curve, name: str, places: Mapping[float, int], look: Look) -> dict[float, float]:
    """Draws each run and the means; returns these by value."""
    means = {}
    for value, runs in curve.runs.items():
        measured = list(values_by_seed(runs, name).values())
        if measured:
            means[value] = fmean(measured)
            x = [places[value]] * len(measured)
            axes.plot(x, measured, look.marker, color=look.colour, markersize=3, alpha=0.6)
    axes.plot([places[value] for value in means], list(means.values()), color=look.colour, linestyle=look.line)
    return means


def _draw_spreads(
    axes: Axes, spreads: Mapping[str, Mapping[float, float]], places: Mapping[float, int], styles: Mapping[str, Look]
) -> None:
    for label, by_value in spreads.items():
        x, y = [places[value] for value in by_value], [100 * spread for spread in by_value.values()]
        axes.plot(x, y, **styles[label].line_options(1))
    axes.set_yscale("symlog", linthresh=0.01)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("spread of the scale, %")


def _said(curve: _Curve, means: Mapping[float, float], spreads: Mapping[float, float], decimals: int) -> str:
    points = [
        f"{fixed(mean, decimals)} at {value:g}" + (f" (spread {percent(spreads[value])} %)" if value in spreads else "")
        for value, mean in means.items()
    ]
    return f"{activation_name(curve.label)} {', '.join(points)}"
