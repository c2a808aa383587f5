"""The curve over one numeric option of an activation: the headline, and how much the scale varies with the input."""

from collections.abc import Mapping
from statistics import fmean

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator

from experiments.analysis.comparison import values_by_seed
from experiments.analysis.metrics import describe_metric
from experiments.analysis.option_curves import OptionCurve, curves_over
from experiments.analysis.runs import Run, Setting
from experiments.configuration.identity import under
from experiments.configuration.task_spec import Metric
from experiments.record.labels import ACTIVATION
from experiments.report.figures.canvas import Figure, canvas
from experiments.report.figures.ends import label_ends, space_for_labels
from experiments.report.figures.style import Look, looks
from experiments.report.figures.subject import Subject, describe, finished, joined
from experiments.report.names import activation_name, task_name
from experiments.report.sentences import curve_words


def options(subject: Subject, setting: Setting) -> list[Figure]:
    """A figure for each numeric option of an activation of which a setting has three values or more."""
    by_act: dict[str, list[Run]] = {}
    for runs in subject.runs(setting).values():
        for run in finished(runs):
            by_act.setdefault(run.act_name, []).append(run)
    figures = []
    for act, runs in by_act.items():
        keys = sorted({key for run in runs for key in run.overrides if under(key, (ACTIVATION,))})
        found = {key: curves_over(subject.evidence, act, runs, key) for key in keys}
        figures += [_draw(subject, setting, act, key, curves) for key, curves in found.items() if curves]
    return figures


def _draw(subject: Subject, setting: Setting, act: str, key: str, curves: list[OptionCurve]) -> Figure:
    name, metric = _judged(subject, setting)
    spreads = {curve.label: curve.spreads() for curve in curves}
    recorded = any(spreads.values())
    places = {value: place for place, value in enumerate(sorted({value for curve in curves for value in curve.runs}))}
    styles = looks([*(curve.label for curve in curves), subject.baseline])
    drawn = canvas(heights=[2.2, 1.6] if recorded else [2.2], right=space_for_labels(styles), gap=0.3)
    for curve in curves:
        _draw_values(drawn.panels[0], curve, name, places, styles[curve.label])
    base = list(values_by_seed(subject.evidence.of(setting).get(subject.baseline, ()), name).values())
    ends = {curve.label: list(curve.means(name).values())[-1] for curve in curves}
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
        + "; ".join(curve_words(curve, name, metric.decimals) for curve in curves)
        + ".",
    )


def _judged(subject: Subject, setting: Setting) -> tuple[str, Metric]:
    """The column that a setting is judged by: the headline, on the validation set where that selects."""
    name, metric = subject.headline(setting)
    if setting.changes.get("trainer.selection") != "validation":
        return name, metric
    return f"validation/{name}", describe_metric(setting.task, f"validation/{name}")


def _draw_values(axes: Axes, curve: OptionCurve, name: str, places: Mapping[float, int], look: Look) -> None:
    """Draws each run, and a line through the means."""
    means = curve.means(name)
    for value in means:
        measured = list(values_by_seed(curve.runs[value], name).values())
        x = [places[value]] * len(measured)
        axes.plot(x, measured, look.marker, color=look.colour, markersize=3, alpha=0.6)
    axes.plot([places[value] for value in means], list(means.values()), color=look.colour, linestyle=look.line)


def _draw_spreads(
    axes: Axes, spreads: Mapping[str, Mapping[float, float]], places: Mapping[float, int], styles: Mapping[str, Look]
) -> None:
    for label, by_value in spreads.items():
        x, y = [places[value] for value in by_value], [100 * spread for spread in by_value.values()]
        axes.plot(x, y, **styles[label].line_options(1))
    axes.set_yscale("symlog", linthresh=0.01)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("spread of the scale, %")
