"""The critical-difference diagram of Demšar 2006: mean ranks over settings and seeds, and who is not told apart."""

from matplotlib.axes import Axes

from experiments.analysis.findings import equation
from experiments.analysis.numbers import fixed, p_text
from experiments.analysis.statistics import Ranking, rank
from experiments.report.across_table import common_activations, contents_of, ranked_scores, short_names
from experiments.report.figures.canvas import EDGE, Figure, canvas
from experiments.report.figures.style import INK, SMALL, short, text_width
from experiments.report.figures.subject import Subject

_ROW = 0.26
"""Vertical distance of two names, in inches."""
_BAR = 0.11
"""Vertical distance of two bars of names that are not told apart, in inches."""


def critical_difference(subject: Subject) -> Figure | None:
    """The diagram over all settings; None where there are not two settings with two activations in common."""
    contents = contents_of(subject.evidence, None)
    acts, left_out = common_activations(subject.evidence, contents, subject.baseline)
    if len(contents) < 2 or len(acts) < 2:
        return None
    ranking = rank(ranked_scores(subject.evidence, contents, acts))
    if not ranking.n:
        return None
    labels = {name: f"{short(name)}  {fixed(mean, 2)}" for name, mean in _by_name(ranking).items()}
    margin = max(text_width(label) for label in labels.values()) + 2 * EDGE
    names = short_names([setting for setting, _ in contents])
    note = " ".join((_reading(ranking), *left_out))
    drawn = canvas(
        "Across tasks: mean ranks",
        ", ".join(names.values()),
        note,
        heights=[0.35 + _BAR * len(ranking.cliques) + _ROW * ((len(acts) + 1) // 2) + 0.1],
        width=2.9,
        left=margin,
        right=margin,
        below=0.05,
    )
    _draw(drawn.panels[0], ranking, subject, labels)
    said = ", ".join(f"{name} {fixed(mean, 2)}" for name, mean in _by_name(ranking).items())
    return drawn.figure(
        "across_tasks_critical_difference",
        "Mean ranks across tasks. " + note,
        f"Critical-difference diagram. Mean ranks, best first: {said}. {_verdict(ranking)}",
    )


def _by_name(ranking: Ranking) -> dict[str, float]:
    return dict(zip(ranking.names, ranking.mean_ranks, strict=True))


def _reading(ranking: Ranking) -> str:
    return (
        f"Rank 1 is best; means over {ranking.n} pairs of setting and seed. A thick bar joins what the Nemenyi test "
        f"does not tell apart at 5 %. {_verdict(ranking)}"
    )


def _verdict(ranking: Ranking) -> str:
    if ranking.p_value is None:
        return "One block: no test, no claim."
    found = f"Friedman test: p {equation(p_text(ranking.p_value))}"
    alike = "; ".join(", ".join(clique) for clique in ranking.cliques)
    return f"{found}. " + (f"Not told apart: {alike}." if alike else "All are told apart.")


def _draw(axes: Axes, ranking: Ranking, subject: Subject, labels: dict[str, str]) -> None:
    """In data units: ranks to the right, inches below the scale downwards."""
    count = len(ranking.names)
    height = axes.figure.get_size_inches()[1] * axes.get_position().height
    axes.set_xlim(1, count)
    axes.set_ylim(height - 0.35, -0.35)
    axes.axis("off")
    _scale(axes, count)
    if ranking.critical_difference is not None:
        _distance(axes, ranking.critical_difference, count)
    bars = 0.12
    for clique in ranking.cliques:
        ends = [_by_name(ranking)[name] for name in (clique[0], clique[-1])]
        axes.plot([ends[0] - 0.03, ends[1] + 0.03], [bars, bars], color=INK, linewidth=3, solid_capstyle="butt")
        bars += _BAR
    left = (count + 1) // 2
    for place, (name, mean) in enumerate(_by_name(ranking).items()):
        on_left = place < left
        row = place if on_left else count - 1 - place
        y = bars + 0.1 + _ROW * row
        end = 1 - 0.02 * count if on_left else count + 0.02 * count
        colour = subject.looks[name].colour
        axes.plot([mean, mean, end], [0, y, y], color=colour, linewidth=1.2, clip_on=False)
        axes.plot(mean, 0, subject.looks[name].marker, color=colour, markersize=6, clip_on=False)
        axes.annotate(
            labels[name],
            (end, y),
            (-4 if on_left else 4, 0),
            textcoords="offset points",
            va="center",
            ha="right" if on_left else "left",
            color=colour,
            annotation_clip=False,
        )


def _scale(axes: Axes, count: int) -> None:
    axes.plot([1, count], [0, 0], color=INK, linewidth=0.9, clip_on=False)
    for tick in range(1, count + 1):
        axes.plot([tick, tick], [-0.05, 0], color=INK, linewidth=0.9, clip_on=False)
        axes.text(tick, -0.08, str(tick), ha="center", va="bottom", size=SMALL)


def _distance(axes: Axes, distance: float, count: int) -> None:
    """The critical difference as a length above the scale, cut off where it is longer than that."""
    end = min(1 + distance, count)
    axes.plot([1, end], [-0.3, -0.3], color=INK, linewidth=1.2, marker="|", markersize=5, clip_on=False)
    axes.text(end + 0.05, -0.3, f"CD = {fixed(distance, 2)}", ha="left", va="center", size=SMALL, clip_on=False)
