"""Paired differences to the baseline: one point a seed, their mean with its interval, the margin, and the verdict."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from experiments.analysis.comparison import Entry, metrics_shown
from experiments.analysis.metrics import describe_metric
from experiments.analysis.runs import Setting
from experiments.configuration.task_spec import Metric
from experiments.report.figures.canvas import EDGE, Figure, canvas
from experiments.report.figures.style import FAINT, INK, LINE_HEIGHT, MUTED, PAPER, SMALL, TEXT, Look, short, text_width
from experiments.report.figures.subject import Subject, describe, joined
from experiments.report.names import activation_name, task_name
from experiments.report.remarks import remarks
from experiments.report.sentences import conclusion, difference_text, difference_unit, interval_text, verdict_text

_ROW = 0.37
"""Least height of the row of an activation, in inches."""
_DASHED = (0, (3, 1.5))
"""The line of an interval that no verdict rests on."""
_SPREAD = 0.11
"""Vertical distance of two seeds within a row, in rows."""


def differences(subject: Subject, setting: Setting) -> Figure | None:
    """The differences of a setting, a panel for each test set; None if no activation shares a baseline seed."""
    panels = []
    for name in metrics_shown(subject.evidence, setting, None):
        entries = subject.entries(setting, name)
        paired = [entry for entry in entries if entry.paired and entry.paired.n]
        if paired:
            panels.append((name, describe_metric(setting.task, name), entries[0], paired))
    if not panels:
        return None
    acts = [short(entry.act) for *_, paired in panels for entry in paired]
    verdicts = [_verdict(entry) for *_, paired in panels for entry in paired]
    row = max(_ROW, *((text.count("\n") + 1.4) * TEXT * LINE_HEIGHT / 72 for text in acts))
    drawn = canvas(
        heights=[row * (len(paired) + 0.4) for *_, paired in panels],
        width=2.7,
        left=max(map(text_width, acts)) + EDGE + 0.16,
        right=max(text_width(verdict, SMALL) for verdict in verdicts) + 2 * EDGE,
        gap=0.55,
    )
    for axes, (_, metric, _, paired) in zip(drawn.panels, panels, strict=True):
        _draw(axes, subject, metric, paired)
    said = (_sentence(entry, panel_metric) for _, panel_metric, _, found in panels for entry in found)
    name, _, base, paired = panels[0]
    baseline = activation_name(subject.baseline)
    return drawn.figure(
        f"{subject.stems[setting]}_differences",
        f"{task_name(setting.task)}: difference to {baseline}",
        joined(describe(setting), _READING, *remarks([base, *paired], subject.baseline, name)),
        f"Dot plot of differences to {baseline}. {' '.join(said)}",
    )


_READING = (
    "Small marks: single seeds, each minus the baseline with the same seed. Large mark: their mean. Bar: its 95 % "
    "interval, valid at any number of seeds, on which the verdict rests. Dashed: no such interval; the paired t "
    "interval, valid for a number of seeds fixed in advance. Band: margin of practical equivalence. Bold: better."
)


def draw_differences(
    axes: Axes, entries: Sequence[Entry], metric: Metric, looks: Mapping[str, Look], names: Sequence[str]
) -> None:
    """A row for each activation, with its name, over the margin as a band and the line of no difference."""
    axes.grid(False)
    axes.grid(True, axis="x")
    axes.axvline(0, color=INK, linewidth=0.9)
    if (margin := entries[0].margin) is not None:
        axes.axvspan(-margin, margin, color=FAINT, alpha=0.6, linewidth=0, zorder=0)
    for row, entry in enumerate(entries):
        _row(axes, row, entry, metric, looks[entry.act])
    axes.set_yticks(range(len(entries)), names)
    axes.tick_params(axis="y", length=0)


def _draw(axes: Axes, subject: Subject, metric: Metric, paired: list[Entry]) -> None:
    draw_differences(axes, paired, metric, subject.looks, [short(entry.act) for entry in paired])
    for row, entry in enumerate(paired):
        axes.text(
            1.03,
            row,
            _verdict(entry),
            transform=axes.get_yaxis_transform(),
            va="center",
            size=SMALL,
            color=INK if entry.decided else MUTED,
            weight="bold" if entry.better else "normal",
        )
    for label, entry in zip(axes.get_yticklabels(), paired, strict=True):
        label.set_color(subject.looks[entry.act].colour)
    axes.spines["left"].set_visible(False)
    axes.set_ylim(len(paired) - 0.3, -0.7)
    direction = "" if metric.higher_is_better else " (lower is better)"
    unit = difference_unit(metric)
    axes.set_xlabel(f"difference in {metric.title}{f', {unit}' if unit else ''}{direction}")


def _row(axes: Axes, row: int, entry: Entry, metric: Metric, look: Look) -> None:
    """The pairs of an activation, their mean, and the interval behind its verdict (dashed: the t interval)."""
    count = len(entry.differences)
    size, shade = (3.8, 0.7) if count > 1 else (6, 1)
    for place, difference in enumerate(entry.differences.values()):
        y = row + _SPREAD * (place - (count - 1) / 2) * min(1, 6 / count)
        axes.plot(difference, y, look.marker, color=look.colour, markersize=size, alpha=shade, markeredgewidth=0)
    paired = entry.paired
    if interval_text(entry, metric):
        ends = [entry.verdict.low, entry.verdict.high]
        axes.plot(ends, [row, row], color=look.colour, linewidth=2, solid_capstyle="butt")
    elif paired.low is not None:
        axes.plot([paired.low, paired.high], [row, row], color=look.colour, linewidth=1.2, linestyle=_DASHED)
    if paired.n > 1:
        axes.plot(paired.difference, row, look.marker, color=look.colour, markersize=7, markeredgecolor=PAPER)


def _verdict(entry: Entry) -> str:
    word, _, missing = verdict_text(entry).partition(": ")
    return f"{word}, n = {entry.paired.n}" + (f"\n{missing}" if missing else "")


def _sentence(entry: Entry, metric: Metric) -> str:
    return f"{activation_name(entry.act)} {difference_text(entry, metric)}: {conclusion(entry, metric)}."
