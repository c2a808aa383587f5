"""Training curves: the headline on the test set and the training loss over the epochs, mean over seeds."""

import math

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from experiments.analysis.comparison import Entry
from experiments.analysis.metrics import Metric
from experiments.analysis.numbers import fixed
from experiments.analysis.runs import Setting
from experiments.analysis.statistics import Summary, summarise
from experiments.report.figures.canvas import Canvas, Figure, canvas
from experiments.report.figures.ends import height_for_labels, label_ends, space_for_labels
from experiments.report.figures.style import Look
from experiments.report.figures.subject import Subject, describe, finished, joined
from experiments.report.names import activation_name, task_name
from experiments.report.remarks import remarks

Curve = dict[int, Summary]
"""By epoch."""
Records = list[dict[str, object]]
"""What one run recorded, an entry an epoch."""


def curves(subject: Subject, setting: Setting) -> Figure | None:
    """The training curves of a setting; None where no finished run has its metrics."""
    name, metric = subject.headline(setting)
    entries = subject.entries(setting, name)
    acts = [entry.act for entry in entries]
    recorded = {entry.act: _records(subject, entry) for entry in entries}
    panels = _panels(recorded, name, metric)
    if not panels:
        return None
    drawn = canvas(
        heights=[height_for_labels(acts, usual) for usual in (2.3, 1.6)[: len(panels)]],
        right=space_for_labels(acts),
    )
    for axes, (label, by_act) in zip(drawn.panels, panels, strict=True):
        axes.set_ylabel(label)
        for act, curve in by_act.items():
            _draw(axes, curve, subject.looks[act])
        label_ends(axes, {act: curve[max(curve)].mean for act, curve in by_act.items()}, subject.looks)
    _mark_epochs(drawn)
    label, by_act = panels[0]
    ends = (f"{activation_name(act)} {fixed(curve[max(curve)].mean, 2)}" for act, curve in by_act.items())
    return drawn.figure(
        f"{subject.stems[setting]}_curves",
        f"{task_name(setting.task)}: training curves",
        joined(describe(setting), _reading(recorded), *remarks(entries, subject.baseline, name)),
        f"Line chart over the epochs. {label} at the end: {', '.join(ends)}.",
    )


def _records(subject: Subject, entry: Entry) -> list[Records]:
    """What the finished runs of an activation recorded."""
    found = (subject.evidence.metrics_of(run) for run in finished(entry.runs))
    return [records for records in found if records]


def _panels(recorded: dict[str, list[Records]], name: str, metric: Metric) -> list[tuple[str, dict[str, Curve]]]:
    """(label of the axis, curves): the headline, or its like in training where that is measured once; the loss."""
    kind = name.rpartition("/")[2].partition("_")[0]  # psnr_y on the test set, psnr in training
    in_training = f"{metric.title.partition(' (')[0]} in training" + (f", {metric.unit}" if metric.unit else "")
    found = []
    keys = ((name, f"{metric.heading} (test)"), (f"train/{kind}", in_training), ("train/loss", "training loss"))
    for key, label in keys:
        by_act = {act: _curve(records, key) for act, records in recorded.items()}
        by_act = {act: curve for act, curve in by_act.items() if len(curve) > 1}
        if by_act:
            found.append((label, by_act))
    return found if len(found) < 3 else [found[0], found[-1]]


def _curve(records: list[Records], key: str) -> Curve:
    """The summary over runs at each epoch at which all of them recorded a number."""
    values: dict[int, list[float]] = {}
    for of_run in records:
        for record in of_run:
            if isinstance(record.get(key), int | float) and math.isfinite(record[key]):
                values.setdefault(record["epoch"], []).append(record[key])
    return {epoch: summarise(found) for epoch, found in sorted(values.items()) if len(found) == len(records)}


def _draw(axes: Axes, curve: Curve, look: Look) -> None:
    epochs = list(curve)
    axes.plot(epochs, [curve[epoch].mean for epoch in epochs], **look.line_options(len(epochs)))
    if all(curve[epoch].low is not None for epoch in epochs):
        low, high = ([getattr(curve[epoch], side) for epoch in epochs] for side in ("low", "high"))
        axes.fill_between(epochs, low, high, color=look.colour, alpha=0.15, linewidth=0)


def _mark_epochs(drawn: Canvas) -> None:
    """The same epochs below each other, also where the test set was measured in a few of them."""
    lows, highs = zip(*(axes.get_xlim() for axes in drawn.panels), strict=True)
    for axes in drawn.panels:
        axes.set_xlim(min(lows), max(highs))
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    drawn.panels[-1].set_xlabel("epoch")


def _reading(records: dict[str, list[Records]]) -> str:
    counts = {act: len(of_act) for act, of_act in records.items() if of_act}
    if set(counts.values()) == {1}:
        return "Lines: single runs."
    equal = len(set(counts.values())) == 1
    said = (
        str(max(counts.values()))
        if equal
        else ", ".join(f"{activation_name(act)} {count}" for act, count in counts.items())
    )
    return f"Lines: mean over seeds (n: {said}); bands: 95 % interval of the mean."
