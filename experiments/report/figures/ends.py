"""Direct labels: the name of an activation at the right of a panel, level with where its line or point is."""

from collections.abc import Iterable, Mapping

from matplotlib.axes import Axes

from experiments.report.figures.canvas import EDGE
from experiments.report.figures.style import LINE_HEIGHT, SMALL, Look, short, spread, text_width

_SIZE = SMALL + 0.5
_LEADER = 0.22
"""Length of the line from the panel to a label, in inches."""


def space_for_labels(acts: Iterable[str]) -> float:
    """The width of the labels at the right of a panel, in inches."""
    return _LEADER + 0.1 + max((text_width(short(act), _SIZE) for act in acts), default=0.0) + EDGE


def height_for_labels(acts: Iterable[str], usual: float) -> float:
    """The height of a panel with room for the labels, at least `usual`, in inches."""
    return max(usual, sum(map(_height, acts)))


def _height(act: str) -> float:
    return (short(act).count("\n") + 1) * _SIZE * LINE_HEIGHT / 72


def label_ends(axes: Axes, ends: Mapping[str, float], looks: Mapping[str, Look]) -> None:
    """Writes each name in its colour with its marker, as near to its value's height as fits without overlap.

    Args:
        axes: the panel, with all its data drawn; its limits are kept.
        ends: value on the vertical axis by activation.
        looks: look by activation.
    """
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    width, height = axes.figure.get_size_inches() * (axes.get_position().width, axes.get_position().height)
    wanted = [(value - low) / (high - low) for value in ends.values()]
    places = spread(wanted, [_height(act) / height for act in ends], 0.0, 1.0)
    for act, at, place in zip(ends, wanted, places, strict=True):
        colour = looks[act].colour
        x, y = [1.01, 1 + _LEADER / width], [at, place]
        axes.plot(x, y, color=colour, linewidth=0.6, alpha=0.8, transform=axes.transAxes, clip_on=False, zorder=1)
        axes.plot(x[-1], place, looks[act].marker, color=colour, markersize=4, transform=axes.transAxes, clip_on=False)
        axes.text(
            x[-1] + 0.08 / width,
            place,
            short(act),
            color=colour,
            size=_SIZE,
            va="center",
            transform=axes.transAxes,
            linespacing=1.1,
        )
    axes.set_xlim(left, right)
    axes.set_ylim(low, high)
