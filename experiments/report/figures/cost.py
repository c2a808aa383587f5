"""Quality against cost: the headline over the time of a step, relative to the baseline's."""

from matplotlib.axes import Axes

from experiments.analysis.comparison import Entry
from experiments.analysis.evidence import Setting
from experiments.analysis.numbers import fixed
from experiments.report.cost_table import Ratio, ratio
from experiments.report.figures.canvas import Figure, canvas
from experiments.report.figures.ends import height_for_labels, label_ends, space_for_labels
from experiments.report.figures.style import INK, PAPER, Look
from experiments.report.figures.subject import Subject, describe, finished, joined
from experiments.report.names import activation_name, task_name
from experiments.report.remarks import remarks


def quality_against_cost(subject: Subject, setting: Setting) -> Figure | None:
    """Mean of the headline over the median time ratio; None if no activation has a time ratio."""
    name, metric = subject.headline(setting)
    entries = subject.entries(setting, name)
    runs = {entry.act: finished(entry.runs) for entry in entries}
    base = runs.get(subject.baseline, [])
    ratios = {entry.act: ratio(runs[entry.act], base, lambda run: run.step_milliseconds) for entry in entries}
    timed = [(entry, ratios[entry.act]) for entry in entries if ratios[entry.act]]
    if len(timed) < 2:
        return None
    acts = [entry.act for entry, _ in timed]
    drawn = canvas(
        heights=[height_for_labels(acts, usual=2.6)],
        right=space_for_labels(acts),
    )
    (axes,) = drawn.panels
    axes.grid(True, axis="both")
    axes.axvline(1, color=INK, linewidth=0.9)
    for entry, time in timed:
        _point(axes, entry, time, subject.looks[entry.act])
    axes.margins(0.08)
    axes.set_xlabel(f"time of a step, relative to {activation_name(subject.baseline)}")
    axes.set_ylabel(f"{metric.heading} (test)")
    label_ends(
        axes,
        {entry.act: entry.summary.mean for entry, _ in timed},
        subject.looks,
        starts={entry.act: time.middle for entry, time in timed},
    )
    said = (
        f"{activation_name(entry.act)} {fixed(entry.summary.mean, metric.decimals)} at {fixed(time.middle, 2)}"
        for entry, time in timed
    )
    return drawn.figure(
        f"{subject.stems[setting]}_quality_against_cost",
        f"{task_name(setting.task)}: quality against cost",
        joined(describe(setting), _READING, *_untimed(entries, ratios), *remarks(entries, subject.baseline, name)),
        f"Scatter plot of {metric.heading} over the time of a step relative to {activation_name(subject.baseline)}: "
        f"{', '.join(said)}.",
    )


_READING = (
    "Vertical: mean over seeds with its 95 % interval. Horizontal: median and range of the time ratio over pairs with "
    "the same seed, device and threads; other work on the machine can disturb it."
)


def _untimed(entries: list[Entry], ratios: dict[str, Ratio | None]) -> list[str]:
    untimed = [activation_name(entry.act) for entry in entries if ratios[entry.act] is None]
    return [f"Not shown, since no comparable time was measured: {', '.join(untimed)}."] if untimed else []


def _point(axes: Axes, entry: Entry, time: Ratio, look: Look) -> None:
    x, y = time.middle, entry.summary.mean
    axes.plot([time.low, time.high], [y, y], color=look.colour, linewidth=1, alpha=0.7)
    if entry.summary.low is not None:
        axes.plot([x, x], [entry.summary.low, entry.summary.high], color=look.colour, linewidth=1, alpha=0.7)
    axes.plot(x, y, look.marker, color=look.colour, markersize=7, markeredgecolor=PAPER)
