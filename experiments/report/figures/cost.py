"""Quality against cost: the headline over the time of a step in a benchmark, relative to the baseline's."""

from matplotlib.axes import Axes

from experiments.analysis.comparison import Entry
from experiments.analysis.numbers import fixed
from experiments.analysis.runs import Setting
from experiments.report.figures.benchmarks import Cost, Costs, costs
from experiments.report.figures.canvas import Figure, canvas
from experiments.report.figures.ends import height_for_labels, label_ends, space_for_labels
from experiments.report.figures.style import INK, PAPER, Look
from experiments.report.figures.subject import Subject, describe, joined
from experiments.report.names import activation_name, model_name, task_name
from experiments.report.remarks import remarks


def quality_against_cost(subject: Subject, setting: Setting) -> Figure:
    """Mean of the headline over the time ratio; not drawn, with the reason, where no benchmark has two activations."""
    name, metric = subject.headline(setting)
    entries = subject.entries(setting, name)
    folder = subject.evidence.file.parent / "benchmarks"
    measured = costs(folder, setting, subject.baseline)
    by_act = measured.by_act if measured else {}
    timed = [entry for entry in entries if entry.act in by_act]
    file = f"{subject.stems[setting]}_quality_against_cost"
    title = f"{task_name(setting.task)}: quality against cost"
    if len(timed) < 2:
        return Figure(file, title, joined(describe(setting), _missing(subject, setting)), "")
    acts = [entry.act for entry in timed]
    drawn = canvas(
        heights=[height_for_labels(acts, usual=2.6)],
        right=space_for_labels(acts),
    )
    (axes,) = drawn.panels
    axes.grid(True, axis="both")
    axes.axvline(1, color=INK, linewidth=0.9)
    for entry in timed:
        _point(axes, entry, by_act[entry.act], subject.looks[entry.act])
    axes.margins(0.08)
    axes.set_xlabel(f"time of a step, relative to {activation_name(subject.baseline)}")
    axes.set_ylabel(f"{metric.heading} (test)")
    label_ends(
        axes,
        {entry.act: entry.summary.mean for entry in timed},
        subject.looks,
    )
    said = (
        f"{activation_name(entry.act)} {fixed(entry.summary.mean, metric.decimals)} "
        f"at {fixed(by_act[entry.act].middle, 2)}"
        for entry in timed
    )
    return drawn.figure(
        file,
        title,
        joined(
            describe(setting),
            _reading(measured),
            *_unmeasured(entries, by_act),
            *remarks(entries, subject.baseline, name),
        ),
        f"Scatter plot of {metric.heading} over the time of a step relative to {activation_name(subject.baseline)}: "
        f"{', '.join(said)}.",
    )


def _reading(measured: Costs) -> str:
    return (
        "Vertical: mean over seeds with its 95 % interval. Horizontal: median and quartiles of the time of a training "
        f"step relative to the baseline's in the same round, from the benchmark on {measured.device} with the data "
        f"{measured.data}."
    )


def _missing(subject: Subject, setting: Setting) -> str:
    what = f"of {model_name(setting)} with recipe {setting.recipe_label} in {setting.precision}"
    return (
        f"Not drawn: benchmarks/ beside the ledger has no benchmark {what} with two of the activations, relative to "
        f"{activation_name(subject.baseline)}, and times of training runs are disturbed by other work on the machine. "
        f"To make one: python scripts/benchmark_training.py --benchmark activations --task {setting.task}, with --out "
        "for that folder."
    )


def _unmeasured(entries: list[Entry], by_act: dict[str, Cost]) -> list[str]:
    lacking = [activation_name(entry.act) for entry in entries if entry.act not in by_act]
    return [f"Not shown, since the benchmark lacks them: {', '.join(lacking)}."] if lacking else []


def _point(axes: Axes, entry: Entry, time: Cost, look: Look) -> None:
    x, y = time.middle, entry.summary.mean
    axes.plot([time.low, time.high], [y, y], color=look.colour, linewidth=1, alpha=0.7)
    if entry.summary.low is not None:
        axes.plot([x, x], [entry.summary.low, entry.summary.high], color=look.colour, linewidth=1, alpha=0.7)
    axes.plot(x, y, look.marker, color=look.colour, markersize=7, markeredgecolor=PAPER)
